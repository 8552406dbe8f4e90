package main

import (
	"fmt"
	"image"
	"image/png"
	"os"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHelp(t *testing.T) {
	for _, name := range []string{"", "bench", "train", "compare", "eval", "flatness", "predict", "generate", "export", "import", "info", "find", "find rho", "find lr", "sweep", "study"} {
		code, stdout, stderr := steppe(t, append(strings.Fields(name), "--help")...)
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, "Examples:\n  steppe "+name)
		for _, line := range strings.Split(stdout, "\n") {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
		}
	}
}

func TestHelpListsTables(t *testing.T) {
	data := []string{"digits", "synthetic:HxWxC", "FOLDER"}
	for name, rows := range map[string][]string{
		"bench":   append([]string{"sgd", "sam", "msam", "mlp"}, data...),
		"train":   append([]string{"sgd", "sam", "msam", "mlp"}, data...),
		"compare": append([]string{"sgd", "sam", "msam", "mlp"}, data...),
		"eval":    data,
	} {
		_, stdout, _ := steppe(t, name, "--help")
		for _, row := range rows {
			assert.Contains(t, stdout, "\n  "+row+" ", "%s --help", name)
		}
	}
}

// Every example of the help texts runs, but for those that fetch data, or that need MPI. The test replaces models and
// data that take long, and shortens the runs.
func TestExamples(t *testing.T) {
	shorter := map[string][]string{
		"bench":    {"--model", "tiny", "--rounds", "1"},
		"train":    {"--epochs", "1"},
		"find lr":  {"--model", "tiny", "--steps", "40"},
		"find rho": {"--model", "tiny", "--epochs", "1", "--seeds", "2", "--rhos", "0.05,0.1", "--shards", "1,4"},
		"sweep":    {"--model", "tiny", "--epochs", "1"},
		"flatness": {"--samples", "20"},
		"compare": {
			"--model", "tiny", "--data", "digits", "--subset", "320", "--epochs", "1", "--seeds", "1", "--selection-seeds", "1", "--rhos", "0.05,0.1",
		},
	}
	replaced := map[string]string{"lenet": "tiny", "mnist": "digits", "64": "8"}

	exampleFiles(t)
	for _, line := range examples(newRoot()) {
		if strings.HasPrefix(line, "steppe data get") || strings.HasPrefix(line, "steppe data check") {
			continue
		}
		t.Run(line, func(t *testing.T) {
			words := shellWords(line)
			if words[0] == "mpirun" { // others run under it; these get as far as they do without MPI
				code, _, stderr := steppe(t, words[slices.Index(words, "steppe")+1:]...)
				assert.NotZero(t, code)
				assert.Contains(t, stderr, "-tags mpi")
				return
			}
			require.Equal(t, "steppe", words[0])
			if i := slices.Index(words, "digits"); words[1] == "study" && i == 2 {
				words[i] = "mine.yaml" // which is short
			}
			if i := slices.Index(words, "--jobs"); words[1] == "study" && i > 0 {
				words[i+1] = "1"
			}
			onText := slices.Contains(words, "text-tiny")
			for i, word := range words[:len(words)-1] {
				if other := replaced[words[i+1]]; other != "" && strings.HasPrefix(word, "--") {
					words[i+1] = other
				}
				switch {
				case word == "--model" && words[1] == "bench":
					words[i+1] = "tiny"
				case word == "--model" && words[1] == "import":
					words[i+1] = "mlp" // which the example of export has exported
				}
			}
			args := words[1:]
			if i := slices.Index(args, "brown"); i >= 0 {
				args = slices.Replace(args, i, i+1, "reviews.tsv", "--text", "review", "--label", "verdict")
			}
			switch {
			case slices.Contains(words, "--resume"):
			case words[1] == "compare" && onText:
				args = append(args, shorter["compare"][4:]...) // without its model and data
				args = append(args, "--length", "16", "--subset", "64", "--batch", "16", "--shards", "4")
			default:
				args = append(args, shorter[words[1]]...)
				args = append(args, shorter[strings.Join(words[1:min(3, len(words))], " ")]...)
			}
			code, stdout, stderr := steppe(t, args...)
			assert.Zero(t, code, stderr)
			assert.NotEmpty(t, stdout)
			if words[1] != "compare" && words[1] != "study" { // which report their runs on stderr
				assert.Empty(t, stderr)
			}
		})
	}
}

