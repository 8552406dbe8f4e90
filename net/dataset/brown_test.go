package dataset

import (
	"archive/tar"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tarOf returns a tar archive of files, gzipped.
func tarOf(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		require.NoError(t, w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))}))
		_, err := w.Write([]byte(content))
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	return zipped(b.Bytes())
}

// cacheOf sets the cache folder to one with an archive.
func cacheOf(t testing.TB, name, archive string, files map[string]string) {
	t.Helper()
	cache := t.TempDir()
	t.Setenv(CacheEnv, cache)
	require.NoError(t, os.Mkdir(filepath.Join(cache, name), 0o777))
	require.NoError(t, os.WriteFile(filepath.Join(cache, name, archive), tarOf(t, files), 0o666))
}

// brownFiles are files as the corpus has them: of each genre n documents, which speak of nothing
// else.
func brownFiles(n int) map[string]string {
	files := map[string]string{"package/README": "BROWN CORPUS", "package/package.json": "{}", "package/CONTENTS": "x"}
	for g, genre := range brownClasses {
		for i := range n {
			name := fmt.Sprintf("c%c%02d", 'a'+g, i)
			files["package/cats.txt"] += name + " " + genre + "\n"
			document := "\n\n"
			for s := range 12 {
				document += fmt.Sprintf("\tThe/at %s/nn %s/np number/nn %d/cd ,/, so/rb-hl ,/, ;/. ;/.\n", genre, name, s)
				if s%3 == 2 {
					document += "\n\n"
				}
			}
			files["package/"+name] = document
		}
	}
	return files
}

func TestBrown(t *testing.T) {
	cacheOf(t, "brown", brownArchive, brownFiles(5))
	train, test, err := Options{TokenizerKind: TokenizerBytes, Length: 100}.Open("brown")
	require.NoError(t, err)
	assert.Equal(t, []string{"brown/train", "brown/test"}, []string{train.Name, test.Name})
	for i, s := range []*Set{train, test} {
		require.NoError(t, s.Validate())
		assert.Equal(t, brownClasses, s.ClassNames)
		documents := map[string]string{} // text by name
		for i := range s.Len() {
			text := textOf(t, s, i)[0]
			genre, name := strings.Fields(text)[1], strings.Fields(text)[2]
			assert.Equal(t, brownClasses[s.Labels[i]], genre)
			documents[name] += text + "|"
			for other := range s.Len() {
				if strings.Contains(textOf(t, s, other)[0], name) != (s.Documents[other] == s.Documents[i]) {
					t.Fatalf("Documents of samples %d and %d", i, other)
				}
			}
		}
		assert.Len(t, documents, []int{4, 1}[i]*len(brownClasses), "whole documents, of each genre")
		cut, _ := s.Cut()
		assert.Zero(t, cut)
		for name, text := range documents {
			for s := range 12 {
				assert.Contains(t, text, fmt.Sprintf("%s number %d, so,;", name, s))
			}
			assert.Equal(t, 12, strings.Count(text, "The "), "each sentence once")
		}
	}
	// Passages are whole sentences, as many as fit.
	for i := range train.Len() {
		text := textOf(t, train, i)[0]
		assert.True(t, strings.HasPrefix(text, "The ") && strings.HasSuffix(text, "so,;"), text)
	}

	language, held, err := Options{TokenizerKind: TokenizerBytes, Length: 100, Language: true}.Open("brown")
	require.NoError(t, err)
	require.NoError(t, language.Validate())
	require.NoError(t, held.Validate())
	assert.Nil(t, language.Labels)
	assert.Len(t, slices.Compact(slices.Clone(language.Documents)), 4*len(brownClasses))
	assert.Contains(t, textOf(t, language, 0)[0], "number 0, so,; The ")

	half, _, err := Options{TokenizerKind: TokenizerBytes, Test: 0.5}.Open("brown")
	require.NoError(t, err)
	assert.Less(t, len(half.Tokens), len(train.Tokens))
	_, _, err = Options{Text: "text"}.Open("brown")
	assert.ErrorContains(t, err, "brown has no use for Text (--text)")
}

