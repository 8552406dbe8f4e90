package gemm

import (
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// C is small and K long enough to be split: at most splitC elements, and at
// least 2*splitStep products for each of them, which are summed in at most
// splitMost chunks.
const (
	splitC    = 1 << 12
	SplitStep = 1 << 13
	splitMost = 16
)

// chunksOfK returns the number of chunks to split K into, so that workers can share a product whose
// C is too small to cut. The shape alone decides, so the result is the same for any number of
// workers. Chunks break the element rule, so only the BLAS uses them.
func (o *Operation[T]) chunksOfK() int {
	if o.M*o.N > splitC {
		return 1
	}
	return max(1, min(splitMost, o.K/SplitStep))
}

// runSplit computes the operation with K in chunks: a batch of products, which
// are then added to C in order.
func (o *Operation[T]) runSplit(chunks int, team *parallel.Team) {
	p := newProduct[T]()
	size := o.M * o.N
	p.scratch = Grow(p.scratch, chunks*size)

	long := num.CeilDiv(o.K, chunks)
	part := *o
	part.K, part.Alpha, part.Beta = long, 1, 0
	part.C = View[T]{&p.scratch[0], o.N, 1}
	strides := Batch{Count: chunks - 1, A: long * o.A.Col, B: long * o.B.Row, C: size}
	part.RunBatch(team, strides)
	last := part.of(strides, chunks-1) // which is shorter, if any
	last.K = o.K - (chunks-1)*long
	last.Run(team)

	for i := range o.M {
		for j := range o.N {
			var sum T
			for chunk := range chunks {
				sum += p.scratch[chunk*size+i*o.N+j]
			}
			c := o.C.At(i, j)
			if o.Beta == 0 {
				*c = T(o.Alpha * sum)
			} else {
				*c = T(o.Alpha*sum) + T(o.Beta**c)
			}
		}
	}
	p.release()
}
