package blas

import (
	"fmt"
)

// Options say what MatMul does besides multiplying.
type Options struct {
	// Accumulate adds the product to C. Otherwise C is overwritten, and not
	// read.
	Accumulate bool
	// Bias, one element a column of C or nil, is added to each row last.
	Bias []float32
	// PackedB is B, packed before. B's own data is not read then, and may be
	// missing.
	PackedB *PackedB
}

// MatMul computes C = A*B, or C += A*B, on a team of workers: A is m x k, B is
// k x n, C is m x n and row-major.
//
// The bits of C(i,j) depend on row i of A, column j of B, on k and on the
// instruction set, and on nothing else: not on m, n, the workers, packing, or
// where in memory anything lies. Each element has one accumulator, to which
// products are added in ascending order, and which is added to C every KC of
// them. So a row that is computed alone equals that row of a larger product.
//
// NaN and Inf in A and B reach C as IEEE 754 has it. Mismatched sizes panic.
// MatMul may be called from many goroutines at once, on different teams.
func MatMul(team *Team, c, a, b Mat, opt Options) {
	if opt.PackedB != nil {
		b.Data = nil
		if b.Rows != opt.PackedB.k || b.Cols != opt.PackedB.n {
			panic(fmt.Sprintf("blas: B is %d x %d, but its packed form %d x %d", b.Rows, b.Cols, opt.PackedB.k, opt.PackedB.n))
		}
	} else {
		b.check("B")
	}
	a.check("A")
	c.check("C")
	if a.Cols != b.Rows || c.Rows != a.Rows || c.Cols != b.Cols {
		panic(fmt.Sprintf("blas: C is %d x %d, A %d x %d, B %d x %d", c.Rows, c.Cols, a.Rows, a.Cols, b.Rows, b.Cols))
	}
	if c.ColStride != 1 {
		panic(fmt.Sprintf("blas: C has column stride %d, want 1", c.ColStride))
	}
	if opt.Bias != nil && len(opt.Bias) != c.Cols {
		panic(fmt.Sprintf("blas: bias of %d elements for %d columns", len(opt.Bias), c.Cols))
	}

	o := operation{
		table: active(),
		m:     c.Rows, n: c.Cols, k: a.Cols,
		a: a.view(), b: b.view(), c: c.view(),
		alpha: 1, bias: opt.Bias, packedB: opt.PackedB,
	}
	if opt.Accumulate {
		o.beta = 1
	}
	if o.packedB != nil && o.packedB.table != o.table {
		panic("blas: B was packed under another instruction set")
	}
	o.run(team, false)
}
