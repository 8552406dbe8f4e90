package blas

import (
	"sync"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// product is an operation, or a batch of them, that is cut into parts for a
// team of workers.
type product[T Float] struct {
	operation[T]
	batch Batch // of more than one product if Count is
	cut   cut   // else
	parts int

	// Kept for the next product:
	buffers []buffers[T] // a worker's
	mirrorC []T          // of mirror
}

// buffers is where a worker packs its blocks.
type buffers[T Float] struct{ a, b, mirrorC []T }

// cut says which of C's dimensions is divided among workers.
type cut bool

const (
	byRows    cut = false
	byColumns cut = true
)

// pool is products that are to be used again, with their buffers: as many as
// were ever under way at the same time.
type pool[T Float] struct {
	mutex sync.Mutex
	idle  []*product[T]
}

var (
	pool32 pool[float32]
	pool64 pool[float64]
)

func poolOf[T Float]() *pool[T] {
	if p, ok := any(&pool32).(*pool[T]); ok {
		return p
	}
	return any(&pool64).(*pool[T])
}

func newProduct[T Float]() *product[T] {
	pool := poolOf[T]()
	pool.mutex.Lock()
	defer pool.mutex.Unlock()
	if last := len(pool.idle) - 1; last >= 0 {
		p := pool.idle[last]
		pool.idle = pool.idle[:last]
		return p
	}
	return &product[T]{}
}

func (p *product[T]) release() {
	p.operation, p.batch = operation[T]{}, Batch{} // keep no reference to the caller's memory
	pool := poolOf[T]()
	pool.mutex.Lock()
	pool.idle = append(pool.idle, p)
	pool.mutex.Unlock()
}

// divide decides in how many parts C is computed, and how it is cut. Parts
// share nothing, so none waits for another: a cut by columns packs each panel
// of B once, and a cut by rows, where B is packed already or C narrow, each
// block of A once.
func (p *product[T]) divide(workers int) {
	p.parts = 1
	if workers == 1 || p.work() < p.aloneBelow {
		return
	}
	panels := panels(p.table, p.n)
	tiles := ceilDiv(p.m, p.mr())
	p.cut = byRows
	if p.packedB == nil && panels >= 2*workers || tiles < workers {
		p.cut = byColumns
	}
	if p.cut == byColumns {
		p.parts = min(workers, panels)
	} else {
		p.parts = min(workers, tiles)
	}
}

// run computes the parts.
func (p *product[T]) run(team *parallel.Team) {
	for len(p.buffers) < min(p.parts, team.Workers()) {
		p.buffers = append(p.buffers, buffers[T]{})
	}
	team.Run(p.parts, p)
}

// Do computes one part.
func (p *product[T]) Do(part, worker int) {
	buf := &p.buffers[worker]
	if p.batch.Count > 0 {
		first, end := parallel.Cut(p.batch.Count, 1, p.parts, part)
		for i := first; i < end; i++ {
			one := p.of(p.batch, i)
			one.alone(buf)
		}
		return
	}
	i0, i1, j0, j1 := 0, p.m, 0, p.n
	if p.cut == byRows {
		i0, i1 = parallel.Cut(p.m, 1, p.parts, part)
	} else {
		j0, j1 = parallel.Cut(p.n, p.nr, p.parts, part)
	}
	p.block(i0, i1, j0, j1, buf)
}

// alone computes the whole operation on one worker.
func (o *operation[T]) alone(buf *buffers[T]) {
	switch {
	case o.direct():
		o.compute()
	case o.mirrored():
		buf.mirrorC = grow(buf.mirrorC, o.m*o.n)
		mirror := o.mirror(buf.mirrorC)
		mirror.block(0, mirror.m, 0, mirror.n, buf)
		o.unmirror(buf.mirrorC)
	default:
		o.block(0, o.m, 0, o.n, buf)
	}
}
