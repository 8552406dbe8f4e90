package blas

import (
	"math"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// allocations returns how many a call makes in steady state, on all workers: the least of some
// rounds, since a worker's buffers grow when it first takes part, and a worker that wakes may need
// a new goroutine. Unlike testing.AllocsPerRun it leaves GOMAXPROCS as it is.
func allocations(call func()) float64 {
	rounds, calls := 10, 20
	if testing.Short() {
		rounds, calls = 6, 4
	}
	least := math.Inf(1)
	for range rounds {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range calls {
			call()
		}
		runtime.ReadMemStats(&after)
		least = min(least, float64(after.Mallocs-before.Mallocs)/float64(calls))
	}
	return least
}

func TestSharedRoutinesAllocateNothing(t *testing.T) {
	floattest.Each(t, testSharedRoutinesAllocateNothing[float32], testSharedRoutinesAllocateNothing[float64])
}

// Matrices of level 2 are so large that workers share them, and so are products.
func testSharedRoutinesAllocateNothing[T Float](t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for n := 2; DefaultWorkers() < 2; n++ {
		runtime.GOMAXPROCS(n)
	}
	simdtest.SlowEachISA(t, func(t *testing.T) {
		const small = 48
		n := 1100
		if gemm.Size[T]() == 4 {
			n = 1500
		}
		require.Greater(t, partsOf[T](n*n/2, n/blockRows), 1, "n is too small for several parts")
		setTable(t, func(tb *gemm.Table[T]) { tb.AloneBelow, tb.WakeBelow, tb.PartWork, tb.DirectUpTo = 0, 0, 1, 0 })
		a, x, y := make([]T, n*n), make([]T, 2*n), make([]T, n)
		for i := range n {
			a[i*n+i] = 1
		}
		two := level2Of[T](Implementation{})
		for name, call := range map[string]func(){
			"gemv":            func() { two.gemv(blas.NoTrans, n, n, 1, a, n, x, 1, 2, y, 1) },
			"gemv transposed": func() { two.gemv(blas.Trans, n, n, 1, a, n, x, 2, 2, y, 1) },
			"ger":             func() { two.ger(n, n, 1, x, 1, y, 1, a, n) },
			"symv":            func() { two.symv(blas.Upper, n, 1, a, n, x, 1, 2, y, 1) },
			"small symv":      func() { two.symv(blas.Lower, 2*partColumns, 1, a, n, x, 1, 2, y, 1) },
			"syr":             func() { two.syr(blas.Upper, n, 1, x, 1, a, n) },
			"syr2":            func() { two.syr2(blas.Lower, n, 1, x, 1, y, 1, a, n) },

			"gemm": func() { xgemm[T](NoTrans, Trans, small, small, small, 1, a, n, a, n, 0, a[n/2*n:], n) },
			"symm": func() { symm[T](blas.Left, blas.Upper, small, small, 1, a, n, a, n, 0, a[n/2*n:], n) },
			"syrk": func() { syrk[T](blas.Upper, NoTrans, small, small, 1, a, n, 0, a[n/2*n:], n) },
			"trmm": func() {
				trxm[T](false, blas.Left, blas.Upper, NoTrans, blas.NonUnit, small, small, 1, a, n, a[n/2*n:], n)
			},
			"trsm": func() {
				trxm[T](true, blas.Right, blas.Lower, NoTrans, blas.NonUnit, small, small, 1, a, n, a[n/2*n:], n)
			},
		} {
			assert.Less(t, allocations(call), 0.9, name) // a routine that allocates does so at least once a call
		}
		require.Greater(t, crew.team.Workers(), 1)
	})
}
