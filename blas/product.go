package blas

import "github.com/steppe-ml/steppe/internal/parallel"

// product is an operation, or a batch of them, that is cut into parts for a
// team of workers.
type product[T Float] struct {
	operation[T]
	batch Batch   // of more than one product if Count is
	sums  dots[T] // if it is one of dot products
	cut   cut     // else
	parts int

	// Kept for the next product:
	buffers []buffers[T] // a worker's
	scratch []T          // of mirror, of runDots or of runSplit
}

// buffers is where a worker packs its blocks, and mirrors products of a batch.
type buffers[T Float] struct{ a, b, c []T }

// cut says which of C's dimensions is divided among workers.
type cut bool

const (
	byRows    cut = false
	byColumns cut = true
)

// partsPerWorker is the most parts of a product for each worker.
const partsPerWorker = 2

var (
	pool32 parallel.Pool[product[float32]]
	pool64 parallel.Pool[product[float64]]
)

// poolOf returns whichever of the two pools is one of X.
func poolOf[X any](of32, of64 any) *parallel.Pool[X] {
	if p, ok := of32.(*parallel.Pool[X]); ok {
		return p
	}
	return of64.(*parallel.Pool[X])
}

func newProduct[T Float]() *product[T] { return poolOf[product[T]](&pool32, &pool64).Get() }

func (p *product[T]) release() {
	p.operation, p.batch, p.sums = operation[T]{}, Batch{}, dots[T]{} // keep no reference to the caller's memory
	poolOf[product[T]](&pool32, &pool64).Put(p)
}

// divide decides in how many parts C is computed, and how it is cut. Parts
// share nothing, so none waits for another: a cut by columns packs each panel
// of B once, and a cut by rows, where B is packed already or C narrow, each
// block of A once. There are more parts than workers, so that the caller has
// something to do until the others have woken.
func (p *product[T]) divide(team *parallel.Team) {
	p.parts = 1
	if !p.pays(team, p.work()) {
		return
	}
	workers := team.Workers()
	panels := panels(p.table, p.n)
	tiles := ceilDiv(p.m, p.mr())
	p.cut = byRows
	grains := tiles
	if p.packedB == nil && panels >= 2*workers || tiles < workers {
		p.cut = byColumns
		grains = panels
	}
	p.parts = balanced(grains, workers, min(grains, partsPerWorker*workers, p.work()/p.partWork))
}

// pays reports whether multiply-adds are so many that they are best shared by a
// team, which may be asleep.
func (t *table[T]) pays(team *parallel.Team, work int) bool {
	return team.Workers() > 1 && work >= t.aloneBelow && (work >= t.wakeBelow || team.Awake())
}

// balanced returns the most parts, up to so many, that grains are best cut into
// for workers that take them one by one.
func balanced(grains, workers, most int) (parts int) {
	least := grains + 1 // of the time until the last part is done, in grains
	for n := most; n > 1; n-- {
		if time := ceilDiv(n, workers) * ceilDiv(grains, n); time < least {
			least, parts = time, n
		}
	}
	return max(1, parts)
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
	if p.sums.ny > 0 {
		j0, j1 := parallel.Cut(p.sums.ny, len(p.dots), p.parts, part)
		p.sums.compute(&p.operation, j0, j1)
		return
	}
	i0, i1, j0, j1 := 0, p.m, 0, p.n
	if p.cut == byRows {
		i0, i1 = parallel.Cut(p.m, 1, p.parts, part)
	} else {
		j0, j1 = parallel.Cut(p.n, p.nr(), p.parts, part)
	}
	p.block(i0, i1, j0, j1, buf)
}

// alone computes the whole operation on one worker.
func (o *operation[T]) alone(buf *buffers[T]) {
	switch {
	case o.direct():
		o.compute()
	case o.mirrored():
		buf.c = grow(buf.c, o.m*o.n)
		mirror := o.mirror(buf.c)
		mirror.block(0, mirror.m, 0, mirror.n, buf)
		o.unmirror(buf.c)
	default:
		o.block(0, o.m, 0, o.n, buf)
	}
}
