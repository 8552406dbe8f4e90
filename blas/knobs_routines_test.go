package blas

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/simd"
)

// routineKnobs returns the knobs of levels 2 and 3.
func routineKnobs[T Float]() []tuning.Knob {
	alone := tuning.Side{Name: "alone", Set: func() { sharedBytes = tuning.Never }}
	shared := tuning.Side{Name: fmt.Sprintf("%d workers", DefaultWorkers()), Set: func() { sharedBytes, wakingBytes = tuning.Always, tuning.Always }}
	awake := shared
	awake.Set = func() { sharedBytes = tuning.Always }

	var sizes, large []int // of matrices up to 8 MiB, and from 2 MiB to 32 MiB
	for _, n := range []int{512, 576, 640, 704, 768, 896, 1024, 1280, 1536, 2048, 2560, 2816} {
		size := n * n * gemm.Size[T]()
		if n*n >= gemm.Active[T]().AloneBelow && size <= 8<<20 { // less work gets no team in any case
			sizes = append(sizes, n)
		}
		if size >= 2<<20 && size <= 32<<20 {
			large = append(large, n)
		}
	}
	bytes := func(rested bool, work func(n int, rested bool) tuning.Work, sizes []int) (all []tuning.Work) {
		for _, n := range sizes {
			w := work(n, rested)
			w.X = n * n * gemm.Size[T]()
			all = append(all, w)
		}
		return all
	}
	level2 := tuning.Knob{Shapes: "routine, n", Unit: "GB/s", Axis: "bytes of A", Below: alone}
	level3 := tuning.Knob{Shapes: "routine, m x n", Unit: "GFLOP/s", Bits: "trmm and trsm"}
	of := func(k tuning.Knob, name string, field *int, series ...tuning.Series) tuning.Knob {
		k.Name, k.Field, k.Series = name, field, series
		return k
	}

	knobs := []tuning.Knob{
		of(level2, "SharedBytes", &sharedBytes,
			tuning.Series{Name: "gemv, one call after the other", Works: bytes(false, gemvOf[T], sizes)},
			tuning.Series{Name: "ger, one call after the other", Works: bytes(false, gerOf[T], sizes)}),
		of(level2, "WakingBytes", &wakingBytes,
			tuning.Series{Name: "gemv after a pause", Works: bytes(true, gemvOf[T], large)},
			tuning.Series{Name: "ger after a pause", Works: bytes(true, gerOf[T], large)}),
		of(level2, "PartBytes", &partBytes,
			tuning.Series{Name: "gemv, one call after the other", Works: bytes(false, gemvOf[T], large), Values: tuning.Around(partBytes, 1)}),
		of(level3, "MultiplyFrom", &multiplyFrom,
			tuning.Series{Name: "trmm, a triangle of 256 rows from the left", Works: each3(func(n int) tuning.Work { return trmmOf[T](true, 256, n) }, 4, 8, 16, 24, 32, 48, 64, 96)}),
		of(level3, "MultiplyUpTo", &multiplyUpTo,
			tuning.Series{Name: "trmm of 16 rows, from the right", Works: each3(func(n int) tuning.Work { return trmmOf[T](false, 16, n) }, 64, 128, 256, 512), Values: tuning.Around(multiplyUpTo, 8)}),
		of(level3, "TurnUpTo", &turnUpTo,
			tuning.Series{Name: "trsm of 256 rows, from the right", Works: each3(func(n int) tuning.Work { return trsmOf[T](256, n) }, 48, 64, 128, 256, 512), Values: tuning.Around(turnUpTo, 8)}),
		of(level3, "TurnElements", &turnElements,
			tuning.Series{Name: "trsm of 1000 rows, from the right", Works: each3(func(n int) tuning.Work { return trsmOf[T](1000, n) }, 48, 64, 256), Values: tuning.Around(turnElements, 1)}),
	}
	knobs[0].Above, knobs[1].Above = awake, shared
	knobs[2].Axis, knobs[2].Below = "", tuning.Side{}
	from := &knobs[3]
	from.Axis = "columns of B"
	from.Below = tuning.Side{Name: "recursion", Set: func() { multiplyFrom = tuning.Never }}
	from.Above = tuning.Side{Name: "triangle copied", Set: func() { multiplyFrom = tuning.Always }}
	knobs[6].Bits = ""
	return knobs
}

// each3 returns a work for each size. Plain Go has no patience for large ones.
func each3(work func(n int) tuning.Work, sizes ...int) (all []tuning.Work) {
	const patience = 1 << 25 // operations
	for _, n := range sizes {
		if w := work(n); simd.Active() != simd.Generic || w.Amount <= patience {
			all = append(all, w)
		}
	}
	return all
}

// sets is how many sets of operands take turns, as in bench/peers.
const sets = 3

