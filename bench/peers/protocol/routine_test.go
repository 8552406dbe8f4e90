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
		assert.Equal(t, KindRoutines, again[0].Kind())
		assert.Equal(t, r.Level() < 3, r.Moves() > 0, name)
		assert.Equal(t, r.Level() == 3, r.Flops() > 0, name)
	}
	for text, want := range map[string]string{
		"hemm 100":   `there is no routine "hemm"`,
		"dot":        `routine "dot", want a name and a size`,
		"dot 0":      "dot 0, want 1 to 268435456",
		"gemv 20000": "gemv 20000, want 1 to 16384",
		"trsm 10000": "trsm 10000, want 1 to 8192",
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

func TestLevels(t *testing.T) {
	counts := map[int]int{}
	for _, name := range Routines {
		counts[Routine{name, 1}.Level()]++
	}
	assert.Equal(t, map[int]int{1: 9, 2: 10, 3: 12}, counts)
	for r, want := range map[Routine]float64{
		{"gemm", 10}: 2000, {"symmR", 10}: 2000, {"syrkT", 10}: 1000, {"syr2k", 10}: 2000, {"trmm", 10}: 1000, {"trsmR", 10}: 1000, {"gemv", 10}: 0,
	} {
		assert.Equal(t, want, r.Flops(), r)
	}
}
