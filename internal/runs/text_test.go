package runs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/generate"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/train"
)

// reviews writes a table of short texts: good ones and bad ones, with a grade.
func reviews(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "reviews.tsv")
	var rows strings.Builder
	rows.WriteString("review\tverdict\tgrade\tother\n")
	things := []string{"film", "book", "song", "play", "meal"}
	for i := range 100 {
		word, verdict, grade := "fine", "good", 4.5
		if i%2 == 1 {
			word, verdict, grade = "awful", "bad", 1.25
		}
		fmt.Fprintf(&rows, "a %s %s number %d\t%s\t%v\t%s\n", word, things[i%5], i/2, verdict, grade, things[i%3])
	}
	require.NoError(t, os.WriteFile(path, []byte(rows.String()), 0o644))
	return path
}

// story writes plain text.
func story(t *testing.T) string {
	path := filepath.Join(t.TempDir(), "story.txt")
	text := strings.Repeat("The king went to the sea. The sea was cold, and the king went home — über Land.\n", 20)
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
	return path
}

// onText is ready for a short run of a small model on texts.
func onText(t *testing.T, data string, change func(*Settings), given ...string) *Settings {
	return ready(t, func(s *Settings) {
		s.Data, s.Model, s.Batch, s.Length, s.Test = data, "text-tiny", 16, 16, 0.2
		if strings.HasSuffix(data, ".txt") {
			s.Model, s.TokenizerKind = "gpt-tiny", "bytes"
		} else {
			s.Text, s.Label = "review", "verdict"
		}
		change(s)
	}, append(given, "batch")...)
}

// A classifier of texts says of a text what it says of the sample that the text became, and finds
// its test samples again, whatever became of its tokenizer's file.
func TestTextClassifier(t *testing.T) {
	run, j, history := trained(t, onText(t, reviews(t), func(s *Settings) { s.Epochs, s.LR = 8, 1e-3 }, "lr"))
	last := history.Epochs[7].Valid
	assert.Greater(t, last["accuracy"], 0.9)
	assert.Contains(t, last, "f1")
	assert.Contains(t, last, "matthews")
	m, err := Open(run, false)
	require.NoError(t, err)
	assert.True(t, m.IsText())
	assert.False(t, m.Language())
	assert.Equal(t, []string{"bad", "good"}, m.ClassNames())

	source, _, err := m.Source()
	require.NoError(t, err)
	test, err := m.Test(source)
	require.NoError(t, err)
	assert.Equal(t, j.Test.Tokens, test.Tokens)
	assert.Equal(t, j.Test.Labels, test.Labels)
	all, err := m.TestOn(source.Path)
	require.NoError(t, err)
	assert.Equal(t, 100, all.Len(), "of other data, all rows are for the test")

	predictor, err := m.Model.Predictor(m.Params)
	require.NoError(t, err)
	for i := range 5 {
		text, _, err := test.Text(i)
		require.NoError(t, err)
		want, err := predictor.OutputsOf(nil, test.Range(i, 1))
		require.NoError(t, err)
		names, outputs := predictAll(t, m, text)
		assert.Equal(t, []string{text}, names)
		assert.Equal(t, [][]float32{want}, outputs)
	}

	names, outputs := predictAll(t, m, source.Path, "a fine film number 3")
	require.Len(t, names, 101)
	assert.Equal(t, source.Path+" row 7", names[6])
	assert.Equal(t, "a fine film number 3", names[100])
	_, alone := predictAll(t, m, "a awful song number 3")
	assert.Equal(t, alone[0], outputs[7], "row 8 of the table")
}

// Texts come by the lines of a reader, too, and long ones are cut and counted.
func TestPredictLines(t *testing.T) {
	run, _, _ := trained(t, onText(t, reviews(t), nothing))
	m, err := Open(run, false)
	require.NoError(t, err)
	lines := func(text string) (got []string, cut []int, err error) {
		err = m.Predict(t.Context(), []string{"-"}, strings.NewReader(text), func(p Prediction) error {
			got, cut = append(got, p.Input), append(cut, p.Cut)
			return nil
		})
		return got, cut, err
	}
	got, cut, err := lines("a fine film\r\n a\tb \n" + strings.Repeat("awful ", 40))
	require.NoError(t, err)
	assert.Equal(t, []string{"a fine film", " a\tb ", strings.Repeat("awful ", 40)}, got)
	assert.Equal(t, []int{0, 0}, cut[:2])
	assert.Positive(t, cut[2])
	got, _, err = lines("a fine film\n\nmore\n")
	assert.EqualError(t, err, "line 2 of the standard input is empty, want a text")
	assert.Len(t, got, 1)
	got, _, err = lines("")
	assert.NoError(t, err)
	assert.Empty(t, got)

	_, _, err = lines("\xff is no UTF-8")
	assert.EqualError(t, err, `dataset: "\xff is no UTF-8" isn't UTF-8`)
	for input, want := range map[string]string{"missing.csv": "open missing.csv", "none.txt": "open none.txt", "": `"" is empty, want a text`} {
		err := m.Predict(t.Context(), []string{input}, nil, func(Prediction) error { return nil })
		assert.ErrorContains(t, err, want)
	}
	names, _ := predictAll(t, m, "see readme.txt")
	assert.Equal(t, []string{"see readme.txt"}, names, "a text that ends like a file's name")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	assert.ErrorIs(t, m.Predict(ctx, []string{"a"}, nil, func(Prediction) error { return nil }), context.Canceled)
}

