package gemm

import "github.com/steppe-ml/steppe/internal/parallel"

// Run is N consecutive rows of a matrix, from row First on.
type Run struct{ First, N int }

// A block-diagonal matrix belongs to some runs of rows: each run of n rows has a block of n x n
// elements, and the blocks lie one behind the other, row-major. The runs are the shards of a batch,
// which are small where they are many, so the products below do all runs in one call.

// GramRows is the most rows of a run whose block Grams computes as dot products, which need no
// operand transposed: there tiles are no faster (docs/TUNING.md). It decides bits, since the sums
// of larger blocks go as the element rule says.
const GramRows = 24

// Grams sets the block of each run to the products of its rows of x with its rows of y, all of k
// elements, plus constant: X Y' + constant, where ' is the transpose. The rows of x and y are
// contiguous.
func Grams[T Float](team *parallel.Team, t *Table[T], blocks []T, x, y View[T], k int, runs []Run, constant T) {
	for i := range blocks {
		blocks[i] = constant
	}
	d := newDiagonal[T]()
	d.kind, d.blocks, d.runs = grams, blocks, runs
	d.Table, d.K, d.A, d.B, d.Alpha, d.Beta = t, k, x, y.T(), 1, 1
	d.share(team)
}

// MulBlocks multiplies the block-diagonal matrix by b, of n columns: rows of c that belong to a run
// become its block times its rows of b, or grow by that if accumulate is set.
func MulBlocks[T Float](team *parallel.Team, t *Table[T], c View[T], blocks []T, b View[T], n int, runs []Run, accumulate bool) {
	d := newDiagonal[T]()
	d.kind, d.blocks, d.runs = products, blocks, runs
	d.Table, d.N, d.B, d.C, d.Alpha = t, n, b, c, 1
	if accumulate {
		d.Beta = 1
	}
	d.share(team)
}

// diagonal is a team's job: one product for each run, all from the operation's matrices.
type diagonal[T Float] struct {
	Operation[T]
	kind   diagonalKind
	blocks []T
	runs   []Run
	parts  int

	buffers []Buffers[T] // a worker's, kept for the next job
}

type diagonalKind uint8

const (
	grams    diagonalKind = iota // blocks = A B
	products                     // C = blocks B
)

var (
	diagonals32 parallel.Pool[diagonal[float32]]
	diagonals64 parallel.Pool[diagonal[float64]]
)

func newDiagonal[T Float]() *diagonal[T] {
	return PoolOf[diagonal[T]](&diagonals32, &diagonals64).Get()
}

// share computes all products: each by one worker or, if they are few and large, by all of them.
func (d *diagonal[T]) share(team *parallel.Team) {
	workers, work := team.Workers(), 0
	for _, r := range d.runs {
		work += r.N * r.N * max(d.K, d.N) // of K and N one is 0
	}
	if len(d.runs) < 2*workers && work >= d.AloneBelow*len(d.runs) {
		d.compute(0, len(d.runs), team, nil)
	} else {
		d.parts = 1
		if d.Pays(team, work) {
			d.parts = max(1, min(len(d.runs), PartsPerWorker*workers, work/d.PartWork))
		}
		for len(d.buffers) < min(d.parts, workers) {
			d.buffers = append(d.buffers, Buffers[T]{})
		}
		team.Run(d.parts, d)
	}
	d.Operation, d.blocks, d.runs = Operation[T]{}, nil, nil // keep no reference to the caller's memory
	PoolOf[diagonal[T]](&diagonals32, &diagonals64).Put(d)
}

// Do computes the products of one part of the runs.
func (d *diagonal[T]) Do(part, worker int) {
	from, to := parallel.Cut(len(d.runs), 1, d.parts, part)
	d.compute(from, to, nil, &d.buffers[worker])
}

// compute computes the products of runs from to to, on a team or, with buf, alone.
func (d *diagonal[T]) compute(from, to int, team *parallel.Team, buf *Buffers[T]) {
	at := 0
	for i, r := range d.runs[:to] {
		size := r.N * r.N
		if i < from || size == 0 {
			at += size
			continue
		}
		one := d.of(r, at)
		switch {
		case d.dotted(r):
			one.runGram()
		case buf == nil:
			one.Run(team)
		default:
			one.RunAlone(buf)
		}
		at += size
	}
}

// runGram computes a block as dot products: of a symmetric one the upper half, a group of rows at a
// time, of which the lower half is the mirror image.
func (o *Operation[T]) runGram() {
	all := o.asDots()
	if all.x != all.y {
		all.compute(o, 0, all.ny)
		return
	}
	side := len(o.dots)
	for i := 0; i < all.nx; i += side {
		rows := dots[T]{x: all.x.From(i, 0), y: all.y.From(i, 0), nx: min(side, all.nx-i), ny: all.ny - i, c: all.c.From(i, i)}
		rows.compute(o, 0, rows.ny)
	}
	for i := range all.nx {
		for j := range i {
			*o.C.At(i, j) = *o.C.At(j, i)
		}
	}
}

// dotted reports whether the run's product is computed as dot products.
func (d *diagonal[T]) dotted(r Run) bool {
	return d.kind == grams && r.N <= GramRows && d.K > 0 && d.dots != nil
}

// of returns the product of a run whose block begins at element at.
func (d *diagonal[T]) of(r Run, at int) Operation[T] {
	one := d.Operation
	block := View[T]{&d.blocks[at], r.N, 1}
	one.M = r.N
	if d.kind == grams {
		one.N, one.C = r.N, block
		if d.K > 0 {
			one.A.P, one.B.P = At(d.A.P, r.First*d.A.Row), At(d.B.P, r.First*d.B.Col)
		}
		return one
	}
	one.K, one.A = r.N, block
	one.B.P, one.C.P = At(d.B.P, r.First*d.B.Row), At(d.C.P, r.First*d.C.Row)
	return one
}
