package gemm

import (
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// product is a team's job: an operation, or a batch of them, cut into parts.
type product[T Float] struct {
	Operation[T]
	batch Batch   // a batch of products if Count > 1
	sums  dots[T] // the operation as dot products, if it is computed so
	cut   cut     // how C is divided, if neither of these
	parts int

	// Kept for the next product:
	buffers []Buffers[T] // a worker's
	scratch []T          // of mirror, of runDots or of runSplit
}

// Buffers is a worker's memory for blocks of A and B that it copies, and for products of a batch
// that it computes as their transpose.
type Buffers[T Float] struct{ A, B, C []T }

// cut is the dimension of C that is divided among workers.
type cut bool

const (
	byRows    cut = false
	byColumns cut = true
)

// PartsPerWorker is the most parts of a product for each worker.
const PartsPerWorker = 2

var (
	pool32 parallel.Pool[product[float32]]
	pool64 parallel.Pool[product[float64]]
)

// PoolOf returns the one of the two pools whose values are of type X.
func PoolOf[X any](of32, of64 any) *parallel.Pool[X] {
	if p, ok := of32.(*parallel.Pool[X]); ok {
		return p
	}
	return of64.(*parallel.Pool[X])
}

func newProduct[T Float]() *product[T] { return PoolOf[product[T]](&pool32, &pool64).Get() }

func (p *product[T]) release() {
	p.Operation, p.batch, p.sums = Operation[T]{}, Batch{}, dots[T]{} // keep no reference to the caller's memory
	PoolOf[product[T]](&pool32, &pool64).Put(p)
}

// divide decides in how many parts C is computed, and how it is cut. Parts
// share nothing, so none waits for another: a cut by columns packs each panel
// of B once, and a cut by rows, where B is packed already or C narrow, each
// block of A once. There are more parts than workers, so that the caller has
// something to do until the others have woken.
func (p *product[T]) divide(team *parallel.Team) {
	p.parts = 1
	if !p.Pays(team, p.Work()) {
		return
	}
	workers := team.Workers()
	panels := PanelCount(p.Table, p.N)
	tiles := num.CeilDiv(p.M, p.MR())
	p.cut = byRows
	grains := tiles
	if p.Packed == nil && panels >= 2*workers || tiles < workers {
		p.cut = byColumns
		grains = panels
	}
	p.parts = Balanced(grains, workers, min(grains, PartsPerWorker*workers, p.Work()/p.PartWork))
}

// Pays reports whether so many multiply-adds are best shared by a team, which may be asleep.
func (t *Table[T]) Pays(team *parallel.Team, work int) bool {
	return team.Workers() > 1 && work >= t.AloneBelow && (work >= t.WakeBelow || team.Awake())
}

// Balanced returns the number of parts, at most most, into which grains are best cut for workers
// that take parts one by one: the greatest of those with the shortest time.
func Balanced(grains, workers, most int) (parts int) {
	least := grains + 1 // of the time until the last part is done, in grains
	for n := most; n > 1; n-- {
		if time := num.CeilDiv(n, workers) * num.CeilDiv(grains, n); time < least {
			least, parts = time, n
		}
	}
	return max(1, parts)
}

// run computes the parts.
func (p *product[T]) run(team *parallel.Team) {
	for len(p.buffers) < min(p.parts, team.Workers()) {
		p.buffers = append(p.buffers, Buffers[T]{})
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
			one.RunAlone(buf)
		}
		return
	}
	if p.sums.ny > 0 {
		j0, j1 := parallel.Cut(p.sums.ny, len(p.dots), p.parts, part)
		p.sums.compute(&p.Operation, j0, j1)
		return
	}
	i0, i1, j0, j1 := 0, p.M, 0, p.N
	if p.cut == byRows {
		i0, i1 = parallel.Cut(p.M, 1, p.parts, part)
	} else {
		j0, j1 = parallel.Cut(p.N, p.NR, p.parts, part)
	}
	p.block(i0, i1, j0, j1, buf)
}

// RunAlone computes the whole operation on one worker.
func (o *Operation[T]) RunAlone(buf *Buffers[T]) {
	switch {
	case o.direct():
		o.compute()
	case o.mirrored():
		buf.C = Grow(buf.C, o.M*o.N)
		mirror := o.mirror(buf.C)
		mirror.block(0, mirror.M, 0, mirror.N, buf)
		o.unmirror(buf.C)
	default:
		o.block(0, o.M, 0, o.N, buf)
	}
}
