package op

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// elementwise is a team's job: an element-by-element operation on slices of one length, cut into
// pieces.
type elementwise struct {
	f         func(dst, x, y []float32)
	dst, x, y []float32
}

var elementwises parallel.Pool[elementwise]

// pieceFloats is the length of a piece. A piece takes some microseconds, which is longer than
// handing it to a worker.
const pieceFloats = 1 << 14

// Elementwise calls f on pieces of dst, x and y, shared among the workers of a team. f sets dst
// from x and y, element by element. The slices have one length, or y is nil and stays nil for f.
// Elementwise allocates nothing if f isn't a closure.
func Elementwise(team *blas.Team, f func(dst, x, y []float32), dst, x, y []float32) {
	e := elementwises.Get()
	e.f, e.dst, e.x, e.y = f, dst, x, y
	team.Run(num.CeilDiv(len(dst), pieceFloats), e)
	*e = elementwise{}
	elementwises.Put(e)
}

// Do calls f on one piece.
func (e *elementwise) Do(piece, _ int) {
	from := piece * pieceFloats
	end := min(from+pieceFloats, len(e.dst))
	var y []float32
	if e.y != nil {
		y = e.y[from:end]
	}
	e.f(e.dst[from:end], e.x[from:end], y)
}
