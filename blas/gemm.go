package blas

import (
	"sync"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// product is one matrix product on its way through the driver:
// C = alpha*A*B + beta*C + bias.
type product struct {
	*table
	m, n, k     int
	a, b, c     view
	alpha, beta float32
	bias        []float32 // nil for none
	packedB     *PackedB  // nil to pack as needed

	cut   cut
	parts int
	// Kept for the next product:
	buffers []buffers      // a part's
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

func newProduct() *product {
	idleMutex.Lock()
	defer idleMutex.Unlock()
	if last := len(idle) - 1; last >= 0 {
		p := idle[last]
		idle = idle[:last]
		p.table = active()
		return p
	}
	return &product{table: active()}
}

func (p *product) release() {
	*p = product{buffers: p.buffers, team: p.team} // keep no reference to the caller's memory
	idleMutex.Lock()
	idle = append(idle, p)
	idleMutex.Unlock()
}

// run computes the product on the team.
func (p *product) run(team *parallel.Team) {
	if p.m == 0 || p.n == 0 {
		return
	}
	if p.alpha == 0 {
		p.k = 0 // A and B are not read
	}
	if p.packedB != nil && p.packedB.table != p.table {
		panic("blas: B was packed under another instruction set")
	}
	p.divide(team.Workers())
	for len(p.buffers) < p.parts {
		p.buffers = append(p.buffers, buffers{})
	}
	team.Run(p.parts, p)
}

// divide decides in how many parts C is computed, and how it is cut. Parts
// share nothing, so none waits for another: a cut by columns packs each panel
// of B once, and a cut by rows, where B is packed already or C narrow, each
// block of A once.
func (p *product) divide(workers int) {
	p.parts = 1
	if workers == 1 || p.m*p.n*p.k < p.aloneBelow {
		return
	}
	panels := (p.n + p.nr - 1) / p.nr
	tiles := (p.m + p.mr() - 1) / p.mr()
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
				for jr := 0; jr < cols; jr += p.nr { // LOOP 2
					p.panel(a, b.panel(jr), rows, min(p.nr, cols-jr), l1-l0, p.c.from(ic, jc+jr), beta, biasAt(bias, jc+jr))
				}
			}
		}
	}
}

// panel computes rows of one panel of C: LOOP 1, which runs in assembly. The
// rows are shared out evenly over the fewest tiles, so there are tiles of at
// most two heights.
func (p *product) panel(a aBlock, b bPanel, rows, cols, k int, c view, beta float32, bias *float32) {
	tiles := (rows + p.mr() - 1) / p.mr()
	height, taller := rows/tiles, rows%tiles
	if taller > 0 {
		p.tile[height](taller, cols, k, a.p, a.row, a.col, (height+1)*a.next, b.p, b.row, c.p, c.row, p.alpha, beta, bias)
		done := taller * (height + 1)
		a.p, c = at(a.p, done*a.next), c.from(done, 0)
	}
	p.tile[height-1](tiles-taller, cols, k, a.p, a.row, a.col, height*a.next, b.p, b.row, c.p, c.row, p.alpha, beta, bias)
}

func biasAt(bias []float32, j int) *float32 {
	if bias == nil {
		return nil
	}
	return &bias[j]
}

// kBlocks returns how many blocks k is cut into, of equal sizes up to one: a
// function of k and the table alone, since it decides the bits.
func kBlocks(t *table, k int) int { return (k + t.kc - 1) / t.kc }
