package blas

import (
	"fmt"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
)

// Options say what MatMul does besides multiplying. With the zero value it only multiplies.
type Options[T Float] struct {
	// Accumulate adds the product to C. Otherwise C is overwritten and not read.
	Accumulate bool
	// Bias, one element a column of C or nil, is added to each row.
	Bias []T
	// RowBias, one element a row of C or nil, is added to each column.
	RowBias []T
	// ReLU replaces negative results by 0, after everything else.
	ReLU bool
	// PackedB is B, packed beforehand. MatMul then reads it instead of B's data, which may be nil.
	PackedB *PackedB[T]
	// Batch computes several products of the same shape.
	Batch Batch
	// Precision is that of the products. In BFloat16 there is no float64, and no Batch.
	Precision Precision
}

// MatMul computes C = A*B, or C += A*B, on a team of workers: A is m x k, B is
// k x n, C is m x n and row-major.
//
// The bits of C(i,j) depend on row i of A, column j of B, on k and on the
// instruction set, and on nothing else: not on m, n, the workers, packing, or
// where in memory anything lies. Each element has one accumulator, which sums the products in
// ascending order and is added to C after every KC of them. So a row that is computed alone equals
// that row of a larger product.
//
// NaN and Inf in A and B reach C by the rules of IEEE 754. Mismatched sizes panic.
// MatMul may be called from many goroutines at once, on different teams.
//
// In Options.Precision BFloat16 the same holds, and the bits don't depend on the instruction set, but
// for those of NaNs.
func MatMul[T Float](team *Team, c, a, b Mat[T], opt Options[T]) {
	if opt.PackedB != nil || opt.Batch.Count > 1 || !(a.fits() && b.fits() && c.fits()) {
		checkOperands(&c, &a, &b, &opt)
	}
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols {
		panic(fmt.Sprintf("blas: C is %d x %d, A %d x %d, B %d x %d", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	if c.ColStride != 1 {
		panic(fmt.Sprintf("blas: C has column stride %d, want 1", c.ColStride))
	}
	if c.RowStride < c.Cols && c.Rows > 1 {
		panic(fmt.Sprintf("blas: C has row stride %d for %d columns", c.RowStride, c.Cols))
	}
	if opt.Bias != nil && len(opt.Bias) != c.Cols {
		panic(fmt.Sprintf("blas: bias of %d elements for %d columns", len(opt.Bias), c.Cols))
	}
	if opt.RowBias != nil && len(opt.RowBias) != c.Rows {
		panic(fmt.Sprintf("blas: bias of %d elements for %d rows", len(opt.RowBias), c.Rows))
	}

	var o gemm.Operation[T] // field by field: a literal would be copied
	o.Table = gemm.Active[T]()
	o.M, o.N, o.K = c.Rows, c.Cols, a.Cols
	o.A, o.B, o.C = a.view(), b.view(), c.view()
	o.Alpha = 1
	if opt.Accumulate {
		o.Beta = 1
	}
	o.Epilogue.Bias, o.Epilogue.RowBias = unsafe.SliceData(opt.Bias), unsafe.SliceData(opt.RowBias)
	o.Epilogue.ReLU = opt.ReLU
	if opt.PackedB != nil {
		o.Packed = &opt.PackedB.matrix
	}
	switch {
	case opt.Precision == BFloat16:
		runRounded(team, &o, &a, &b, opt.Batch)
	case opt.Batch.Count == 0:
		o.Run(team)
	default:
		checkBatch(opt.Batch, &c)
		o.RunBatch(team, gemm.Batch(opt.Batch))
	}
}

// checkOperands panics unless all products' operands are valid views of their data.
func checkOperands[T Float](c, a, b *Mat[T], opt *Options[T]) {
	last := max(0, opt.Batch.Count-1) // of the batch
	if opt.PackedB == nil {
		b.check("B", num.Times(last, max(0, opt.Batch.B)))
	} else {
		opt.PackedB.check(b, opt.Batch, opt.Precision)
	}
	a.check("A", num.Times(last, max(0, opt.Batch.A)))
	c.check("C", num.Times(last, max(0, opt.Batch.C)))
}
