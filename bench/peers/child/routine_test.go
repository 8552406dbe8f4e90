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
			} else if written := r.SliceY(2); of.HasMatrix() || name != "scal" {
				written[n-1]++
			} else {
				r.SliceX(2)[n-1]++
			}
			assert.Error(t, r.verify(), of)
			r.free()
		}
	}
}
