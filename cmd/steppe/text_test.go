package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/sam/train"
)

// onReviews makes a folder with reviews.tsv, goes there, and returns the flags of a short run on
// it.
func onReviews(t *testing.T, flags ...string) []string {
	t.Chdir(t.TempDir())
	reviewFile(t, "reviews.tsv", 100)
	return append([]string{
		"train", "--data", "reviews.tsv", "--text", "review", "--label", "verdict", "--model", "text-tiny", "--length", "16",
		"--batch", "16", "--epochs", "6", "--lr", "0.001",
	}, flags...)
}

// A run on texts, from training to predictions.
func TestTrainTexts(t *testing.T) {
	code, stdout, stderr := steppe(t, onReviews(t, "--out", "run")...)
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	lines := strings.Split(stdout, "\n")
	assert.Equal(t, "text-tiny on reviews.tsv: 72 training, 8 validation and 20 test samples of up to 16 tokens in 2 classes", lines[0])
	assert.Regexp(t, `^vocabulary of \d+ tokens, \d+\.\d a sample on average$`, lines[1])
	assert.Equal(t, "mSAM with 8 shards, rho 0.0036, AdamW, batch 16, lr 0.001 cosine after 0.6 epochs of warm-up, decay 0.01", lines[2])
	assert.Contains(t, stdout, "\nepoch   train loss   valid loss   valid accuracy   seconds   samples/s\n")
	assert.Regexp(t, `\nTest accuracy \d+\.\d\d% \(\d+ of 20\), F1 \d\.\d{4}, Matthews -?\d\.\d{4}, loss \d\.\d{4}, with epoch \d of 6, the best by valid_loss\.\n`, stdout)
	for _, file := range []string{"curves.png", "report.html", "result.json", "config.json"} {
		assert.FileExists(t, filepath.Join("run", file))
	}
	assert.Contains(t, read(t, "run/config.json"), `"text": "review"`)

	code, stdout, stderr = steppe(t, "eval", "run")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\n20 test samples of reviews.tsv, up to 16 tokens in 2 classes\n")
	assert.Regexp(t, `\nTest accuracy \d+\.\d\d% \(\d+ of 20\), F1 `, stdout)
	code, stdout, stderr = steppe(t, "eval", "run", "--data", "reviews.tsv", "--json")
	require.Zero(t, code, stderr)
	var review struct {
		Samples int          `json:"samples"`
		Scores  train.Scores `json:"scores"`
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &review))
	assert.Equal(t, 100, review.Samples)
	assert.Greater(t, review.Scores["accuracy"], 0.9)

	code, stdout, stderr = steppe(t, "predict", "run", "a fine film of number 3", "an awful, "+strings.Repeat("awful ", 20)+"one", "--top", "2")
	require.Zero(t, code)
	assert.Equal(t, "steppe: 1 of 2 texts are longer than the 16 tokens that the model takes: it hasn't seen their ends\n", stderr)
	assert.Regexp(t, `(?m)^a fine film of number 3  good +\d+\.\d\d%  bad +\d+\.\d\d%$`, stdout)
	code, stdout, stderr = steppe(t, "predict", "run", "reviews.tsv", "--json")
	require.Zero(t, code, stderr)
	assert.Equal(t, 100, strings.Count(stdout, "\n"))
	assert.True(t, strings.HasPrefix(stdout, `{"input":"reviews.tsv row 1","class":"good",`), stdout)

	root := newRoot()
	var out bytes.Buffer
	root.SetIn(strings.NewReader("a fine book\nan awful book\n"))
	root.SetOut(&out)
	root.SetArgs([]string{"predict", "run", "-"})
	require.NoError(t, root.Execute())
	assert.Equal(t, 2, strings.Count(out.String(), "\n"), out.String())

	code, _, stderr = steppe(t, "generate", "run", "--prompt", "a")
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: run/best.safetensors is no language model, which generate needs: steppe train --model gpt-tiny or gpt-mini trains one\n", stderr)
}