// inTurn is a work's Prepare: candidates share sets of operands, which take turns.
func inTurn[O any](operands func() O, work func(o O)) func() func() func(int) {
	return func() func() func(int) {
		var all [sets]O
		for i := range all {
			all[i] = operands()
		}
		return func() func(int) { return func(i int) { work(all[i%sets]) } }
	}
}

// vectorOperands are a matrix and two vectors.
type vectorOperands[T Float] struct{ a, x, y []T }

func vectorOperandsOf[T Float](n int) func() vectorOperands[T] {
	return func() vectorOperands[T] {
		return vectorOperands[T]{smallNumbers[T](n * n), smallNumbers[T](n), smallNumbers[T](n)}
	}
}

// smallNumbers returns integers from -4 to 4, in memory that begins a cache line.
func smallNumbers[T Float](n int) []T {
	r := rand.New(rand.NewPCG(1, uint64(n)))
	data := gemm.Aligned[T](n)
	for i := range data {
		data[i] = T(r.IntN(9) - 4)
	}
	return data
}

// gemvOf and gerOf are routines on an n x n matrix. They count the bytes of A that they read, and
// write.
func gemvOf[T Float](n int, rested bool) tuning.Work {
	return tuning.Work{Name: fmt.Sprintf("gemv %d", n), Amount: float64(n * n * gemm.Size[T]()), Rested: rested,
		Prepare: inTurn(vectorOperandsOf[T](n), func(o vectorOperands[T]) {
			gemv(kernelsOf[T](), NoTrans, n, n, 1, o.a, n, o.x, 1, 0, o.y, 1)
		})}
}

func gerOf[T Float](n int, rested bool) tuning.Work {
	return tuning.Work{Name: fmt.Sprintf("ger %d", n), Amount: float64(2 * n * n * gemm.Size[T]()), Rested: rested,
		Prepare: inTurn(vectorOperandsOf[T](n), func(o vectorOperands[T]) {
			ger(kernelsOf[T](), n, n, 1e-9, o.x, 1, o.y, 1, o.a, n)
		})}
}

// triangularOperands are an identity, of which the routines know only that it is triangular, and
// what it multiplies: the values stay as they are, however often they are multiplied.
type triangularOperands[T Float] struct{ a, b []T }

func triangularOperandsOf[T Float](order, size int) func() triangularOperands[T] {
	return func() triangularOperands[T] {
		a := gemm.Aligned[T](order * order)
		for i := range order {
			a[i*order+i] = 1
		}
		return triangularOperands[T]{a, smallNumbers[T](size)}
	}
}

// trmmOf multiplies an m x n matrix by a triangle, from the left or from the right, and trsmOf
// solves for one from the right.
func trmmOf[T Float](left bool, m, n int) tuning.Work {
	side, order, name := blas.Right, n, "trmmR"
	if left {
		side, order, name = blas.Left, m, "trmm"
	}
	return tuning.Work{Name: fmt.Sprintf("%s %dx%d", name, m, n), X: n, Amount: float64(order) * float64(m*n),
		Prepare: inTurn(triangularOperandsOf[T](order, m*n), func(o triangularOperands[T]) {
			trxm(false, side, blas.Lower, NoTrans, blas.NonUnit, m, n, 1, o.a, order, o.b, n)
		})}
}

func trsmOf[T Float](m, n int) tuning.Work {
	return tuning.Work{Name: fmt.Sprintf("trsmR %dx%d", m, n), X: n, Amount: float64(n) * float64(m*n),
		Prepare: inTurn(triangularOperandsOf[T](n, m*n), func(o triangularOperands[T]) {
			trxm(true, blas.Right, blas.Lower, NoTrans, blas.NonUnit, m, n, 1, o.a, n, o.b, n)
		})}
}

func TestRoutineKnobs(t *testing.T) {
	floattest.Each(t, testRoutineKnobs[float32], testRoutineKnobs[float64])
}

func testRoutineKnobs[T Float](t *testing.T) {
	knobs := routineKnobs[T]()
	var names []string
	for _, k := range knobs {
		names = append(names, k.Name)
	}
	assert.Equal(t, tuning.Groups[1].Knobs, names)
	assert.NoError(t, tuning.Validate(knobs))
}

// The works do what they say: with small numbers and an identity, operands come out as expected.
func TestRoutineWorks(t *testing.T) {
	var o triangularOperands[float32]
	work := inTurn(func() triangularOperands[float32] {
		o = triangularOperandsOf[float32](8, 8*5)()
		return o
	}, func(o triangularOperands[float32]) {
		trxm(true, blas.Left, blas.Lower, NoTrans, blas.NonUnit, 8, 5, 1, o.a, 8, o.b, 5)
	})()()
	work(sets - 1)
	assert.Equal(t, smallNumbers[float32](8*5), o.b)
}
