package main

import (
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// README shows this program, but for its imports, comments and check.
func TestReadmeShowsTheProgram(t *testing.T) {
	readme, err := os.ReadFile("../../README.md")
	require.NoError(t, err)
	source, err := os.ReadFile("main.go")
	require.NoError(t, err)
	_, shown, ok := strings.Cut(string(readme), "```go\nfunc main() {")
	require.True(t, ok)
	shown, _, _ = strings.Cut(shown, "```")
	_, program, ok := strings.Cut(string(source), "func main() {")
	require.True(t, ok)
	program, _, _ = strings.Cut(program, "\nfunc check")
	assert.Equal(t, code(program), code(shown))
}

// code is a text without comments and white space.
func code(text string) (lines []string) {
	for _, line := range strings.Split(text, "\n") {
		line, _, _ = strings.Cut(line, " //")
		if line = strings.Join(strings.Fields(line), " "); line != "" {
			lines = append(lines, line)
		}
	}
	return lines
}
