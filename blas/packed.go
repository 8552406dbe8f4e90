package blas

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// PackedB is a matrix B in the form that the kernels read fastest, for products with many matrices
// A. It is bound to the instruction set that was active when it was made. Any number of products
// may read it at once.
type PackedB[T Float] struct {
	matrix    gemm.Packed[T]
	precision Precision
	rows      int // of the matrix, which the form has in pairs if it is rounded
}

// NewPackedB returns a PackedB for matrices of k rows and n columns, to be filled by Pack before
// the first product: it takes its memory then.
func NewPackedB[T Float](k, n int) *PackedB[T] {
	p := &PackedB[T]{}
	p.Reset(k, n)
	return p
}

// NewRoundedB is NewPackedB for products in BFloat16. Pack rounds the matrix.
func NewRoundedB(k, n int) *PackedB[float32] {
	p := &PackedB[float32]{precision: BFloat16}
	p.Reset(k, n)
	return p
}

// Reset makes p the form of matrices of k rows and n columns, to be filled by Pack again. It keeps
// p's memory for them, and binds p to the instruction set that is active now.
func (p *PackedB[T]) Reset(k, n int) {
	if k < 0 || n < 0 {
		panic(fmt.Sprintf("blas: the packed form of %d x %d", k, n))
	}
	memory := p.matrix.Data
	p.rows = k
	if !p.matrix.Init(p.table(), p.formRows(k), n) {
		panic(fmt.Sprintf("blas: the packed form of %d x %d is larger than memory can be", k, n))
	}
	p.matrix.Data = memory[:0]
}

// table is the active table whose kernels read p.
func (p *PackedB[T]) table() *gemm.Table[T] {
	if p.precision == BFloat16 {
		return any(gemm.Pairs()).(*gemm.Table[T])
	}
	return gemm.Active[T]()
}

// formRows is how many rows the form has of k rows of the matrix.
func (p *PackedB[T]) formRows(k int) int {
	if p.precision == BFloat16 {
		return pairedRows(k)
	}
	return k
}

// First returns the packed form of the first k rows and n columns of the matrix that p is filled
// with. It shares p's memory, and can't be filled itself. Where rows are summed in several blocks
// there is none of fewer rows, and ok is false; so it is for an odd number of fewer rounded rows.
func (p *PackedB[T]) First(k, n int) (first PackedB[T], ok bool) {
	if rows, cols := p.rows, p.matrix.Columns(); k < 0 || n < 0 || k > rows || n > cols {
		panic(fmt.Sprintf("blas: the first %d x %d of a packed form of %d x %d", k, n, rows, cols))
	}
	if p.precision == BFloat16 && k%2 != 0 && k != p.rows {
		return PackedB[T]{}, false // the last pair has a row too many
	}
	first.precision, first.rows = p.precision, k
	first.matrix, ok = p.matrix.First(p.formRows(k), n)
	return first, ok
}

// Bytes returns the size of the packed data.
func (p *PackedB[T]) Bytes() int { return p.matrix.Bytes() }

// Pack fills p from b, whose size must be p's, on a team of workers.
func (p *PackedB[T]) Pack(team *parallel.Team, b Mat[T]) {
	b.check("B", 0)
	if !p.matrix.Whole() {
		panic("blas: B is packed into a form that is the beginning of another")
	}
	if k, n := p.rows, p.matrix.Columns(); b.Rows != k || b.Cols != n {
		panic(fmt.Sprintf("blas: B is %d x %d, packed into the form of %d x %d", b.Rows, b.Cols, k, n))
	}
	if p, ok := any(p).(*PackedB[float32]); ok && p.precision == BFloat16 && b.Rows > 0 && b.Cols > 0 {
		r := roundedPool.Get()
		p.matrix.Pack(team, r.roundB(team, as32(&b)))
		roundedPool.Put(r)
		return
	}
	p.matrix.Pack(team, b.view())
}

// check panics if p isn't the packed form of b, or of every B of a batch.
func (p *PackedB[T]) check(b *Mat[T], batch Batch, precision Precision) {
	k, n := p.rows, p.matrix.Columns()
	switch {
	case b.Rows != k || b.Cols != n:
		panic(fmt.Sprintf("blas: B is %d x %d, but its packed form %d x %d", b.Rows, b.Cols, k, n))
	case p.precision != precision:
		panic(fmt.Sprintf("blas: a product in %v, and B was packed in %v", precision, p.precision))
	case !p.matrix.Fits(p.table()):
		panic("blas: B was packed under another instruction set")
	case !p.matrix.Filled():
		panic(fmt.Sprintf("blas: the packed form of B, %d x %d, was never filled by Pack", k, n))
	case batch.B != 0:
		panic(fmt.Sprintf("blas: a packed B is one for the batch, but has stride %d", batch.B))
	}
}
