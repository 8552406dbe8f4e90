package blas

import (
	"sync"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// operation is one matrix product: C = alpha*A*B + beta*C + bias.
type operation struct {
	*table
	m, n, k     int
	a, b, c     view
	alpha, beta float32
	bias        []float32 // nil for none
	packedB     *PackedB  // nil to pack as needed
}

// product is an operation on its way through the driver.
type product struct {
	operation
	cut   cut
	parts int

	// Kept for the next product:
	buffers []buffers      // a part's
	mirrorC []float32      // of mirror
	team    *parallel.Team // of all cores, for callers who bring none
}

// buffers is where one part packs its blocks.
type buffers struct{ a, b []float32 }

// cut says which of C's dimensions is divided among workers.
type cut bool

const (
	byRows    cut = false
	byColumns cut = true
)

// Products are used again, with their buffers: there are as many as were ever
// under way at the same time.
var (
	idleMutex sync.Mutex
	idle      []*product
)

func newProduct(o operation) *product {
	idleMutex.Lock()
	defer idleMutex.Unlock()
	if last := len(idle) - 1; last >= 0 {
		p := idle[last]
		idle = idle[:last]
		p.operation = o
		return p
	}
	return &product{operation: o}
}

func (p *product) release() {
	p.operation = operation{} // keep no reference to the caller's memory
	idleMutex.Lock()
	idle = append(idle, p)
	idleMutex.Unlock()
}

// run computes the operation on a team: its caller's, or, where ownTeam says
// so, on all cores.
func (o *operation) run(team *parallel.Team, ownTeam bool) {
	if o.m == 0 || o.n == 0 {
		return
	}
	if o.alpha == 0 {
		o.k = 0 // A and B are not read
	}
	if o.direct() {
		o.compute()
		return
	}
	p := newProduct(*o)
	mirrored := o.mirrored()
	if mirrored {
		p.mirrorC = grow(p.mirrorC, o.m*o.n)
		p.operation = o.mirror(p.mirrorC)
	}
	if ownTeam && p.work() >= p.aloneBelow {
		if p.team == nil {
			p.team = parallel.NewTeam(parallel.DefaultWorkers())
		}
		team = p.team
	}
	p.divide(team.Workers())
	for len(p.buffers) < p.parts {
		p.buffers = append(p.buffers, buffers{})
	}
	team.Run(p.parts, p)
	if mirrored {
		o.unmirror(p.mirrorC)
	}
	p.release()
}

// work is the multiply-adds of the operation.
func (o *operation) work() int { return o.m * o.n * o.k }

// direct reports whether the operation is so small that it is best computed
// at once, with no block, no packing and no team.
func (o *operation) direct() bool {
	return max(o.m*o.n, o.work()) <= o.directUpTo && o.k <= o.kc && o.packedB == nil && (o.k == 0 || o.b.col == 1 && (o.masksB || o.n%o.nr == 0))
}

// compute computes a direct operation: as block does, with one block of each.
func (o *operation) compute() {
	a := aBlock{o.a.p, o.a.row, o.a.col, o.a.row}
	for j := 0; j < o.n; {
		var b bPanel
		if o.k > 0 {
			b = bPanel{o.b.at(0, j), o.b.row}
		}
		j += o.panel(a, b, o.m, o.n-j, o.n-j, o.k, o.c.from(0, j), o.beta, biasAt(o.bias, j))
	}
}

// divide decides in how many parts C is computed, and how it is cut. Parts
// share nothing, so none waits for another: a cut by columns packs each panel
// of B once, and a cut by rows, where B is packed already or C narrow, each
// block of A once.
func (p *product) divide(workers int) {
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

// Do computes one part of C.
func (p *product) Do(part, _ int) {
	i0, i1, j0, j1 := 0, p.m, 0, p.n
	if p.cut == byRows {
		i0, i1 = parallel.Cut(p.m, 1, p.parts, part)
	} else {
		j0, j1 = parallel.Cut(p.n, p.nr, p.parts, part)
	}
	p.block(i0, i1, j0, j1, &p.buffers[part])
}

// block computes rows i0 to i1 and columns j0 to j1 of C, by the five loops of
// Goto and van de Geijn ("Anatomy of High-Performance Matrix Multiplication",
// ACM TOMS 34(3), 2008): blocks of B's columns, of K, of A's rows, then panels
// of B, and tiles of A's rows in assembly.
func (p *product) block(i0, i1, j0, j1 int, buf *buffers) {
	steps := max(1, kBlocks(p.table, p.k))
	for jc := j0; jc < j1; jc += p.nc { // LOOP 5
		cols := min(p.nc, j1-jc)
		for s := range steps { // LOOP 4
			l0, l1 := parallel.Cut(p.k, 1, steps, s)
			b := p.panelsOfB(l0, l1, jc, cols, i1-i0, buf)
			beta, bias := float32(1), []float32(nil)
			if s == 0 {
				beta = p.beta
			}
			if s == steps-1 {
				bias = p.bias
			}
			for ic := i0; ic < i1; ic += p.mc { // LOOP 3
				rows := min(p.mc, i1-ic)
				a := p.rowsOfA(ic, rows, l0, l1, cols, buf)
				for jr := 0; jr < cols; { // LOOP 2
					jr += p.panel(a, b.panel(jr), rows, cols-jr, max(0, b.whole-jr), l1-l0, p.c.from(ic, jc+jr), beta, biasAt(bias, jc+jr))
				}
			}
		}
	}
}

// panel computes rows of one panel of C: LOOP 1, which runs in assembly. It
// returns the panel's columns: those of a tile, or of what is left, or, for few
// rows, as many more as a wide kernel takes and B has in place. The rows are
// shared out evenly over the fewest tiles, so there are tiles of at most two
// heights.
func (o *operation) panel(a aBlock, b bPanel, rows, left, inPlace, k int, c view, beta float32, bias *float32) (cols int) {
	if rows <= len(o.wide) {
		for _, w := range o.wide[rows-1] {
			if w.columns <= inPlace {
				w.kernel(1, w.columns, k, a.p, a.row, a.col, 0, b.p, b.row, c.p, c.row, o.alpha, beta, bias)
				return w.columns
			}
		}
	}
	kernels := o.tile
	cols = min(o.nr, left)
	if left <= o.narrowTo {
		kernels = o.narrow
		cols = min(o.nr/2, left)
	}
	tiles := ceilDiv(rows, len(kernels))
	height, taller := rows/tiles, rows%tiles
	if taller > 0 {
		kernels[height](taller, cols, k, a.p, a.row, a.col, (height+1)*a.next, b.p, b.row, c.p, c.row, o.alpha, beta, bias)
		done := taller * (height + 1)
		a.p, c = at(a.p, done*a.next), c.from(done, 0)
	}
	kernels[height-1](tiles-taller, cols, k, a.p, a.row, a.col, height*a.next, b.p, b.row, c.p, c.row, o.alpha, beta, bias)
	return cols
}

func biasAt(bias []float32, j int) *float32 {
	if bias == nil {
		return nil
	}
	return &bias[j]
}

// kBlocks returns how many blocks k is cut into, of equal sizes up to one: a
// function of k and the table alone, since it decides the bits.
func kBlocks(t *table, k int) int { return ceilDiv(k, t.kc) }

func ceilDiv(a, b int) int { return (a + b - 1) / b }
