package text

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// request is what testdata/tokenizers.js is asked for.
type request struct {
	Do      string        `json:"do"` // encode, pieces, train
	File    string        `json:"file"`
	Texts   []string      `json:"texts"`
	Pairs   []string      `json:"pairs,omitempty"` // the second texts
	Special bool          `json:"special"`         // with special tokens around the texts
	Most    int           `json:"most"`            // tokens; 0 for any number
	Decode  bool          `json:"decode"`
	Options []bertOptions `json:"options"`
	Model   string        `json:"model"`
	Out     string        `json:"out"`
}

// bertOptions are those of a normalizer of BERT.
type bertOptions struct {
	Clean    bool `json:"cleanText"`
	Separate bool `json:"handleChineseChars"`
	Strip    bool `json:"stripAccents"`
	Lower    bool `json:"lowercase"`
}

// answer is what comes back.
type answer struct {
	IDs        [][]int32 `json:"ids"`
	Segments   [][]uint8 `json:"segments"`
	Texts      []string  `json:"texts"`
	Normalized []string  `json:"normalized"` // by each of the options
	BERT       []string  `json:"bert"`
	Bytes      []string  `json:"bytes"`
}

// ask runs requests through Hugging Face's tokenizers, and skips the test where they aren't.
func ask(t testing.TB, requests ...request) (answers []answer) {
	t.Helper()
	dir := npm(t, "@anush008/tokenizers")
	node, err := exec.LookPath("node")
	if err != nil {
		t.Skip(err)
	}
	content, err := json.Marshal(requests)
	require.NoError(t, err)
	dir, err = filepath.Abs(dir)
	require.NoError(t, err)
	cmd := exec.Command(node, filepath.Join("testdata", "tokenizers.js"), filepath.Join(dir, "@anush008", "tokenizers"))
	cmd.Stdin = bytes.NewReader(content)
	var complaints bytes.Buffer
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	require.NoError(t, err, complaints.String())
	require.NoError(t, json.Unmarshal(out, &answers))
	require.Len(t, answers, len(requests))
	return answers
}
