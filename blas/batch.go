package blas

import "fmt"

// Batch is Count products of one shape. The operands of product i begin i*A, i*B and i*C elements
// into the data of A, B and C. All products share A, or B, if its stride is 0. They always share a
// bias. No C may overlap another, but they may lie side by side, as columns of one matrix. The zero
// Batch is one product.
type Batch struct {
	Count   int
	A, B, C int // strides
}

// checkBatch panics if the batch's strides are invalid. c is C of its first product.
func checkBatch[T Float](b Batch, c *Mat[T]) {
	if b.Count < 0 || min(b.A, b.B, b.C) < 0 {
		panic(fmt.Sprintf("blas: batch of %d products with strides %d, %d and %d", b.Count, b.A, b.B, b.C))
	}
	last := (b.Count - 1) * b.C
	oneBehindTheOther := b.C >= c.extent(0)
	sideBySide := b.C >= c.Cols && last+c.Cols <= c.RowStride
	if b.Count > 1 && c.Rows > 0 && c.Cols > 0 && !oneBehindTheOther && !sideBySide {
		panic(fmt.Sprintf("blas: C is %d x %d with row stride %d, and overlaps the next of its batch, %d elements on", c.Rows, c.Cols, c.RowStride, b.C))
	}
}