// A model of pairs takes two texts at a time.
func TestPredictPairs(t *testing.T) {
	run, _, _ := trained(t, onText(t, reviews(t), func(s *Settings) { s.Text2 = "other" }))
	m, err := Open(run, false)
	require.NoError(t, err)
	names, outputs := predictAll(t, m, "a fine film", "book", "a fine film", "play")
	assert.Equal(t, []string{"a fine film\tbook", "a fine film\tplay"}, names)
	assert.NotEqual(t, outputs[0], outputs[1])
	var byLine [][]float32
	require.NoError(t, m.Predict(t.Context(), []string{"-"}, strings.NewReader("a fine film\tbook\n"), func(p Prediction) error {
		byLine = append(byLine, slices.Clone(p.Outputs))
		return nil
	}))
	assert.Equal(t, outputs[:1], byLine)

	nobody := func(Prediction) error { return nil }
	assert.ErrorContains(t, m.Predict(t.Context(), []string{"a", "b", "c"}, nil, nobody), `"c" has no second text behind it: `)
	err = m.Predict(t.Context(), []string{"-"}, strings.NewReader("no tab\n"), nobody)
	assert.ErrorContains(t, err, "line 1 of the standard input has no tab: ")
}

// Grades are predicted in their own units, and measured by correlations.
func TestTextRegression(t *testing.T) {
	run, j, history := trained(t, onText(t, reviews(t), func(s *Settings) { s.Label, s.Task, s.Epochs, s.LR = "grade", "regress", 8, 1e-3 }, "lr"))
	assert.True(t, j.Regression())
	for _, name := range []string{"r2", "pearson", "spearman"} {
		assert.Contains(t, history.Epochs[7].Valid, name)
	}
	m, err := Open(run, false)
	require.NoError(t, err)
	_, outputs := predictAll(t, m, "a fine film number 3", "a awful film number 3")
	good, bad := m.Value(outputs[0]), m.Value(outputs[1])
	assert.InDelta(t, 4.5, good, 1.5)
	assert.InDelta(t, 1.25, bad, 1.5)

	review, err := NewReview(t.Context(), m.Model, m.Params, j.Test, nil)
	require.NoError(t, err)
	assert.Len(t, review.Pairs, j.Test.Len())
	assert.Contains(t, review.Scores, "spearman")
}

// The worst mistakes of a classifier of texts show the texts.
func TestReviewShowsTexts(t *testing.T) {
	run, j, _ := trained(t, onText(t, reviews(t), func(s *Settings) { s.Epochs, s.LabelNoise = 1, 1 }))
	m, err := Open(run, true)
	require.NoError(t, err)
	review, err := NewReview(t.Context(), m.Model, m.Params, j.Test, nil)
	require.NoError(t, err)
	require.NotEmpty(t, review.Mistakes, "wrong labels teach nothing")
	result, err := j.result(review, j.Test)
	require.NoError(t, err)
	want, _, err := j.Test.Text(review.Mistakes[0].Index)
	require.NoError(t, err)
	assert.Equal(t, []string{want}, result.Examples[0].Texts)
	assert.Nil(t, result.Fit)
	config := &Config{Settings: *j.Settings}
	require.NoError(t, j.SaveReport(run, config, &train.History{}, review, j.Test))
	page, err := os.ReadFile(filepath.Join(run, ReportFile))
	require.NoError(t, err)
	assert.Contains(t, string(page), "<p>"+want+"</p>")
}