// The tensors of an encoder go to a file by BERT's names, and --init begins with them.
func TestExportTexts(t *testing.T) {
	line := onReviews(t, "--epochs", "1", "--out", "run")
	code, _, stderr := steppe(t, line...)
	require.Zero(t, code, stderr)
	code, stdout, stderr := steppe(t, "export", "run", "--format", "pytorch", "bert.safetensors")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "# The tensors have the names of BertForSequenceClassification of Hugging Face's transformers.\n")
	code, _, stderr = steppe(t, "export", "run", "--format", "pytorch", "other.safetensors", "--script", "other.py")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "there is no script for transformers")
	assert.NoFileExists(t, "other.safetensors")
	code, _, stderr = steppe(t, "import", "bert.safetensors", "--out", "ours.safetensors")
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: text-tiny reads text, and needs the tokenizer of its training besides: steppe train --init bert.safetensors --tokenizer FILE begins with these tensors\n", stderr)

	line = append(line[:len(line)-2], "--init", "bert.safetensors", "--tokenizer", "run")
	code, stdout, stderr = steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.NotContains(t, stdout, "begin anew")
}

// A run on texts that stops and goes on ends with the bits of one that doesn't.
func TestTrainTextsResume(t *testing.T) {
	line := onReviews(t, "--epochs", "2")
	code, _, stderr := steppe(t, append(line, "--out", "whole")...)
	require.Zero(t, code, stderr)
	code, _, stderr = steppeIn(t, interruptedAfter(7), append(line, "--out", "parts")...)
	require.Equal(t, 130, code, stderr)
	code, stdout, stderr := steppe(t, "train", "--resume", "parts")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\ngoing on ")
	assert.Equal(t, read(t, "whole/best.safetensors"), read(t, "parts/best.safetensors"))
	assert.Equal(t, read(t, "whole/result.json"), read(t, "parts/result.json"))

	reviewFile(t, "reviews.tsv", 101)
	code, _, stderr = steppe(t, "train", "--resume", "parts", "--epochs", "3")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "reviews.tsv isn't the data that the run began with: its checksum is ")
}

// A language model trains on plain text, and generate goes on with a prompt.
func TestGenerate(t *testing.T) {
	t.Chdir(t.TempDir())
	require.NoError(t, os.WriteFile("stories.txt", []byte(strings.Repeat("Once upon a time a king went to the sea. ", 40)), 0o644))
	code, stdout, stderr := steppe(t, "train", "--data", "stories.txt", "--model", "gpt-tiny", "--length", "16", "--batch", "8", "--epochs", "2", "--out", "run")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\nepoch   train loss   valid loss   valid perplexity   seconds   samples/s\n")
	assert.Regexp(t, `\nTest perplexity [\d.]+, token accuracy \d+\.\d\d%, loss \d\.\d{4} \(\d+ samples\), with epoch \d of 2, the best by valid_loss\.\n`, stdout)
	assert.NotContains(t, stdout, "classes")
	assert.Contains(t, stdout, "\nLook at run/report.html. `steppe eval run` and `steppe generate run --prompt ...` use the model.\n")
	assert.Contains(t, read(t, "run/config.json"), `"language": true`)

	code, stdout, stderr = steppe(t, "eval", "run")
	require.Zero(t, code, stderr)
	assert.Regexp(t, `\nTest perplexity [\d.]+, token accuracy `, stdout)
	code, _, stderr = steppe(t, "eval", "run", "--confusion", "c.png")
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --confusion c.png: the model predicts text, not classes\n", stderr)

	line := []string{"generate", "run", "--prompt", "Once upon", "--tokens", "30", "--seed", "3"}
	code, first, stderr := steppe(t, line...)
	require.Zero(t, code, stderr)
	assert.True(t, strings.HasPrefix(first, "Once upon"), first)
	assert.True(t, strings.HasSuffix(first, "\n"), first)
	assert.Empty(t, stderr)
	_, again, _ := steppe(t, line...)
	assert.Equal(t, first, again)
	_, other, _ := steppe(t, append(line, "--seed", "4")...)
	assert.NotEqual(t, first, other)

	code, stdout, stderr = steppe(t, append(line, "--json")...)
	require.Zero(t, code, stderr)
	var c Continuation
	require.NoError(t, json.Unmarshal([]byte(stdout), &c))
	assert.Equal(t, first, c.Prompt+harmless(c.Text)+"\n")
	assert.True(t, c.Ended || c.Tokens == 30)

	for flags, want := range map[string]string{
		"--tokens 0":       "--tokens is 0, want at least 1",
		"--temperature -1": "--temperature is -1, want a finite number that isn't negative",
		"--top-k -1":       "--top-k is -1, want at least 1, or 0 for all tokens",
	} {
		code, stdout, stderr := steppe(t, append([]string{"generate", "run"}, strings.Fields(flags)...)...)
		assert.Equal(t, 1, code)
		assert.Empty(t, stdout)
		assert.Equal(t, "steppe: "+want+"\n", stderr)
	}
	code, _, stderr = steppe(t, "predict", "run", "Once")
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: run/best.safetensors is a language model, which predicts no label: steppe generate goes on with a text\n", stderr)

	// Another run begins where this one is.
	code, _, stderr = steppe(t, "train", "--data", "stories.txt", "--model", "gpt-tiny", "--length", "16", "--batch", "8", "--epochs", "1", "--init", "run", "--out", "more")
	require.Zero(t, code, stderr)
	assert.Contains(t, read(t, "more/config.json"), `"tokenizer": "run"`)
}

