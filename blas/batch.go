package blas

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// Batch is products of one shape, as many as Count: those of number i have
// their operands i*A, i*B and i*C elements into the data of A, B and C. A stride
// of 0 shares A or B, and a bias is shared always. No C may overlap another;
// they may lie side by side, as columns of one matrix. The zero Batch is one
// product.
type Batch struct {
	Count   int
	A, B, C int // strides
}

// checkBatch panics if there is no such batch, c being C of its first product.
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

// runBatch computes the operation for each product of a batch: each by one
// worker, or, where they are few and large, one after the other by all.
func (o *operation[T]) runBatch(team *parallel.Team, batch Batch) {
	if o.m == 0 || o.n == 0 {
		return
	}
	workers := team.Workers()
	if batch.Count < 2*workers && o.work() >= o.aloneBelow {
		for i := range batch.Count {
			one := o.of(batch, i)
			one.run(team)
		}
		return
	}
	p := newProduct[T]()
	p.operation, p.batch, p.parts = *o, batch, 1
	if o.pays(team, o.work()*batch.Count) {
		perPart := max(1, min(o.partWork/max(1, o.work()), batch.Count/(partsPerWorker*workers)))
		p.parts = ceilDiv(batch.Count, perPart)
	}
	p.run(team)
	p.release()
}

// of returns the operation as product i of a batch.
func (o *operation[T]) of(batch Batch, i int) operation[T] {
	one := *o
	one.c.p = at(o.c.p, i*batch.C)
	if o.k > 0 {
		one.a.p = at(o.a.p, i*batch.A)
		if o.packedB == nil {
			one.b.p = at(o.b.p, i*batch.B)
		}
	}
	return one
}