// A language model goes on with any prompt: the same seed adds the same text, in parts that are
// whole characters, also beyond the tokens that it sees at a time.
func TestGenerate(t *testing.T) {
	run, j, history := trained(t, onText(t, story(t), func(s *Settings) { s.Epochs = 2 }))
	assert.True(t, j.Language())
	assert.False(t, j.Regression())
	assert.Less(t, history.Epochs[1].Valid["perplexity"], 200.0, "of 260 tokens")
	assert.Contains(t, history.Epochs[1].Valid, "token accuracy")
	m, err := Open(run, false)
	require.NoError(t, err)
	generated := func(prompt string, g generate.Options) (generate.Result, string) {
		var parts strings.Builder
		done, err := m.Generate(t.Context(), prompt, g, func(part string) error {
			assert.NotEmpty(t, part)
			_, err := parts.WriteString(part)
			return err
		})
		require.NoError(t, err)
		return done, parts.String()
	}
	g := generate.Options{Tokens: 60, Temperature: 1, Seed: 5}
	done, text := generated("The king", g)
	assert.Equal(t, text, done.Text)
	assert.NotEmpty(t, text)
	assert.True(t, done.Ended || done.Tokens == 60)
	again, _ := generated("The king", g)
	assert.Equal(t, done, again)
	g.Seed = 6
	other, _ := generated("The king", g)
	assert.NotEqual(t, done.Text, other.Text)
	_, text = generated("", generate.Options{Tokens: 5})
	assert.NotEmpty(t, text, "without a prompt, it begins a text")

	// Behind more tokens than the model sees, only the last ones count.
	long, _ := generated(strings.Repeat("x", 50)+"0123456789abcdef", generate.Options{Tokens: 8})
	short, _ := generated("0123456789abcdef", generate.Options{Tokens: 8})
	assert.Equal(t, short.Text, long.Text)

	_, err = m.Generate(t.Context(), "The", generate.Options{Tokens: 9}, func(string) error { return errors.New("enough") })
	assert.EqualError(t, err, "enough")
	_, err = m.Generate(t.Context(), "caf\xe9", generate.Options{Tokens: 9}, nil)
	assert.EqualError(t, err, `--prompt "caf\xe9" isn't UTF-8`)
	_, err = m.Generate(t.Context(), "The", generate.Options{}, nil)
	assert.EqualError(t, err, "--tokens is 0, want at least 1")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = m.Generate(ctx, "The", generate.Options{Tokens: 9}, nil)
	assert.ErrorIs(t, err, context.Canceled)
	err = m.Predict(t.Context(), []string{"The"}, nil, nil)
	assert.ErrorContains(t, err, " is a language model, which predicts no label: steppe generate goes on with a text")

	source, _, err := m.Source()
	require.NoError(t, err)
	test, err := m.Test(source)
	require.NoError(t, err)
	review, err := NewReview(t.Context(), m.Model, m.Params, test, nil)
	require.NoError(t, err)
	assert.Contains(t, review.Scores, "perplexity")
	result, err := j.result(review, j.Test)
	require.NoError(t, err)
	assert.Nil(t, result.Fit)
	assert.Empty(t, result.Examples)
}

// A model of pictures has nothing to go on with.
func TestGenerateNeedsALanguageModel(t *testing.T) {
	run, _, _ := trained(t, plain(t, func(s *Settings) { s.Epochs = 1 }))
	m, err := Open(run, false)
	require.NoError(t, err)
	_, err = m.Generate(t.Context(), "The", generate.Options{Tokens: 9}, nil)
	assert.EqualError(t, err, m.Path+" is no language model, which generate needs: steppe train --model gpt-tiny or gpt-mini trains one")
}

// A run of a transformer has AdamW and a warm-up, unless others are given.
func TestCompleteTransformers(t *testing.T) {
	of := func(change func(*Settings), given ...string) Settings {
		s := Defaults()
		change(&s)
		require.NoError(t, s.Complete(only(given...)))
		return s
	}
	for _, row := range zoo.Models {
		s := of(func(s *Settings) { s.Model = row.Name })
		transformer := row.Text != nil || row.Name == "vit-tiny"
		assert.Equal(t, transformer, row.HasBlocks(), row.Name)
		assert.Equal(t, row.Language, s.Language, row.Name)
		if transformer {
			lr := map[bool]float64{false: transformerLR, true: languageLR}[row.Language]
			assert.Equal(t, []any{"adamw", lr, 2.0, 0.01}, []any{s.Optimizer, s.LR, s.Warmup, s.WeightDecay}, row.Name)
		} else {
			assert.Equal(t, []any{"sgd", 0.05, 0.0, 1e-4}, []any{s.Optimizer, s.LR, s.Warmup, s.WeightDecay}, row.Name)
		}
	}
	s := of(func(s *Settings) { s.Model, s.Warmup, s.LR, s.Epochs = "text-tiny", 0, 0.1, 3 }, "warmup", "lr")
	assert.Equal(t, []any{"adamw", 0.1, 0.0}, []any{s.Optimizer, s.LR, s.Warmup})
	s = of(func(s *Settings) { s.Model, s.Epochs = "text-tiny", 3 }, "optimizer")
	assert.Equal(t, []any{"sgd", 0.05, 0.3}, []any{s.Optimizer, s.LR, s.Warmup})

	wrong := Defaults()
	wrong.Model, wrong.Language = "text-tiny", true
	assert.EqualError(t, wrong.Complete(only("language")), "--language=true with --model text-tiny, want one of gpt-tiny, gpt-mini")
}

