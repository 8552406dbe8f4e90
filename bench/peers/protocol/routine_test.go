package protocol

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestParseRoutine(t *testing.T) {
	for _, name := range Routines {
		r, err := ParseRoutine(" " + name + "  100 ")
		require.NoError(t, err)
		assert.Equal(t, Routine{name, 100}, r)
		again, err := ParseList(r.String())
		require.NoError(t, err)
		assert.Equal(t, []Work{{Routine: &r}}, again)
		assert.Equal(t, OfRoutines, again[0].Kind())
		assert.Positive(t, r.Moves())
	}
	for text, want := range map[string]string{
		"gemm 100":   `there is no routine "gemm"`,
		"dot":        `routine "dot", want a name and a size`,
		"dot 0":      "dot 0, want 1 to 268435456",
		"gemv 20000": "gemv 20000, want 1 to 16384",
	} {
		_, err := ParseRoutine(text)
		assert.ErrorContains(t, err, want)
	}
}

func TestMoves(t *testing.T) {
	for r, want := range map[Routine]float64{
		{"dot", 10}: 20, {"copy", 10}: 20, {"axpy", 10}: 30, {"gemv", 10}: 120, {"ger", 10}: 220, {"symv", 10}: 75, {"syr", 10}: 120,
	} {
		assert.Equal(t, want, r.Moves(), r)
	}
}
