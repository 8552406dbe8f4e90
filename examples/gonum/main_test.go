package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas/blas64"

	"github.com/steppe-ml/steppe/blas"
)

func TestRun(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(&out, 40, 1))
	for _, w := range works(1) {
		assert.Contains(t, out.String(), w.name)
	}
	assert.Equal(t, len(works(1)), strings.Count(out.String(), "x │"), "a ratio for each operation: %s", &out)
	assert.Equal(t, blas.Implementation{}, blas64.Implementation())
	assert.ErrorContains(t, run(&out, 0, 1), "n is 0")
}