// Data and a model that don't fit give one line that names both flags.
func TestTextJobErrors(t *testing.T) {
	table, plainText := reviews(t), story(t)
	for want, change := range map[string]func(*Settings){
		"--model text-tiny reads text, and --data digits has samples of 8x8x1: want another of the two, or one of the models mlp, ":   func(s *Settings) { s.Data, s.Model, s.Length, s.Text, s.Label = "digits", "text-tiny", 0, "", "" },
		"--model gpt-tiny reads text, and --data digits has samples of 8x8x1: want another of the two, or one of the models mlp, ":    func(s *Settings) { s.Data, s.Model, s.Length, s.Text, s.Label = "digits", "gpt-tiny", 0, "", "" },
		"--model lenet reads no text, and --data " + table + " has texts: want another of the two, or one of the models text-tiny, ":  func(s *Settings) { s.Model = "lenet" },
		"--model text-tiny reads text, and --data " + table + " has rows of numbers and words: --text names the column with the text": func(s *Settings) { s.Text, s.Length = "", 0 },
		"--model text-tiny learns labels, and --data " + plainText + " is text without any: want a table with --text and --label, or one of the models gpt-tiny, gpt-mini": func(s *Settings) {
			s.Data, s.Text, s.Label = plainText, "", ""
		},
		"--standardize, but reviews.tsv has texts, which have no values to normalize":       func(s *Settings) { s.Standardize = true },
		"--augment flip,crop, but reviews.tsv has texts, and augmentations change pictures": func(s *Settings) { s.Augment = []string{"flip", "crop"} },
		"--length is 1, want at least 2 tokens, or 0 for the usual number":                  func(s *Settings) { s.Length = 1 },
		"--vocabulary is -1, want at least 1 token, or 0 for a size that suits the data":    func(s *Settings) { s.Vocabulary = -1 },
		`--tokenizer-kind is "frob", want one of auto, bpe, wordpiece, bytes`:               func(s *Settings) { s.TokenizerKind = "frob" },
		"--label verdict with a language model, which learns from the text alone":           func(s *Settings) { s.Model = "gpt-tiny" },
		"--label-noise 0.1, but story.txt has text to predict, not classes":                 func(s *Settings) { s.Data, s.Text, s.Label, s.Model, s.LabelNoise = plainText, "", "", "gpt-tiny", 0.1 },
	} {
		s := Defaults()
		s.Data, s.Model, s.Batch, s.Length, s.Text, s.Label = table, "text-tiny", 16, 16, "review", "verdict"
		change(&s)
		err := s.Complete(only("batch"))
		if err == nil {
			_, err = s.Read()
		}
		assert.ErrorContains(t, err, want)
	}
}

// A tokenizer's file is found from another folder, and a run keeps its tokenizer.
func TestTokenizerFile(t *testing.T) {
	t.Chdir(t.TempDir())
	table := reviews(t)
	words := strings.Fields("[PAD] [UNK] [CLS] [SEP] [MASK] a fine awful film book song play meal number 0 1 2 3 4 5 6 7 8 9")
	require.NoError(t, os.WriteFile("vocab.txt", []byte(strings.Join(words, "\n")+"\n"), 0o644))
	s := onText(t, table, func(s *Settings) { s.Tokenizer = "vocab.txt" })
	run, j, _ := trained(t, s)
	assert.Equal(t, len(words), j.Train.Vocabulary)
	assert.True(t, filepath.IsAbs(s.TokenizerPath))

	t.Chdir(t.TempDir())
	again := *s // a run that goes on in another working folder
	k, err := again.Read()
	require.NoError(t, err)
	assert.Equal(t, j.Sum, k.Sum)

	require.NoError(t, os.Remove(s.TokenizerPath))
	m, err := Open(run, false)
	require.NoError(t, err)
	source, _, err := m.Source()
	require.NoError(t, err)
	test, err := m.Test(source)
	require.NoError(t, err)
	assert.Equal(t, j.Test.Tokens, test.Tokens)
	again = *s
	_, err = again.Read()
	assert.ErrorContains(t, err, s.TokenizerPath)
	again.KeepTokenizer(run)
	k, err = again.Read()
	require.NoError(t, err)
	assert.Equal(t, j.Sum, k.Sum, "the run has its tokenizer")
	_, err = m.TestOn("digits")
	assert.ErrorContains(t, err, "digits")
}
