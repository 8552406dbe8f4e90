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
	c       float32
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
	kindAxpyTo
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

// axpyTo sets dst to y + c*x.
func (v *vectors) axpyTo(team *blas.Team, dst []float32, c float32, x, y []float32) {
	v.kind, v.dst, v.c, v.x, v.y = kindAxpyTo, dst, c, x, y
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
	case kindAxpyTo:
		simd.AxpyTo(part(v.dst), v.c, part(v.x), part(v.y))
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
