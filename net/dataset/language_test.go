package dataset

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Pieces of a text follow one another with one token in common, so that each token but the first is
// predicted once.
func TestLanguageModelSets(t *testing.T) {
	path := table(t, "book.txt", repeated(200, func(i int) string { return fmt.Sprintf("Line %d of the book.", i) }))
	train, test, err := Options{TokenizerKind: TokenizerBytes, Length: 50}.Open(path)
	require.NoError(t, err)
	tok := mustOpen(t, train.Input.Text)
	whole := ""
	for i, s := range []*Set{train, test} {
		require.NoError(t, s.Validate())
		assert.Nil(t, s.Labels)
		assert.Zero(t, s.Classes)
		assert.Nil(t, s.Documents, "of a single document")
		var ids []int32
		for j := range s.Len() {
			b := s.Range(j, 1)
			require.GreaterOrEqual(t, len(b.Tokens), 2)
			if j < s.Len()-1 {
				require.Len(t, b.Tokens, 50)
			}
			if j == 0 {
				assert.Equal(t, tok.Special().Begin, b.Tokens[0])
				ids = append(ids, b.Tokens[0])
			} else {
				assert.Equal(t, ids[len(ids)-1], b.Tokens[0])
			}
			ids = append(ids, b.Tokens[1:]...)
		}
		assert.Equal(t, tok.Special().End, ids[len(ids)-1])
		text := tok.Decode(ids[1 : len(ids)-1])
		whole += text
		if i == 0 {
			assert.True(t, strings.HasSuffix(text, "\n"), "cut between lines")
			assert.InDelta(t, 0.8, float64(len(text))/float64(len(read(t, path))), 0.02)
		}
	}
	assert.Equal(t, string(read(t, path)), whole)

	rest, held, err := train.Split(10, 1)
	require.NoError(t, err)
	assert.Equal(t, []int{train.Len() - 10, 10}, []int{rest.Len(), held.Len()})
	prompt, err := train.Input.Text.Prompt("ab")
	require.NoError(t, err)
	assert.Equal(t, []int32{tok.Special().Begin, 'a', 'b'}, prompt)
	again, err := train.Input.LabeledTexts(path)
	require.NoError(t, err)
	require.NoError(t, again.Validate())
	assert.Greater(t, again.Len(), train.Len(), "the whole file")
}

// Of many documents whole ones are held back.
func TestDocuments(t *testing.T) {
	files := map[string]string{".hidden.txt": "no", "notes.md": "no"}
	for i := range 20 {
		files[fmt.Sprintf("%c/%d.txt", 'a'+i%3, i)] = strings.Repeat(fmt.Sprintf("document %d\r\n", i), 10)
	}
	dir := folderOf(t, files)
	train, test, err := Options{TokenizerKind: TokenizerBytes, Length: 40, Test: 0.25}.Open(dir)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	require.NoError(t, test.Validate())
	distinct := func(s *Set) int { return len(slices.Compact(slices.Clone(s.Documents))) }
	assert.Equal(t, 15, distinct(train))
	begins := 0
	for i := range test.Len() {
		if test.Range(i, 1).Tokens[0] == mustOpen(t, test.Input.Text).Special().Begin {
			begins++
		}
	}
	assert.Equal(t, 5, begins)
	first := textOf(t, test, 0)[0]
	number := strings.Fields(first)[1]
	for i := range train.Len() {
		assert.NotContains(t, textOf(t, train, i)[0], "document "+number+"\n")
	}
	assert.NotContains(t, first, "\r")
	rest, held, err := train.Split(train.Len()/5, 2)
	require.NoError(t, err)
	assert.Equal(t, 15, distinct(rest)+distinct(held))

	split := folderOf(t, map[string]string{"train.txt": strings.Repeat("to learn from. ", 30), "valid.txt": "to measure by."})
	train, test, err = Options{TokenizerKind: TokenizerBytes}.Open(split)
	require.NoError(t, err)
	assert.Equal(t, "to measure by.", textOf(t, test, 0)[0])
	assert.Equal(t, 1, test.Len())
	again, err := train.Input.LabeledTexts(split)
	require.NoError(t, err)
	assert.Equal(t, test.Tokens, again.Tokens)
}

// A column of a table is some documents, too.
func TestLanguageModelOfTable(t *testing.T) {
	path := table(t, "a.jsonl", repeated(20, func(i int) string { return fmt.Sprintf(`{"body":"post number %d"}`, i) }))
	train, test, err := Options{Text: "body", Language: true, TokenizerKind: TokenizerBytes}.Open(path)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	assert.Equal(t, []int{16, 4}, []int{train.Len(), test.Len()})
	assert.Nil(t, train.Labels)
	assert.Contains(t, textOf(t, train, 0)[0], "post number ")
	batch, _, err := train.Input.Texts("a text", []string{"one", "two"}, nil)
	require.NoError(t, err)
	assert.Equal(t, 2, batch.N)
	long, cut, err := train.Input.Texts("a text", []string{"one", strings.Repeat("y", 300)}, nil)
	require.NoError(t, err)
	assert.Equal(t, 302-128, cut, "of 300 letters, a begin and an end")
	assert.Equal(t, batch.Tokens[:5], long.Tokens[:5])
	assert.Equal(t, strings.Repeat("y", 127), mustOpen(t, train.Input.Text).Decode(long.Tokens[6:]))
}