// What a model writes can't change the state of a terminal.
func TestHarmless(t *testing.T) {
	assert.Equal(t, "a\n\tb\uFFFD[31m\uFFFDä\uFFFD", harmless("a\n\tb\x1b[31m\rä\u009b"))
}

// bench makes up texts, and takes AdamW for transformers.
func TestBenchText(t *testing.T) {
	code, stdout, stderr := steppe(t, "bench", "--model", "text-tiny", "--batch", "4", "--rounds", "1", "--shards", "2", "--workers", "1")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "\ntext-tiny on made-up text of 64 tokens, batch 4\n")
	assert.Equal(t, []string{"AdamW", "SAM", "mSAM 2", "SAM-1/4"}, rowsOf(stdout))
	assert.Regexp(t, `(?m)^shards +\[min-max\] +x AdamW `, stdout)
	code, stdout, stderr = steppe(t, "bench", "--model", "gpt-tiny", "--methods", "sgd", "--batch", "2", "--rounds", "1", "--workers", "1")
	require.Zero(t, code, stderr)
	assert.Equal(t, []string{"AdamW"}, rowsOf(stdout))
}

// compare takes SAM by a quarter of the batch with a model of text, too.
func TestCompareText(t *testing.T) {
	onReviews(t)
	code, stdout, stderr := steppe(t, "compare", "--data", "reviews.tsv", "--text", "review", "--label", "verdict", "--model", "text-tiny", "--length", "16",
		"--batch", "16", "--epochs", "1", "--seeds", "1", "--rhos", "0.02", "--shards", "4", "--jobs", "1")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "80 training and 20 test samples of up to 16 tokens\n")
	assert.Contains(t, stdout, "1 epoch, batch 16, AdamW, lr cosine after 0.1 epochs of warm-up, decay 0.01\n")
	for _, row := range []string{"AdamW", "SAM", "mSAM", "SAM-1/4"} {
		assert.Regexp(t, `(?m)^`+regexp.QuoteMeta(row)+` +\d `, stdout)
	}
	code, _, stderr = steppe(t, "compare", "--model", "gpt-tiny")
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --model gpt-tiny is a language model, and steppe compare compares accuracies of classifiers\n", stderr)
}

