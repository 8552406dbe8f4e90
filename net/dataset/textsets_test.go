package dataset

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/text"
)

// folderOf writes files to a new folder and returns its path.
func folderOf(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		path := filepath.Join(dir, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o777))
		require.NoError(t, os.WriteFile(path, []byte(content), 0o666))
	}
	return dir
}

// repeated returns a line made from each number below n.
func repeated(n int, line func(i int) string) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(line(i) + "\n")
	}
	return b.String()
}

// textOf returns the texts of sample i.
func textOf(t testing.TB, s *Set, i int) [2]string {
	t.Helper()
	a, b, err := s.Text(i)
	require.NoError(t, err)
	return [2]string{a, b}
}

// Files as those of GLUE are: their columns, quotes that enclose nothing, a byte order mark, no
// names in CoLA, and tests without labels.
func TestGLUE(t *testing.T) {
	sst := func(n, from int) string {
		return "sentence\tlabel\n" + repeated(n, func(i int) string { return fmt.Sprintf("a \"good film %d \t%d", from+i, i%2) })
	}
	cola := func(n, from int) string {
		return repeated(n, func(i int) string {
			return fmt.Sprintf("gj04\t%d\t%s\tThe sailors rode breeze %d clear.", i%2, []string{"*", ""}[i%2], from+i)
		})
	}
	mrpc := func(n int) string {
		return "\ufeffQuality\t#1 ID\t#2 ID\t#1 String\t#2 String\r\n" + repeated(n, func(i int) string {
			return fmt.Sprintf("%d\t%d\t%d\tAmrozi accused \" his brother %d .\tReferring to him %d\r", i%2, i, i, i, i)
		})
	}
	rte := func(n int) string {
		return "index\tsentence1\tsentence2\tlabel\n" + repeated(n, func(i int) string {
			return fmt.Sprintf("%d\tNo weapons found %d.\tWeapons \"found\" %d.\t%s", i, i, i, []string{"entailment", "not_entailment"}[i%2])
		})
	}
	qnli := func(n int) string { return strings.Replace(rte(n), "sentence1\tsentence2", "question\tsentence", 1) }
	sts := func(n int) string {
		return "index\tgenre\tfilename\tyear\told_index\tsource1\tsource2\tsentence1\tsentence2\tscore\n" + repeated(n, func(i int) string {
			return fmt.Sprintf("%d\tmain-captions\tMSRvid\t2012test\t%d\tnone\tnone\tA plane %d is taking off.\tAn air plane %d is.\t%.3f", i, i, i, i, float64(i)/4)
		})
	}
	for _, test := range []struct {
		name    string
		files   map[string]string
		o       Options
		a, b    string // of the first sample of the test part
		classes []string
	}{
		{"SST-2", map[string]string{"train.tsv": sst(40, 0), "dev.tsv": sst(6, 100), "test.tsv": "index\tsentence\n0\tno label\n"},
			Options{Text: "sentence", Label: "label"}, `a "good film 100`, "", []string{"0", "1"}},
		{"CoLA", map[string]string{"train.tsv": cola(40, 0), "dev.tsv": cola(6, 100), "test.tsv": "index\tsentence\n0\tno label\n"},
			Options{Text: "#4", Label: "#2"}, "The sailors rode breeze 100 clear.", "", []string{"0", "1"}},
		{"MRPC", map[string]string{"train.tsv": mrpc(40), "dev.tsv": mrpc(6), "test.tsv": "index\t#1 ID\t#2 ID\t#1 String\t#2 String\n0\t1\t2\tx\ty\n"},
			Options{Text: "#1 String", Text2: "#2 String", Label: "Quality"}, `Amrozi accused " his brother 0 .`, "Referring to him 0", []string{"0", "1"}},
		{"RTE", map[string]string{"train.tsv": rte(40), "dev.tsv": rte(6)},
			Options{Text: "sentence1", Text2: "sentence2", Label: "label"}, "No weapons found 0.", `Weapons "found" 0.`, []string{"entailment", "not_entailment"}},
		{"QNLI", map[string]string{"train.tsv": qnli(40), "dev.tsv": qnli(6)},
			Options{Text: "question", Text2: "sentence", Label: "label"}, "No weapons found 0.", `Weapons "found" 0.`, []string{"entailment", "not_entailment"}},
		{"STS-B", map[string]string{"train.tsv": sts(40), "dev.tsv": sts(6)},
			Options{Text: "sentence1", Text2: "sentence2", Label: "score"}, "A plane 0 is taking off.", "An air plane 0 is.", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := folderOf(t, test.files)
			train, held, err := test.o.Open(dir)
			require.NoError(t, err)
			require.NoError(t, train.Validate())
			require.NoError(t, held.Validate())
			assert.Equal(t, []int{40, 6}, []int{train.Len(), held.Len()})
			assert.Equal(t, filepath.Base(dir)+"/train", train.Name)
			assert.Equal(t, net.Shape{128}, train.Shape)
			assert.Equal(t, test.classes, train.ClassNames)
			assert.Equal(t, [2]string{test.a, test.b}, textOf(t, held, 0))
			assert.Equal(t, test.b != "", held.Segments != nil)
			texts, tokens := held.Cut()
			assert.Zero(t, texts+tokens)
			if test.classes == nil {
				assert.Nil(t, held.Labels)
				assert.InDelta(t, 0.75, held.Input.Target(held.Targets[3]), 1e-5, "targets come back in the column's units")
			} else {
				assert.Equal(t, []int32{0, 1, 0, 1, 0, 1}, held.Labels)
			}

			// The same file, with what a checkpoint keeps, gives the same samples.
			kept, err := json.Marshal(train.Input)
			require.NoError(t, err)
			in := &Input{}
			require.NoError(t, json.Unmarshal(kept, in))
			again, err := in.LabeledTexts(dir)
			require.NoError(t, err)
			require.NoError(t, again.Validate())
			assert.Equal(t, held.Tokens, again.Tokens)
			assert.Equal(t, held.Segments, again.Segments)
			assert.Equal(t, held.Labels, again.Labels)
			assert.Equal(t, held.Targets, again.Targets)

			// And so do its texts as strings.
			a, b := []string{test.a}, []string(nil)
			if test.b != "" {
				b = []string{test.b}
			}
			batch, cut, err := in.Texts("a prompt", a, b)
			require.NoError(t, err)
			assert.Zero(t, cut)
			assert.Equal(t, held.Range(0, 1).Tokens, batch.Tokens)
			assert.Equal(t, held.Range(0, 1).Segments, batch.Segments)
			assert.Equal(t, held.Range(0, 1).Starts, batch.Starts)
		})
	}
}