// A sentence that is longer than a sample is cut between words, and nothing of it is lost.
func TestLongSentence(t *testing.T) {
	files := brownFiles(2)
	files["package/ca00"] = strings.Repeat("word/nn ", 99) + "./.\n" + "Next/rb ./.\n"
	files["package/ca01"] = files["package/ca00"]
	cacheOf(t, "brown", brownArchive, files)
	train, _, err := Options{TokenizerKind: TokenizerBytes, Length: 23, Test: 0.5}.Open("brown")
	require.NoError(t, err)
	var words []string
	for i := range train.Len() {
		if text := textOf(t, train, i)[0]; train.Labels[i] == 0 {
			words = append(words, strings.Fields(text)...)
			assert.LessOrEqual(t, len(text), 21)
		}
	}
	assert.Equal(t, strings.Fields(strings.Repeat("word ", 98)+"word. Next."), words)
	cut, _ := train.Cut()
	assert.Zero(t, cut)
}

func TestBrownErrors(t *testing.T) {
	for _, test := range []struct {
		name, want string
		change     func(files map[string]string)
	}{
		{"no genres", "has no cats.txt with the genres", func(files map[string]string) { delete(files, "package/cats.txt") }},
		{"a genre", `cats.txt says that cb01 is of genre "", want one of adventure, `, func(files map[string]string) {
			files["package/cats.txt"] = strings.Replace(files["package/cats.txt"], "cb01 ", "cb99 ", 1)
		}},
		{"no tag", `ca01: line 1: expected words with tags, as in the/at, got "word"`, func(files map[string]string) { files["package/ca01"] = "word" }},
		{"nothing", "ca01: no sentences", func(files map[string]string) { files["package/ca01"] = "\n\n" }},
		{"not UTF-8", `ca01: "caf\xe9/nn" isn't UTF-8`, func(files map[string]string) { files["package/ca01"] = "caf\xe9/nn" }},
		{"no document of a genre", `no document of genre "humor"`, func(files map[string]string) {
			delete(files, "package/cg00")
			delete(files, "package/cg01")
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := brownFiles(2)
			test.change(files)
			cacheOf(t, "brown", brownArchive, files)
			_, _, err := Open("brown")
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "dataset: ")
		})
	}
	t.Setenv(CacheEnv, t.TempDir())
	t.Chdir(t.TempDir())
	_, _, err := Open("brown")
	assert.ErrorContains(t, err, "steppe data get brown fetches it")
	require.NoError(t, os.Mkdir(filepath.Join(CacheDir(), "brown"), 0o777))
	_, _, err = Open("brown")
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, "steppe data get brown mends it")
	require.NoError(t, os.WriteFile(filepath.Join(CacheDir(), "brown", brownArchive), []byte("\x1f\x8b"), 0o666))
	_, _, err = Open("brown")
	assert.ErrorContains(t, err, "damaged gzip")
	require.NoError(t, os.WriteFile(filepath.Join(CacheDir(), "brown", brownArchive), bytes.Repeat([]byte("x"), 1000), 0o666))
	_, _, err = Open("brown")
	assert.ErrorContains(t, err, "damaged archive")
}

func TestJoinWords(t *testing.T) {
	for words, want := range map[string]string{
		"The jury said , `` no '' .":           `The jury said, "no".`,
		"Why not ? ? Oh ! ! Yes ; ; so , , no": "Why not? Oh! Yes; so,, no",
		"He ( the man ) -- Mr. -- went":        "He (the man) -- Mr. -- went",
		"called ' hot ' and ' cold ' by Jr. .": "called 'hot' and 'cold' by Jr.",
		"`` Go ! ! '' he said":                 `"Go!" he said`,
		"[ sic ] : $5 & 4-1/2%":                "[sic]: $5 & 4-1/2%",
	} {
		assert.Equal(t, want, joinWords(strings.Fields(words)))
	}
}

// The corpus itself, where it is in the cache.
func TestRealBrown(t *testing.T) {
	dir, err := cached("brown")
	if testing.Short() || err != nil {
		t.Skipf("-short, or no Brown corpus here (steppe data get brown): %v", err)
	}
	documents, err := readBrown(filepath.Join(dir, brownArchive))
	require.NoError(t, err)
	assert.Len(t, documents, 500)
	assert.True(t, strings.HasPrefix(documents[0].text(), `The Fulton County Grand Jury said Friday an investigation of Atlanta's recent primary election produced "no evidence" that any irregularities took place.`+"\n"))
	train, test, err := Options{TokenizerKind: TokenizerBytes, Length: 512}.brown(documents)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	require.NoError(t, test.Validate())
	count := func(s *Set) int { return len(slices.Compact(slices.Clone(s.Documents))) }
	assert.Equal(t, []int{400, 100}, []int{count(train), count(test)})
}
