package gemm

import (
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Batch is Count operations of one shape: those of number i have their operands i*A, i*B and
// i*C elements behind those of the first. A stride of 0 shares A or B. A bias is shared always.
type Batch struct {
	Count   int
	A, B, C int
}

// RunBatch computes the operation for each product of a batch. One worker computes each product or,
// if they are few and large, all workers compute one after the other.
func (o *Operation[T]) RunBatch(team *parallel.Team, batch Batch) {
	if o.M == 0 || o.N == 0 {
		return
	}
	workers := team.Workers()
	if batch.Count < 2*workers && o.Work() >= o.AloneBelow {
		for i := range batch.Count {
			one := o.of(batch, i)
			one.Run(team)
		}
		return
	}
	p := newProduct[T]()
	p.Operation, p.batch, p.parts = *o, batch, 1
	if o.Pays(team, o.Work()*batch.Count) {
		perPart := max(1, min(o.PartWork/max(1, o.Work()), batch.Count/(PartsPerWorker*workers)))
		p.parts = num.CeilDiv(batch.Count, perPart)
	}
	p.run(team)
	p.release()
}

// of returns the operation as product i of a batch.
func (o *Operation[T]) of(batch Batch, i int) Operation[T] {
	one := *o
	one.C.P = At(o.C.P, i*batch.C)
	if o.K > 0 {
		one.A.P = At(o.A.P, i*batch.A)
		if o.Packed == nil {
			one.B.P = At(o.B.P, i*batch.B)
		}
	}
	return one
}