// The same rows in every form, gzipped or not, are the same samples.
func TestTextForms(t *testing.T) {
	forms := map[string]string{
		"t.tsv":   "n\ttext\tkind\n" + repeated(30, func(i int) string { return fmt.Sprintf("%d\tsome words, number %d\t%d", i, i, i%3) }),
		"t.csv":   "n,text,kind\n" + repeated(30, func(i int) string { return fmt.Sprintf(`%d,"some words, number %d",%d`, i, i, i%3) }),
		"t.jsonl": repeated(30, func(i int) string { return fmt.Sprintf(`{"n":%d,"kind":%d,"text":"some words, number %d"}`, i, i%3, i) }),
		"u.tsv":   repeated(30, func(i int) string { return fmt.Sprintf("%d\tsome words, number %d\t%d", i, i, i%3) }),
	}
	forms["t.ndjson.gz"] = string(zipped([]byte("\ufeff" + strings.ReplaceAll(forms["t.jsonl"], "\n", "\r\n\r\n"))))
	dir := folderOf(t, forms)
	var first *Set
	for _, name := range []string{"t.tsv", "t.csv", "t.jsonl", "t.ndjson.gz", "u.tsv"} {
		o := Options{Text: "text", Label: "kind"}
		if name == "u.tsv" {
			o = Options{Text: "#2", Label: "#3"}
		}
		train, test, err := o.Open(filepath.Join(dir, name))
		require.NoError(t, err, name)
		require.NoError(t, train.Validate())
		require.NoError(t, test.Validate())
		assert.Equal(t, []int{24, 6}, []int{train.Len(), test.Len()})
		assert.Equal(t, []string{"0", "1", "2"}, train.ClassNames)
		if first == nil {
			first = train
		}
		assert.Equal(t, first.Tokens, train.Tokens, name)
		assert.Equal(t, first.Labels, train.Labels, name)
	}
	assert.Equal(t, [2]string{"some words, number 1", ""}, textOf(t, first, 1))
}

