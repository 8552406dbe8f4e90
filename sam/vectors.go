package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/simd"
)

// vectors computes on vectors of parameters in chunks of a fixed size, which a
// team shares. Sums are of the chunks' sums in order, so they don't depend on
// the team.
type vectors struct {
	kind    vectorKind
	c, eta  float32
	regions []region
	dst     []float32
	x, y    []float32
	base    Base
	at      moment
	slots   [][]float32
	parts   [][][]float32 // by chunk: its part of each slot
	partial []float64     // by chunk
}

type vectorKind uint8

const (
	kindSumSquares vectorKind = iota
	kindAdd
	kindAscentSquares
	kindClimb
	kindUpdate
)

// chunk is the floats of a chunk: 64 KiB of each vector, which takes longer
// than handing it to a worker.
const chunk = 16 << 10

// newVectors returns vectors for up to n elements.
func newVectors(n int) vectors { return vectors{partial: make([]float64, ceilDiv(n, chunk))} }

// sumSquares returns the sum of the squares of x.
func (v *vectors) sumSquares(team *blas.Team, x []float32) (sum float64) {
	v.kind, v.x = kindSumSquares, x
	chunks := v.run(team, len(x))
	for _, p := range v.partial[:chunks] {
		sum += p
	}
	return sum
}

// add adds x to dst.
func (v *vectors) add(team *blas.Team, dst, x []float32) {
	v.kind, v.dst, v.x = kindAdd, dst, x
	v.run(team, len(dst))
}

// ascentSquares returns ||T g||^2 for parameters w.
func (v *vectors) ascentSquares(team *blas.Team, regions []region, eta float32, g, w []float32) (sum float64) {
	v.kind, v.regions, v.eta, v.x, v.y = kindAscentSquares, regions, eta, g, w
	chunks := v.run(team, len(g))
	for _, p := range v.partial[:chunks] {
		sum += p
	}
	return sum
}

// climb sets dst to w + c*T^2*g.
func (v *vectors) climb(team *blas.Team, regions []region, dst []float32, c, eta float32, g, w []float32) {
	v.kind, v.regions, v.eta, v.dst, v.c, v.x, v.y = kindClimb, regions, eta, dst, c, g, w
	v.run(team, len(dst))
}

// update applies the gradient g to w.
func (v *vectors) update(team *blas.Team, base Base, at moment, w, g []float32, slots [][]float32) {
	v.kind, v.base, v.at, v.dst, v.x, v.slots = kindUpdate, base, at, w, g, slots
	for len(v.parts) < ceilDiv(len(w), chunk) {
		v.parts = append(v.parts, make([][]float32, len(slots)))
	}
	v.run(team, len(w))
}

func (v *vectors) run(team *blas.Team, n int) (chunks int) {
	chunks = ceilDiv(n, chunk)
	team.Run(chunks, v)
	return chunks
}

// Do works on one chunk.
func (v *vectors) Do(c, _ int) {
	part := func(s []float32) []float32 { return s[c*chunk : min(len(s), (c+1)*chunk)] }
	switch v.kind {
	case kindSumSquares:
		v.partial[c] = simd.SumSquares(part(v.x))
	case kindAdd:
		simd.Add(part(v.dst), part(v.dst), part(v.x))
	case kindAscentSquares:
		v.partial[c] = 0
		for _, r := range v.regions {
			if s := r.of(c*chunk, (c+1)*chunk); s.len() > 0 {
				v.partial[c] += r.scaling.squares(v.eta, v.x[s.from:s.to], v.y[s.from:s.to])
			}
		}
	case kindClimb:
		for _, r := range v.regions {
			if s := r.of(c*chunk, (c+1)*chunk); s.len() > 0 {
				r.scaling.climb(v.dst[s.from:s.to], v.c, v.eta, v.x[s.from:s.to], v.y[s.from:s.to])
			}
		}
	case kindUpdate:
		for i, s := range v.slots {
			v.parts[c][i] = part(s)
		}
		v.base.update(v.at, part(v.dst), part(v.x), v.parts[c])
	}
}

// tryUpdate returns the index of an element, or of one in its chunk, that an
// update would leave not finite, and -1 if there is none. It changes nothing.
func (v *vectors) tryUpdate(base Base, at moment, w, g []float32, slots [][]float32) int {
	for from := 0; from < len(w); from += chunk {
		to := min(len(w), from+chunk)
		trial := slices.Clone(w[from:to])
		states := make([][]float32, len(slots))
		for i, s := range slots {
			states[i] = slices.Clone(s[from:to])
		}
		base.update(at, trial, g[from:to], states)
		for _, x := range append(states, trial) {
			if !finite(simd.SumSquares(x)) {
				return from + firstNonFinite(x)
			}
		}
	}
	return -1
}
