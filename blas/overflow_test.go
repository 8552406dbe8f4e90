package blas

import (
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Sizes and strides whose product is no int must be refused: what is left of
// it may look as if it fitted, and writes would go to memory of others. With
// MaxInt it is the 4 bytes in front of C.
func TestRefusesWhatOverflows(t *testing.T) {
	const unknown = 7
	memory := slices.Repeat([]float32{unknown}, 24)
	data := memory[8:16]
	ones := []float32{1, 1, 1, 1, 1, 1, 1, 1}
	a, b := RowMajor(ones, 2, 2), RowMajor(ones, 2, 2)
	view := func(rows, cols, rowStride, colStride int) Mat[float32] {
		return Mat[float32]{data, rows, cols, rowStride, colStride}
	}
	gemm := func(tA, tB Transpose, m, n, k, lda, ldb, ldc int) func() {
		return func() { Sgemm(tA, tB, m, n, k, 1, data, lda, data, ldb, 0, data, ldc) }
	}
	matMul := func(c, a, b Mat[float32], batch Batch) func() {
		return func() { MatMul(nil, c, a, b, Options[float32]{Batch: batch}) }
	}
	c := view(2, 2, 2, 1)
	for _, huge := range []int{math.MaxInt, math.MaxInt - 1, math.MaxInt/2 + 1, math.MaxInt / 2} {
		for name, call := range map[string]func(){
			"lda":            gemm(NoTrans, NoTrans, 5, 1, 1, huge, 1, 1),
			"lda transposed": gemm(Trans, NoTrans, 1, 1, 5, huge, 1, 1),
			"ldb":            gemm(NoTrans, NoTrans, 1, 1, 5, 5, huge, 1),
			"ldb transposed": gemm(NoTrans, Trans, 1, 5, 1, 1, huge, 5),
			"ldc":            gemm(NoTrans, NoTrans, 5, 1, 1, 1, 1, huge),
			"m":              gemm(NoTrans, NoTrans, huge, 1, 1, 1, 1, 1),
			"m and ldc":      gemm(Trans, NoTrans, huge, 1, 0, huge, 1, huge),
			"A":              matMul(c, view(2, 2, huge, 1), b, Batch{}),
			"A transposed":   matMul(c, view(2, 2, 1, huge), b, Batch{}),
			"B":              matMul(c, a, view(2, 2, huge, 1), Batch{}),
			"C":              matMul(view(2, 2, huge, 1), a, b, Batch{}),
			"batch of A":     matMul(c, a, b, Batch{Count: 2, A: huge, C: 4}),
			"batch of B":     matMul(c, a, b, Batch{Count: 2, B: huge, C: 4}),
			"batch of C":     matMul(c, a, b, Batch{Count: 2, C: huge}),
			"count of C":     matMul(c, a, b, Batch{Count: huge, C: 4}),
			"packed":         func() { NewPackedB[float32](huge, 32) },
		} {
			assert.Panics(t, call, "%s of %d", name, huge)
			assert.Equal(t, slices.Repeat([]float32{unknown}, 24), memory, "%s of %d", name, huge)
		}
	}
	// One row has no stride.
	assert.NotPanics(t, gemm(NoTrans, NoTrans, 1, 2, 1, math.MaxInt, math.MaxInt, math.MaxInt))
	assert.NotPanics(t, matMul(view(1, 2, math.MaxInt, 1), view(1, 2, math.MaxInt, 1), b, Batch{}))
}
