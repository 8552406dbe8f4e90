package sam

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/simd"
)

// vectors computes on vectors of parameters in chunks of a fixed size, which a team
// shares. Sums are of the chunks' sums in order, so they don't depend on the team.
type vectors struct {
	kind    vectorKind
	c, eta  float32
	regions []region
	dst     []float32
	x, y    []float32
	partial []float64 // by chunk
}

type vectorKind uint8

const (
	vectorAdd vectorKind = iota
	vectorSquares
	vectorClimb
)

// chunk is the floats of a chunk: 64 KiB of each vector, which takes longer than
// handing it to a worker.
const chunk = 16 << 10

// newVectors returns vectors for up to n elements.
func newVectors(n int) vectors { return vectors{partial: make([]float64, num.CeilDiv(n, chunk))} }

// add adds x to dst.
func (v *vectors) add(team *blas.Team, dst, x []float32) {
	v.kind, v.dst, v.x = vectorAdd, dst, x
	v.run(team, len(dst))
}

// squares returns ||T g||^2 for parameters w.
func (v *vectors) squares(team *blas.Team, regions []region, eta float32, g, w []float32) (sum float64) {
	v.kind, v.regions, v.eta, v.x, v.y = vectorSquares, regions, eta, g, w
	chunks := v.run(team, len(g))
	for _, p := range v.partial[:chunks] {
		sum += p
	}
	return sum
}

// climb sets dst to w + c*T^2*g.
func (v *vectors) climb(team *blas.Team, regions []region, dst []float32, c, eta float32, g, w []float32) {
	v.kind, v.regions, v.eta, v.dst, v.c, v.x, v.y = vectorClimb, regions, eta, dst, c, g, w
	v.run(team, len(dst))
}

func (v *vectors) run(team *blas.Team, n int) (chunks int) {
	chunks = num.CeilDiv(n, chunk)
	team.Run(chunks, v)
	return chunks
}

// Do works on one chunk.
func (v *vectors) Do(c, _ int) {
	if v.kind == vectorAdd {
		from, to := c*chunk, min(len(v.dst), (c+1)*chunk)
		simd.Add(v.dst[from:to], v.dst[from:to], v.x[from:to])
		return
	}
	sum := 0.0
	for _, r := range v.regions {
		s := r.of(c*chunk, (c+1)*chunk)
		switch {
		case s.Len() <= 0:
		case v.kind == vectorSquares:
			sum += r.scaling.squares(v.eta, s.Of(v.x), s.Of(v.y))
		default:
			r.scaling.climb(s.Of(v.dst), v.c, v.eta, s.Of(v.x), s.Of(v.y))
		}
	}
	v.partial[c] = sum
}