// data show has the texts of a set, and the tokens that a model sees.
func TestDataShowTexts(t *testing.T) {
	onReviews(t)
	code, stdout, stderr := steppe(t, "data", "show", "reviews.tsv", "--text", "review", "--label", "verdict", "--length", "6")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, "reviews.tsv: 80 training and 20 test samples of up to 6 tokens in 2 classes\n")
	assert.Regexp(t, `\nvocabulary of \d+ tokens, [\d.]+ a training sample on average, 6 at the most\n\d+ texts are too long, and cut by \d+ tokens in all\n`, stdout)
	assert.Regexp(t, `(?m)^sample \d+, bad, 6 tokens$`, stdout)
	assert.Regexp(t, `(?m)^  <\|begin\|>\|.*\|<\|end\|>$`, stdout)
	for _, line := range strings.Split(stdout, "\n") {
		assert.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
	}
	code, stdout, stderr = steppe(t, "data", "show", "reviews.tsv", "--text", "review", "--label", "verdict", "--json")
	require.Zero(t, code, stderr)
	var facts dataFacts
	require.NoError(t, json.Unmarshal([]byte(stdout), &facts))
	require.NotNil(t, facts.Text)
	assert.Zero(t, facts.Text.Cut)
	assert.Positive(t, facts.Text.Vocabulary)
	code, _, stderr = steppe(t, "data", "show", "reviews.tsv", "--text", "review", "--label", "verdict", "--out", "a.png")
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: --out draws pictures, but the samples of reviews.tsv/train are texts\n", stderr)
}

func TestTextErrors(t *testing.T) {
	onReviews(t)
	for line, want := range map[string]string{
		"train --model text-tiny":                                                 "--model text-tiny reads text, and --data digits has samples of 8x8x1: want another of the two, or one of the models mlp, ",
		"train --model gpt-tiny":                                                  "--model gpt-tiny reads text, and --data digits has samples of 8x8x1: want another of the two, or one of the models mlp, ",
		"train --data reviews.tsv --text review --label verdict":                  "--model mlp reads no text, and --data reviews.tsv has texts: want another of the two, or one of the models text-tiny, ",
		"train --data reviews.tsv --label verdict --model text-tiny":              "--model text-tiny reads text, and --data reviews.tsv has rows of numbers and words: --text names the column with the text",
		"train --data reviews.tsv --text review --model text-tiny":                "which column is the label? Name it by Label (--label)",
		"train --data reviews.tsv --text none --label verdict --model text-tiny":  `has no column "none"`,
		"train --data reviews.tsv --text review --label verdict --model gpt-tiny": "--label verdict with a language model, which learns from the text alone",
		"train --model text-tiny --language":                                      "--language=true with --model text-tiny, want one of gpt-tiny, gpt-mini",
		"train --dropout 0.1":                                                     "--dropout 0.1 with --model mlp, which has no transformer blocks: vit-tiny, text-tiny, ",
		"train --model text-tiny --dropout 1":                                     "--dropout is 1, want 0 or more, and less than 1",
		"train --text review":                                                     "digits has no use for Text (--text)",
		"bench --model text-tiny --data digits":                                   "--model text-tiny reads text, and --data digits has samples of 8x8x1",
		"compare --model text-tiny":                                               "--model text-tiny reads text, and --data digits has samples of 8x8x1",
		"train --data reviews.tsv --text review --label verdict --model text-tiny --tokenizer none.json": "none.json",
		"generate":           "steppe generate: want the folder of a run or a model file, as in `steppe generate runs/first`",
		"predict runs/first": "inputs, as in `steppe predict runs/first picture.png` or `steppe predict runs/first \"some text\"`",
		"data unpack reviews.tsv --text review --label verdict texts": "reviews.tsv has texts, and steppe data unpack writes pictures",
		"generate nowhere": "nowhere",
	} {
		code, stdout, stderr := steppe(t, strings.Fields(line)...)
		assert.Equal(t, 1, code, line)
		assert.Empty(t, stdout, line)
		assert.Contains(t, stderr, want, line)
		assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
	}
}
