package blas

import "github.com/steppe-ml/steppe/internal/parallel"

// C is small and K long enough to be split: at most splitC elements, and at
// least 2*splitStep products for each of them, which are summed in at most
// splitMost chunks.
const (
	splitC    = 1 << 12
	splitStep = 1 << 13
	splitMost = 16
)

// chunksOfK returns in how many chunks K is best split, so that workers can
// share a product whose C is too small to be cut: a function of the shape alone,
// so that the result is the same for any number of workers. The element rule
// forbids it: this is for the BLAS alone.
func (o *operation[T]) chunksOfK() int {
	if o.m*o.n > splitC {
		return 1
	}
	return max(1, min(splitMost, o.k/splitStep))
}

// runSplit computes the operation with K in chunks: a batch of products, which
// are then added to C in order.
func (o *operation[T]) runSplit(chunks int, team *parallel.Team) {
	p := newProduct[T]()
	size := o.m * o.n
	p.scratch = grow(p.scratch, chunks*size)

	long := ceilDiv(o.k, chunks)
	part := *o
	part.k, part.alpha, part.beta = long, 1, 0
	part.c = view[T]{&p.scratch[0], o.n, 1}
	strides := Batch{Count: chunks - 1, A: long * o.a.col, B: long * o.b.row, C: size}
	part.runBatch(team, strides)
	last := part.of(strides, chunks-1) // which is shorter, if any
	last.k = o.k - (chunks-1)*long
	last.run(team)

	for i := range o.m {
		for j := range o.n {
			var sum T
			for chunk := range chunks {
				sum += p.scratch[chunk*size+i*o.n+j]
			}
			c := o.c.at(i, j)
			if o.beta == 0 {
				*c = T(o.alpha * sum)
			} else {
				*c = T(o.alpha*sum) + T(o.beta**c)
			}
		}
	}
	p.release()
}
