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
	a, c    float32
	eta     float32
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
	vectorDot
	vectorBlend
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
	return v.sum(v.run(team, len(g)))
}

// sum adds up the chunks' sums.
func (v *vectors) sum(chunks int) (sum float64) {
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

// dot returns the product of x and y over the regions that aren't zero.
func (v *vectors) dot(team *blas.Team, regions []region, x, y []float32) float64 {
	v.kind, v.regions, v.x, v.y = vectorDot, regions, x, y
	return v.sum(v.run(team, len(x)))
}

// blend sets dst to a*dst + c*x in the regions that aren't zero; nil is all of it. With a = 0 it
// doesn't read dst.
func (v *vectors) blend(team *blas.Team, regions []region, dst []float32, a, c float32, x []float32) {
	v.kind, v.regions, v.dst, v.a, v.c, v.x = vectorBlend, regions, dst, a, c, x
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
	sum, regions := 0.0, v.regions
	if regions == nil {
		whole := [1]region{{num.Range(0, len(v.x)), one}}
		regions = whole[:]
	}
	for _, r := range regions {
		s := r.of(c*chunk, (c+1)*chunk)
		switch {
		case s.Len() <= 0:
		case v.kind == vectorSquares:
			sum += r.scaling.squares(v.eta, s.Of(v.x), s.Of(v.y))
		case v.kind == vectorClimb:
			r.scaling.climb(s.Of(v.dst), v.c, v.eta, s.Of(v.x), s.Of(v.y))
		case r.scaling == zero:
		case v.kind == vectorDot:
			sum += simd.Dot64(s.Of(v.x), s.Of(v.y))
		default:
			blend(s.Of(v.dst), v.a, v.c, s.Of(v.x))
		}
	}
	v.partial[c] = sum
}

// blend sets dst to a*dst + c*x. With a = 0 it doesn't read dst.
func blend(dst []float32, a, c float32, x []float32) {
	if a == 0 {
		copy(dst, x)
		if c != 1 {
			simd.Scale(c, dst)
		}
		return
	}
	if a != 1 {
		simd.Scale(a, dst)
	}
	simd.Axpy(c, x, dst)
}