func TestTextErrors(t *testing.T) {
	rows := "text\tkind\n" + repeated(30, func(i int) string { return fmt.Sprintf("word %d\tab%d", i, i%2) })
	lines := repeated(30, func(i int) string { return fmt.Sprintf(`{"text":"word %d","kind":"%d"}`, i, i%2) })
	ok := Options{Text: "text", Label: "kind"}
	for _, test := range []struct {
		name, file, content string
		o                   Options
		want                string
	}{
		{"no text column named", "a.jsonl", lines, Options{}, `a.jsonl: which column has the text? Name it by Text (--text), one of "kind", "text"`},
		{"no label named", "a.tsv", rows, Options{Text: "text"}, `a.tsv: which column is the label? Name it by Label (--label), one of "text", "kind", or set Language (--language)`},
		{"no such text", "a.tsv", rows, Options{Text: "body", Label: "kind"}, `a.tsv has no column "body" for the Text (--text), it has "text", "kind"`},
		{"no such second text", "a.tsv", rows, Options{Text: "text", Text2: "body", Label: "kind"}, `a.tsv has no column "body" for the Text2 (--text2)`},
		{"no such label", "a.tsv", rows, Options{Text: "text", Label: "class"}, `a.tsv has no column "class" for the Label (--label)`},
		{"no such number", "a.tsv", rows, Options{Text: "#1", Label: "#3"}, `a.tsv has no column "#3" for the Label (--label), it has "#1", "#2"`},
		{"an empty text", "a.tsv", rows + "\tab1\n", ok, `a.tsv: line 32, column "text": expected a text, got an empty one: leave the row out`},
		{"a text of spaces", "a.tsv", rows + "  \tab1\n", ok, `line 32, column "text": expected a text, got an empty one`},
		{"an empty label", "a.tsv", rows + "word\t\n", ok, `a.tsv: line 32, column "kind": expected a label, got ""`},
		{"too few fields", "a.tsv", rows + "word\n", ok, "a.tsv: line 32 has 1 fields, want 2 as the first line has"},
		{"not UTF-8", "a.tsv", rows + strings.Repeat("x", 50) + "caf\xe9 au lait\tab1\n", ok, `a.tsv: line 32, field 1: ..."xxxxxxxxxxxxxxxxxcaf\xe9 au lait" isn't UTF-8`},
		{"UTF-16", "a.tsv", "\xff\xfet\x00", ok, "a.tsv: the file is in UTF-16, want UTF-8"},
		{"an empty file", "a.tsv", "", ok, "a.tsv: the file is empty"},
		{"no rows", "a.tsv", "text\tkind\n", ok, "a.tsv has no rows"},
		{"a column twice", "a.tsv", "kind\ttext\ttext\n1\t2\t3\n", ok, `a.tsv: line 1: columns 2 and 3 are both called "text"`},
		{"one class", "a.tsv", "text\tkind\na\tx\nb\tx\n", ok, `column "kind", the label, is "x" in all rows`},
		{"not an object", "a.jsonl", lines + "[1]\n", ok, "a.jsonl: line 31: expected an object of JSON"},
		{"null", "a.jsonl", lines + "null\n", ok, "a.jsonl: line 31: expected an object of JSON, got null"},
		{"broken JSON", "a.jsonl", lines + `{"text":"a"` + "\n", ok, "a.jsonl: line 31: expected an object of JSON: unexpected end"},
		{"a field missing", "a.jsonl", lines + `{"kind":"0"}` + "\n", ok, `a.jsonl: line 31, column "text": expected a text, got an empty one`},
		{"a field of fields", "a.jsonl", lines + `{"text":{"a":1},"kind":"0"}` + "\n", ok, `a.jsonl: line 31, field "text": expected a text or a number, got {"a":1}`},
		{"JSON not UTF-8", "a.jsonl", lines + "{\"text\":\"caf\xe9\",\"kind\":\"0\"}\n", ok, "a.jsonl: line 31: "},
		{"an empty JSON file", "a.jsonl", "\n\n", ok, "a.jsonl: the file is empty, want an object of JSON on each line"},
		{"a label for a language model", "a.tsv", rows, Options{Text: "text", Label: "kind", Language: true}, "but a language model (--language) learns without labels"},
		{"two texts for a language model", "a.tsv", rows, Options{Text: "text", Text2: "kind", Language: true}, "learns from single texts"},
		{"a second text alone", "a.tsv", rows, Options{Text2: "text", Label: "kind"}, "there is no Text (--text) before it"},
		{"one column for two", "a.tsv", rows, Options{Text: "text", Label: "text"}, `column "text" is to be a text and the Label (--label)`},
		{"a length of one", "a.tsv", rows, Options{Text: "text", Label: "kind", Length: 1}, "Length (--length) is 1, want 2 to"},
		{"no room for special tokens", "a.tsv", rows, Options{Text: "text", Label: "kind", Length: 2}, "Length (--length) is 2, want at least 3"},
		{"a small vocabulary", "a.tsv", rows, Options{Text: "text", Label: "kind", VocabularySize: 10}, "VocabularySize (--vocabulary) is 10, want 300 to"},
		{"a vocabulary of bytes", "a.tsv", rows, Options{Text: "text", Label: "kind", VocabularySize: 1000, TokenizerKind: TokenizerBytes}, "a tokenizer of bytes (--tokenizer-kind) has a size of its own"},
		{"a vocabulary and a file", "a.tsv", rows, Options{Text: "text", Label: "kind", VocabularySize: 1000, Tokenizer: "t.json"}, "the tokenizer of t.json (--tokenizer) has the size that it has"},
		{"no tokenizer", "a.tsv", rows, Options{Text: "text", Label: "kind", Tokenizer: "none.json"}, "Tokenizer (--tokenizer): "},
		{"a kind of tokenizer", "a.tsv", rows, Options{Text: "text", Label: "kind", TokenizerKind: "words"}, `TokenizerKind is "words", want one of auto, bpe, wordpiece, bytes`},
		{"pictures", "a.tsv", rows, Options{Text: "text", Label: "kind", ImageSize: 8}, "a.tsv has no use for ImageSize (--image-size)"},
		{"a label for plain text", "a.txt", "words", Options{Label: "kind"}, "a.txt, which is plain text, has no use for Label (--label)"},
		{"an empty plain text", "a.txt", " \n", Options{}, "a.txt has no text"},
		{"a short plain text", "a.txt", "a", Options{}, "1 bytes are too little text to hold back a share of 0.2 for a test"},
		{"a plain text not UTF-8", "a.txt", "one\ntwo\ncaf\xe9\n", Options{}, `a.txt: line 3: "caf\xe9\n" isn't UTF-8`},
		{"numbers with a tokenizer", "a.csv", "a,b\n1,2\n2,1\n", Options{Label: "b", Tokenizer: "x"}, "has no use for Tokenizer (--tokenizer)"},
		{"text as a table of words", "a.csv", "a,b\n" + repeated(300, func(i int) string { return fmt.Sprintf("word %d,%d", i, i%2) }), Options{Label: "b"}, "or name it by Text (--text) if it is text"},
	} {
		t.Run(test.name, func(t *testing.T) {
			train, held, err := test.o.Open(table(t, test.file, test.content))
			assert.Nil(t, train)
			assert.Nil(t, held)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, "dataset: ")
		})
	}
}

