package child

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// What gonum computes is right, and is not where one result is spoilt.
func TestVerifyRoutines(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testVerifyRoutines(t, Routines32(gonum.Implementation{})) })
	t.Run("float64", func(t *testing.T) { testVerifyRoutines(t, Routines64(gonum.Implementation{})) })
}

func testVerifyRoutines[T Float](t *testing.T, by func(r *Routine[T], first, times int)) {
	returns := map[string]bool{"dot": true, "nrm2": true, "asum": true, "iamax": true}
	for _, name := range protocol.Routines {
		for _, n := range []int{1, 7, 40} {
			of := protocol.Routine{Name: name, N: n}
			r, err := newRoutine[T](of)
			require.NoError(t, err)
			by(r, 0, Sets)
			assert.NoError(t, r.verify())
			if returns[name] {
				r.Results[1]++
			} else if written := r.SliceY(2); name != "scal" && !inPlace(name) {
				written[len(written)-1]++
			} else {
				written := r.SliceX(2)
				written[len(written)-1]++
			}
			assert.Error(t, r.verify(), of)
			r.free()
		}
	}
}

// inPlace says that a routine of level 3 overwrites its B.
func inPlace(name string) bool {
	r := protocol.Routine{Name: name, N: 1}
	return r.Level() == 3 && name[:2] == "tr"
}

// Neither half of C is to be touched that isn't the routine's.
func TestRoutinesThatStray(t *testing.T) {
	for name, stray := range map[string]int{"syrk": 1, "syrkT": 7, "syr2k": 6} { // of 7 x 7
		r, err := newRoutine[float32](protocol.Routine{Name: name, N: 7})
		require.NoError(t, err)
		Routines32(gonum.Implementation{})(r, 0, Sets)
		require.NoError(t, r.verify())
		r.SliceY(1)[stray] = 0
		assert.ErrorContains(t, r.verify(), "it writes element", name)
		r.free()
	}
}
