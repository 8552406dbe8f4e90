package net

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/simd"
)

// elementwise is an operation on slices of one length, shared out among workers in
// pieces. No element depends on another.
type elementwise struct {
	f         func(dst, x, y []float32)
	dst, x, y []float32
}

var elementwises parallel.Pool[elementwise]

// pieceFloats is a piece: some microseconds of work, more than handing it out takes.
const pieceFloats = 1 << 14

// share runs f, which must be no closure for this to allocate nothing, on dst, x and
// y; y may be nil.
func share(team *blas.Team, f func(dst, x, y []float32), dst, x, y []float32) {
	e := elementwises.Get()
	e.f, e.dst, e.x, e.y = f, dst, x, y
	team.Run((len(dst)+pieceFloats-1)/pieceFloats, e)
	*e = elementwise{}
	elementwises.Put(e)
}

// Do runs one piece.
func (e *elementwise) Do(piece, _ int) {
	from := piece * pieceFloats
	end := min(from+pieceFloats, len(e.dst))
	var y []float32
	if e.y != nil {
		y = e.y[from:end]
	}
	e.f(e.dst[from:end], e.x[from:end], y)
}

func addTo(dst, x, _ []float32) { simd.Add(dst, dst, x) }

func copyTo(dst, x, _ []float32) { copy(dst, x) }