func TestTextFolderErrors(t *testing.T) {
	rows := "text\tkind\n" + repeated(30, func(i int) string { return fmt.Sprintf("word %d\tab%d", i, i%2) })
	ok := Options{Text: "text", Label: "kind"}
	for _, test := range []struct {
		name  string
		files map[string]string
		o     Options
		want  string
	}{
		{"no test", map[string]string{"train.tsv": rows}, ok, "has train.tsv, but no test, dev or valid file beside it"},
		{"no labels", map[string]string{"train.tsv": rows, "test.tsv": "text\nword\n"}, ok, `test.tsv has all of the columns "text", "kind"`},
		{"an unknown label", map[string]string{"train.tsv": rows, "dev.tsv": "text\tkind\nword\tab2\n"}, ok,
			`dev.tsv: line 2, column "kind": expected one of the 2 classes of the training data, "ab0", "ab1", got "ab2"`},
		{"a share", map[string]string{"train.tsv": rows, "dev.tsv": rows}, Options{Text: "text", Label: "kind", Test: 0.5}, "has no use for Test (--test)"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, _, err := test.o.Open(folderOf(t, test.files))
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// Texts that are too long lose their ends, and the sets say how many.
func TestCutTexts(t *testing.T) {
	long := func(i int) string { return strings.Repeat("abcde ", i%4) + "x" } // 1, 7, 13 or 19 bytes
	path := table(t, "a.tsv", "text\tkind\n"+repeated(40, func(i int) string { return fmt.Sprintf("%s\t%d", long(i), i%2) }))
	train, test, err := Options{Text: "text", Label: "kind", TokenizerKind: TokenizerBytes, Length: 12}.Open(path)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	assert.Equal(t, net.Shape{12}, train.Shape)
	special := text.Overhead(mustOpen(t, train.Input.Text), false)
	room := 12 - special
	for _, s := range []*Set{train, test} {
		wantTexts, wantTokens := 0, 0
		for i := range s.Len() {
			text := textOf(t, s, i)[0]
			require.LessOrEqual(t, len(text), room)
			if lost := int(s.Lost[i]); lost > 0 {
				wantTexts, wantTokens = wantTexts+1, wantTokens+lost
				assert.Contains(t, []int{13, 19}, len(text)+lost)
				assert.Len(t, text, room)
			}
		}
		texts, tokens := s.Cut()
		assert.Equal(t, []int{wantTexts, wantTokens}, []int{texts, tokens})
		assert.Positive(t, texts)
	}
	rest, held, err := train.Split(8, 1)
	require.NoError(t, err)
	all, _ := train.Cut()
	one, _ := rest.Cut()
	other, _ := held.Cut()
	assert.Equal(t, all, one+other, "a part knows of its own texts")
	_, cut, err := train.Input.Texts("a text", []string{strings.Repeat("y", 20)}, nil)
	require.NoError(t, err)
	assert.Equal(t, 20-room, cut)
}

func mustOpen(t testing.TB, in *Text) text.Tokenizer {
	tok, err := in.Open()
	require.NoError(t, err)
	return tok
}

// The tokenizer is trained on the training part alone, and its size follows the data.
func TestTrainedTokenizer(t *testing.T) {
	words := func(i int) string { return fmt.Sprintf("the same words come again and again in row %d", i) }
	dir := folderOf(t, map[string]string{
		"train.tsv": "text\tkind\n" + repeated(50, func(i int) string { return words(i) + fmt.Sprintf("\t%d", i%2) }),
		"dev.tsv":   "text\tkind\n" + repeated(50, func(i int) string { return strings.ToUpper(words(i)) + fmt.Sprintf("\t%d", i%2) }),
	})
	o := Options{Text: "text", Label: "kind"}
	train, test, err := o.Open(dir)
	require.NoError(t, err)
	assert.Less(t, 3*len(train.Tokens), len(test.Tokens), "words of the training part are single tokens, those of the test part are not")
	assert.LessOrEqual(t, train.Vocabulary, smallVocabulary)
	assert.Equal(t, train.Vocabulary, test.Vocabulary)
	again, _, err := o.Open(dir)
	require.NoError(t, err)
	assert.Equal(t, train.Input.Text.Tokenizer, again.Input.Text.Tokenizer)

	// A tokenizer of a file is the same one.
	path := filepath.Join(t.TempDir(), "tokenizer.json")
	require.NoError(t, os.WriteFile(path, train.Input.Text.Tokenizer, 0o666))
	for _, kind := range []TokenizerKind{"", TokenizerAuto, TokenizerBPE} {
		o.Tokenizer, o.TokenizerKind = path, kind
		again, _, err = o.Open(dir)
		require.NoError(t, err)
		assert.Equal(t, train.Tokens, again.Tokens)
	}
	o.TokenizerJSON = train.Input.Text.Tokenizer
	_, _, err = o.Open(dir)
	assert.ErrorContains(t, err, "and there is TokenizerJSON, too, want one of them")
	o.Tokenizer = ""
	again, _, err = o.Open(dir)
	require.NoError(t, err)
	assert.Equal(t, train.Tokens, again.Tokens)
	o.TokenizerJSON, o.Tokenizer = nil, path
	o.TokenizerKind = TokenizerWordPiece
	_, _, err = o.Open(dir)
	assert.ErrorContains(t, err, "has a tokenizer of kind bpe, but TokenizerKind (--tokenizer-kind) is wordpiece")
	o = Options{Text: "text", Label: "kind", TokenizerKind: TokenizerWordPiece, VocabularySize: 400}
	train, test, err = o.Open(dir)
	require.NoError(t, err)
	require.NoError(t, train.Validate())
	assert.LessOrEqual(t, train.Vocabulary, 400)
	assert.Contains(t, textOf(t, train, 0)[0], "the same words")
	assert.NotContains(t, textOf(t, test, 0)[0], "THE")
}

func TestTextInputs(t *testing.T) {
	path := table(t, "a.tsv", "one\ttwo\tkind\n"+repeated(30, func(i int) string { return fmt.Sprintf("word %d\tother %d\t%d", i, i, i%2) }))
	pair, _, err := Options{Text: "one", Text2: "two", Label: "kind"}.Open(path)
	require.NoError(t, err)
	single, _, err := Options{Text: "one", Label: "kind"}.Open(path)
	require.NoError(t, err)

	a, b, err := pair.Input.TextColumns(strings.NewReader("two\tx\tone\nB\tX\tA\n"), "new.tsv")
	require.NoError(t, err)
	assert.Equal(t, [][]string{{"A"}, {"B"}}, [][]string{a, b})
	a, b, err = single.Input.TextColumns(strings.NewReader("A\n\n B\r\n"), "lines.txt")
	require.NoError(t, err)
	assert.Equal(t, [][]string{{"A", "B"}, nil}, [][]string{a, b})
	for _, test := range []struct{ name, content, want string }{
		{"new.tsv", "one\nA\n", `new.tsv has no column "two" for the second text`},
		{"new.jsonl", `{"one":"A","two":""}`, `line 1, column "two": expected a text`},
		{"new.txt", "A\n", "has 1 texts and 0 second ones, want as many of both"},
		{"new.txt", "", "new.txt has no text"},
	} {
		_, _, err = pair.Input.TextColumns(strings.NewReader(test.content), test.name)
		assert.ErrorContains(t, err, test.want)
	}
	_, _, err = pair.Input.Texts("here", []string{"A"}, nil)
	assert.ErrorContains(t, err, "here has 1 texts and 0 second ones")
	_, _, err = single.Input.Texts("here", []string{"A"}, []string{"B"})
	assert.ErrorContains(t, err, "here has second texts, but the model was trained on single ones")
	_, _, err = single.Input.Texts("here", []string{"A", ""}, nil)
	assert.EqualError(t, err, "dataset: here: text 2 is empty, want a text")
	_, _, err = single.Input.Texts("here", []string{" \n"}, nil)
	assert.EqualError(t, err, "dataset: here is empty, want a text")
	_, _, err = single.Input.Texts("here", []string{"caf\xe9"}, nil)
	assert.EqualError(t, err, "dataset: here isn't UTF-8")
	_, _, err = pair.Input.Texts("here", []string{"A"}, []string{"caf\xe9"})
	assert.EqualError(t, err, "dataset: here isn't UTF-8")
	latin := filepath.Join(t.TempDir(), "latin.tsv")
	require.NoError(t, os.WriteFile(latin, []byte("caf\xe9\tx\n"), 0o644))
	_, err = single.Input.LabeledTexts(latin)
	assert.EqualError(t, err, "dataset: "+latin+`: line 1, field 1: "caf\xe9" isn't UTF-8`)
	_, err = single.Input.Picture("cat.png")
	assert.ErrorContains(t, err, "cat.png: expected texts, since the model was trained on some, got a picture")
	_, _, err = single.Input.Rows(strings.NewReader("a,b\n1,2\n"), "new.csv")
	assert.ErrorContains(t, err, "new.csv: expected texts, since the model was trained on some, got rows of a table")
	pictures := &Input{Pictures: &Pictures{2, 2, 1}}
	_, _, err = pictures.Texts("here", []string{"A"}, nil)
	assert.ErrorContains(t, err, "here: expected pictures, since the model was trained on some, got text")
	_, err = single.Input.LabeledTexts(folderOf(t, nil))
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = single.Input.LabeledTexts(table(t, "a.txt", "words"))
	assert.ErrorContains(t, err, `a.txt is plain text without labels, want a table with the columns "one", "kind"`)
	_, _, err = Synthetic(net.Shape{2}, 2, 4, 1).Text(0)
	assert.Error(t, err)

	for want, change := range map[string]func(in *Text){
		"the tokenizer of an Input: ":                 func(in *Text) { in.Tokenizer = json.RawMessage(`{}`) },
		"has samples of 1 tokens, want 2 to":          func(in *Text) { in.Length = 1 },
		"has samples of 2 tokens, which leaves none":  func(in *Text) { in.Length = 2 },
		"has the columns \"one\", \"one\"":            func(in *Text) { in.Columns = []string{"one", "one"} },
		"for a language model has a label":            func(in *Text) { in.Language = true },
		"has no label, want one unless it is for a l": func(in *Text) { in.Label = nil },
		"has 0 words, want 1 to":                      func(in *Text) { in.Label = &Column{Name: "kind", Words: []string{}} },
	} {
		old := single.Input.Text
		in := &Text{Tokenizer: old.Tokenizer, Length: old.Length, Columns: old.Columns, Label: old.Label}
		require.NoError(t, (&Input{Text: in}).Validate())
		in = &Text{Tokenizer: old.Tokenizer, Length: old.Length, Columns: old.Columns, Label: old.Label}
		change(in)
		assert.ErrorContains(t, (&Input{Text: in}).Validate(), want)
	}
	assert.ErrorContains(t, (&Input{Text: single.Input.Text, Table: &Table{}}).Validate(), "want one of them")
}

// Several goroutines make samples, which come in order all the same.
func TestSamplesInOrder(t *testing.T) {
	const n = 5*textsAtOnce + 3
	path := table(t, "a.tsv", "text\tkind\n"+repeated(n, func(i int) string { return fmt.Sprintf("text %d\t%d", i, i%2) }))
	train, test, err := Options{Text: "text", Label: "kind", TokenizerKind: TokenizerBytes}.Open(path)
	require.NoError(t, err)
	for _, s := range []*Set{train, test} {
		last := -1
		for i := range s.Len() {
			var number int
			_, err := fmt.Sscanf(textOf(t, s, i)[0], "text %d", &number)
			require.NoError(t, err)
			assert.Greater(t, number, last)
			assert.EqualValues(t, number%2, s.Labels[i])
			last = number
		}
	}
	assert.Equal(t, n, train.Len()+test.Len())
}

// Whatever a file holds, reading it gives rows or an error, and each row has all columns, in UTF-8.
func FuzzTextRows(f *testing.F) {
	for _, content := range []string{
		"text\tkind\nword\t1\n", "\ufefftext\tkind\r\n\"word\t1\r\n\r\n", "a\tb\n", "{\"text\":\"a\",\"kind\":1}\n", `{"text":null}`,
		`{"kind":true,"text":"é"}` + "\n{}\n", "text,kind\n\"a\nb\",2\n", "\xff\xfe", "text\tkind\n\xff\t1\n", string(zipped([]byte("text\tkind\nw\t1\n"))),
	} {
		f.Add(content)
	}
	f.Fuzz(func(t *testing.T, content string) {
		for _, name := range []string{"a.tsv", "a.csv", "a.jsonl"} {
			for _, columns := range [][]string{{"text", "kind"}, {"#1", "#2"}, nil} {
				rows, err := parseTextRows(strings.NewReader(content), name, columns)
				if err != nil {
					continue
				}
				require.NotEmpty(t, rows.cells)
				require.Len(t, rows.lines, len(rows.cells))
				for i, cells := range rows.cells {
					require.Len(t, cells, len(rows.header))
					require.Positive(t, rows.lines[i])
					for _, cell := range cells {
						require.True(t, strings.ToValidUTF8(cell, "") == cell)
					}
				}
			}
		}
	})
}
