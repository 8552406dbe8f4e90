package protocol

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseDecomposition(t *testing.T) {
	for _, name := range Decompositions {
		d, err := ParseDecomposition(" " + name + "  100 ")
		require.NoError(t, err)
		assert.Equal(t, Decomposition{name, 100}, d)
		again, err := ParseList(d.String())
		require.NoError(t, err)
		assert.Equal(t, []Work{{Decomposition: &d}}, again)
		assert.Equal(t, KindDecompositions, again[0].Kind())
		assert.Zero(t, again[0].Flops())
	}
	for text, want := range map[string]string{
		"Schur 100": `there is no decomposition "Schur"`,
		"LU":        `decomposition "LU", want a name and a size`,
		"LU 0":      "LU 0, want 1 to 8192",
		"QR 10000":  "QR 10000, want 1 to 8192",
	} {
		_, err := ParseDecomposition(text)
		assert.ErrorContains(t, err, want, text)
	}
	_, err := ParseList("LU 100, gemm 100")
	assert.ErrorContains(t, err, "gemm 100 can't stand in a table with LU 100")
}

func TestDecompositionsAreInFloat64(t *testing.T) {
	job := Job{Float64, Work{Decomposition: &Decomposition{"LU", 10}}, 1, time.Millisecond}
	assert.NoError(t, job.Validate())
	job.Dtype = Float32
	assert.ErrorContains(t, job.Validate(), `decompositions have "f64" only`)
}
