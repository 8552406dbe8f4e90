package main

import (
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestHelp(t *testing.T) {
	for _, name := range []string{"", "bench", "train", "compare", "eval", "info"} {
		code, stdout, stderr := steppe(t, append(strings.Fields(name), "--help")...)
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, "Examples:\n  steppe "+name)
		for _, line := range strings.Split(stdout, "\n") {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 100, line)
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

// Every example of the help texts runs. The test replaces the model and shortens the run.
func TestExamples(t *testing.T) {
	shorter := map[string][]string{
		"bench": {"--model", "tiny", "--rounds", "1"},
		"train": {"--model", "tiny", "--epochs", "1"},
		"compare": {
			"--model", "tiny", "--data", "digits", "--subset", "320", "--epochs", "1", "--seeds", "1", "--selection-seeds", "1", "--rhos", "0.05,0.1",
		},
	}
	t.Chdir(t.TempDir())
	code, _, stderr := steppe(t, "train", "--model", "tiny", "--epochs", "1", "--save", "digits.safetensors")
	require.Zero(t, code, stderr) // eval loads this file
	for _, cmd := range append(newRoot().Commands(), newRoot()) {
		for _, line := range strings.Split(cmd.Example, "\n") {
			line, _, _ = strings.Cut(line, "#")
			if line = strings.TrimSpace(line); line == "" {
				continue
			}
			t.Run(line, func(t *testing.T) {
				words := strings.Fields(line)
				require.Equal(t, "steppe", words[0])
				for i, word := range words[1:] {
					if word == "--model" { // a second --model would append to the list
						words[i+2] = "tiny"
					}
				}
				args := append(words[1:], shorter[words[1]]...)
				code, stdout, stderr := steppe(t, args...)
				assert.Zero(t, code, stderr)
				assert.NotEmpty(t, stdout)
				if words[1] != "compare" { // compare reports its runs on stderr
					assert.Empty(t, stderr)
				}
			})
		}
	}
}
