package runs

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/pytorch"
)

// begun reads the data of settings, makes the run, and gives it its parameters.
func begun(s *Settings) (j *Job, fresh []string, err error) {
	if j, err = s.Read(); err == nil {
		err = j.Build("", 1)
	}
	if err == nil {
		fresh, err = j.Initialize()
	}
	return j, fresh, err
}

// A run on other classes begins with all parameters of another run but those of the last layer, and
// with its tokenizer.
func TestInitFromRun(t *testing.T) {
	table := reviews(t)
	run, first, _ := trained(t, onText(t, table, nothing))
	s := onText(t, table, func(s *Settings) { s.Label, s.Init = "other", run })
	j, fresh, err := begun(s)
	require.NoError(t, err)
	assert.Equal(t, run, s.Tokenizer)
	assert.True(t, sameTokenizer(first.Train.Input.Text.Tokenizer, j.Train.Input.Text.Tokenizer))
	m, err := Open(run, false)
	require.NoError(t, err)
	views := j.Model.Params()
	last := layerOf(views[len(views)-1].Name)
	assert.Equal(t, []string{last + ".weight", last + ".bias"}, fresh)
	initial := j.Model.Init(s.Seed)
	for i, v := range views {
		if layerOf(v.Name) == last {
			assert.Equal(t, v.Of(initial.Values), v.Of(j.Run.Params.Values))
			continue
		}
		assert.Equal(t, m.Model.Params()[i].Of(m.Params.Values), v.Of(j.Run.Params.Values), v.Name)
	}

	// As many classes take the last layer, too, and pictures need no tokenizer.
	j, fresh, err = begun(onText(t, table, func(s *Settings) { s.Init = filepath.Join(run, "best.safetensors") }))
	require.NoError(t, err)
	assert.Nil(t, fresh)
	assert.Equal(t, m.Params.Values, j.Run.Params.Values)
	digits, _, _ := trained(t, plain(t, func(s *Settings) { s.Epochs = 1 }))
	_, fresh, err = begun(plain(t, func(s *Settings) { s.Init = digits }))
	require.NoError(t, err)
	assert.Nil(t, fresh)
	j, fresh, err = begun(plain(t, nothing))
	require.NoError(t, err)
	assert.Nil(t, fresh)
	assert.Nil(t, j.Run.Params, "nothing was asked for")

	for want, change := range map[string]func(*Settings){
		"is a mlp, and --model is text-tiny":               func(s *Settings) { s.Init = digits },
		"has another tokenizer: without --tokenizer, ":     func(s *Settings) { s.Init, s.TokenizerKind = run, "bytes" },
		"0.Embedding.positions is 16x128 there and 32x128": func(s *Settings) { s.Init, s.Length = run, 32 },
		"--init: pytorch: checkpoint: stat none":           func(s *Settings) { s.Init = "none" },
	} {
		_, _, err := begun(onText(t, table, change))
		assert.ErrorContains(t, err, want)
	}
	_, _, err = begun(onText(t, table, func(s *Settings) { s.Tokenizer = digits }))
	assert.ErrorContains(t, err, "--tokenizer: "+digits+" has no tokenizer: its model wasn't trained on texts")
}

// A run begins with the tensors of a file of BERT, by the names of Hugging Face's transformers.
func TestInitFromBERT(t *testing.T) {
	dir, table := t.TempDir(), reviews(t)
	vocabulary := filepath.Join(dir, "vocab.txt")
	words := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] a fine awful film book song play meal number 0 1 2 3 4 5 6 7 8 9")
	require.NoError(t, os.WriteFile(vocabulary, []byte(strings.Join(words, "\n")+"\n"), 0o644))
	with := func(change func(*Settings)) *Settings {
		return onText(t, table, func(s *Settings) { s.Tokenizer = vocabulary; change(s) })
	}
	j, _, err := begun(with(nothing))
	require.NoError(t, err)
	params := j.Model.Init(9)
	file, err := os.Create(filepath.Join(dir, "bert.safetensors"))
	require.NoError(t, err)
	require.NoError(t, pytorch.Write(file, j.Model, params, j.Run.Meta))
	require.NoError(t, file.Close())

	k, fresh, err := begun(with(func(s *Settings) { s.Init = file.Name() }))
	require.NoError(t, err)
	assert.Empty(t, fresh)
	assert.Equal(t, params.Values, k.Run.Params.Values)
	_, fresh, err = begun(with(func(s *Settings) { s.Init, s.Label = file.Name(), "other" }))
	require.NoError(t, err)
	assert.Equal(t, []string{"classifier.weight", "classifier.bias"}, fresh)

	for want, change := range map[string]func(*Settings){
		" has a vocabulary of 24 tokens, and the data one of 260: --tokenizer FILE takes the vocab.txt that belongs to it": func(s *Settings) { s.Init, s.Tokenizer, s.TokenizerKind = file.Name(), "", "bytes" },
		"want":                   func(s *Settings) { s.Init, s.Model = file.Name(), "text-mini" },
		"not a safetensors file": func(s *Settings) { s.Init = vocabulary },
	} {
		_, _, err := begun(with(change))
		assert.ErrorContains(t, err, want)
	}
}
