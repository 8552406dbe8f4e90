package op

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// elementwise is a team's job: an operation on slices of one length, cut into
// pieces. No element depends on another.
type elementwise struct {
	f         func(dst, x, y []float32)
	dst, x, y []float32
}

var elementwises parallel.Pool[elementwise]

// pieceFloats is the length of a piece. It takes some microseconds, which is longer
// than handing it to a worker.
const pieceFloats = 1 << 14

// Elementwise runs f on dst, x and y piece by piece, shared among the workers of a
// team. The slices have one length; y may be nil. It allocates nothing if f isn't a
// closure.
func Elementwise(team *blas.Team, f func(dst, x, y []float32), dst, x, y []float32) {
	e := elementwises.Get()
	e.f, e.dst, e.x, e.y = f, dst, x, y
	team.Run(num.CeilDiv(len(dst), pieceFloats), e)
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
