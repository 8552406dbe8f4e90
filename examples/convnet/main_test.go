package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	path := filepath.Join(t.TempDir(), "digits.safetensors")
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, 10, path))
	assert.FileExists(t, path)
	_, last, found := strings.Cut(out.String(), "epoch 10 of 10: ")
	require.True(t, found, out.String())
	var correct, all int
	_, err := fmt.Sscanf(strings.Split(last, "\n")[1], "%d of %d", &correct, &all)
	require.NoError(t, err)
	assert.Equal(t, 359, all)
	assert.Greater(t, correct, 330, "92% after ten epochs")
}
