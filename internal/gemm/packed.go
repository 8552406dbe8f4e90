package gemm

import (
	"math"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Packed is a matrix B, of k rows and n columns, in the form that the kernels read fastest. It is
// bound to the NR and KC of the table that it was made for. Any number of operations may read it at
// once.
type Packed[T Float] struct {
	Table      *Table[T]
	k, n       int // of the matrix that is packed
	rows, cols int // of those that count: the first ones
	Size       int // of Data
	// Data has blocks of K; in each, panels of NR columns; in each, rows. It is nil before the
	// first Pack.
	Data []T
	src  View[T] // while packing
}

// Init makes p the unfilled packed form of matrices of k rows and n columns for a table. It returns
// false if that is larger than memory can be.
func (p *Packed[T]) Init(t *Table[T], k, n int) bool {
	*p = Packed[T]{Table: t, k: k, n: n, rows: k, cols: n, Size: num.Times(k, PanelCount(t, n)*t.NR)}
	return num.Times(p.Size, Size[T]()) < math.MaxInt
}

// Rows and columns are those of the matrices that p is the form of.
func (p *Packed[T]) Rows() int    { return p.rows }
func (p *Packed[T]) Columns() int { return p.cols }

// First returns the form of the first rows and columns of the matrix that p is the form of, in p's
// memory. There is none, and ok is false, if these are fewer rows of several blocks of K.
func (p *Packed[T]) First(rows, cols int) (first Packed[T], ok bool) {
	first = *p
	first.rows, first.cols = rows, cols
	return first, rows == p.k || p.k <= p.Table.KC
}

// Whole reports whether p is more than the first rows and columns of another form.
func (p *Packed[T]) Whole() bool { return p.rows == p.k && p.cols == p.n }

// Bytes returns the size of the packed data.
func (p *Packed[T]) Bytes() int { return Size[T]() * p.Size }

// Filled reports whether p has been packed, or needs no packing as it has no elements.
func (p *Packed[T]) Filled() bool { return len(p.Data) >= p.Size }

// Fits reports whether p is in the form that the table's kernels read: that of its own table, or of
// another for the same arithmetic.
func (p *Packed[T]) Fits(t *Table[T]) bool {
	return p.Table.NR == t.NR && p.Table.KC == t.KC && p.Table.OfPairs == t.OfPairs
}

// Pack fills p from b, which is k x n, on a team of workers. The first call allocates p's memory.
func (p *Packed[T]) Pack(team *parallel.Team, b View[T]) {
	if p.Size == 0 {
		return
	}
	p.Data = Grow(p.Data[:cap(p.Data)], p.Size)
	p.src = b
	team.Run(num.CeilDiv(PanelCount(p.Table, p.n), panelsPerTask), p)
	p.src = View[T]{}
}

// panelsPerTask is how many panels are packed together.
const panelsPerTask = 8

// Do packs some panels, of all of K.
func (p *Packed[T]) Do(task, _ int) {
	t := p.Table
	j := task * panelsPerTask * t.NR
	n := min(panelsPerTask*t.NR, p.n-j)
	steps := KBlocks(t, p.k)
	for s := range steps {
		l0, l1 := parallel.Cut(p.k, 1, steps, s)
		size := (l1 - l0) * t.NR
		at := l0*PanelCount(t, p.n)*t.NR + j/t.NR*size
		PackPanels(t, p.src.From(l0, j), l1-l0, n, p.Data[at:], size)
	}
}

// panels returns the panels of the K block of k rows from l0, beginning with
// that of column j.
func (p *Packed[T]) panels(l0, k, j int) View[T] {
	nr := p.Table.NR
	if p.rows < p.k { // the first rows of the one block
		k = p.k
	}
	return View[T]{&p.Data[l0*PanelCount(p.Table, p.n)*nr+j/nr*k*nr], k * nr, 1}
}