// examples returns the examples of a command and of those below it, those of train first: others
// use its runs.
func examples(root *cobra.Command) (lines []string) {
	seen := map[string]bool{}
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		text := strings.ReplaceAll(cmd.Example, "\\\n", "")
		for line := range strings.SplitSeq(text, "\n") {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line != "" && !seen[line] {
				lines, seen[line] = append(lines, line), true
			}
		}
		for _, below := range cmd.Commands() {
			walk(below)
		}
	}
	train, _, err := root.Find([]string{"train"})
	if err == nil {
		walk(train)
	}
	walk(root)
	return lines
}

// shellWords splits a line as a shell does, with quotes of both kinds.
func shellWords(line string) (words []string) {
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0 || c != ' ' && c != '"' && c != '\'':
			word.WriteRune(c)
			inWord = true
		case c == ' ' && inWord:
			words = append(words, word.String())
			word.Reset()
			inWord = false
		case c != ' ':
			quote, inWord = c, true
		}
	}
	if inWord {
		words = append(words, word.String())
	}
	return words
}

// exampleFiles makes a folder with the data that the examples use, and goes there.
func exampleFiles(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, dir := range []string{"photos/cat", "photos/dog", "more-photos/cat", "more-photos/dog", "holiday-pictures"} {
		require.NoError(t, os.MkdirAll(dir, 0o755))
		for i := range 40 {
			drawing(t, fmt.Sprintf("%s/%d.png", dir, i), i)
		}
	}
	drawing(t, "cat.png", 1)
	header := "acid,color,quality\n"
	var rows strings.Builder
	for i := range 100 {
		fmt.Fprintf(&rows, "%d,%s,%s\n", i%7, []string{"red", "white"}[i%2], []string{"good", "bad"}[i%3/2])
	}
	require.NoError(t, os.WriteFile("wine.csv", []byte(header+rows.String()), 0o644))
	require.NoError(t, os.WriteFile("new-wines.csv", []byte("color,acid\nred,3\n"), 0o644))
	require.NoError(t, os.WriteFile("mine.yaml", []byte(shortStudy), 0o644))
	reviewFile(t, "reviews.tsv", 100)
	reviewFile(t, "new-reviews.tsv", 3)
	require.NoError(t, os.WriteFile("new-reviews.txt", []byte("a fine film\nan awful one\n"), 0o644))
	for _, name := range []string{"stories.txt", "more.txt"} {
		require.NoError(t, os.WriteFile(name, []byte(strings.Repeat("Once upon a time a king went to the sea. ", 40)), 0o644))
	}
}

// reviewFile writes a table of n short texts, good ones and bad ones.
func reviewFile(t *testing.T, path string, n int) {
	var rows strings.Builder
	rows.WriteString("review\tverdict\n")
	for i := range n {
		fmt.Fprintf(&rows, "a %s %s of number %d\t%s\n", []string{"fine", "awful"}[i%2], []string{"film", "book", "song"}[i%3], i/2, []string{"good", "bad"}[i%2])
	}
	require.NoError(t, os.WriteFile(path, []byte(rows.String()), 0o644))
}

// drawing makes a picture of 64x64 pixels.
func drawing(t *testing.T, path string, number int) {
	img := image.NewGray(image.Rect(0, 0, 64, 64))
	for i := range img.Pix {
		img.Pix[i] = byte(i * (number + 1))
	}
	file, err := os.Create(path)
	require.NoError(t, err)
	require.NoError(t, png.Encode(file, img))
	require.NoError(t, file.Close())
}
