package flatness

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/simd"
)

// Direction is a direction in which the parameters move along a line, or along an axis of a plane.
type Direction struct {
	Name   string    // what it is, for results
	Values []float32 // a step of 1, laid out as params.Values
	State  []float32 // of the running state, laid out as params.State; nil leaves it
}

// Random returns a random direction that is normalized filter by filter (Li et al., arXiv
// 1712.09913): each filter's part is normal, scaled to the norm of the filter itself, so that a step
// of 1 is as large as the parameters. A filter is the weights that make one output: of a Conv2D, of
// one channel; of a Dense, a column of its [In, Out] weights. In an Embedding it is a row of its
// tables. Biases and the parameters of normalizations stay: their part is 0.
//
// Another index has another direction. It is independent of how many there are.
func (s *Surface) Random(index int) Direction {
	r := rand.New(rand.NewPCG(s.config.Seed, streamDirection+uint64(index)<<32))
	d := make([]float32, s.model.NumParams())
	for _, f := range filters(s.model) {
		f.draw(r, d, s.params.Values)
	}
	return Direction{Name: fmt.Sprintf("random %d, normalized by filter", index), Values: d}
}

// To returns the direction from the parameters of the Surface to others: after a step of 1 all
// parameters are those, biases and normalizations too, and the running state is that of the others.
// Parameters that don't have the model's lengths, or aren't finite, are an error.
func (s *Surface) To(name string, other *net.Params) (Direction, error) {
	if err := validateParams(s.model, other); err != nil {
		return Direction{}, fmt.Errorf("flatness: direction to %s: %w", name, err)
	}
	d := Direction{Name: "to " + name, Values: slices.Clone(other.Values), State: slices.Clone(other.State)}
	simd.Axpy(-1, s.params.Values, d.Values)
	simd.Axpy(-1, s.params.State, d.State)
	return d, nil
}

// Orthogonal returns d less its part along other, so that the two span a plane without distortion.
// Its running state moves along.
func (d Direction) Orthogonal(other Direction) Direction {
	square := simd.SumSquares(other.Values)
	if square == 0 {
		return d
	}
	c := float32(-simd.Dot64(d.Values, other.Values) / square)
	d.Values = slices.Clone(d.Values)
	simd.Axpy(c, other.Values, d.Values)
	if d.State != nil && other.State != nil {
		d.State = slices.Clone(d.State)
		simd.Axpy(c, other.State, d.State)
	}
	d.Name += ", orthogonal to the first"
	return d
}

// Norm returns the length of a step of 1.
func (d Direction) Norm() float64 { return math.Sqrt(simd.SumSquares(d.Values)) }

// validate returns an error unless d fits the model.
func (s *Surface) validateDirection(d Direction) error {
	switch {
	case len(d.Values) != s.model.NumParams():
		return fmt.Errorf("direction %q has %d elements, the model has %d parameters", d.Name, len(d.Values), s.model.NumParams())
	case d.State != nil && len(d.State) != s.model.NumState():
		return fmt.Errorf("direction %q has %d elements of running state, the model has %d", d.Name, len(d.State), s.model.NumState())
	case !num.Finite(simd.SumSquares(d.Values)) || !num.Finite(simd.SumSquares(d.State)):
		return fmt.Errorf("direction %q isn't finite", d.Name)
	}
	return nil
}

// filter is the weights that a random direction has the norm of: elements at a stride.
type filter struct{ first, stride, n int }

// filters lists the filters of a model. The parameters that aren't weights are in none.
func filters(model *net.Model) (list []filter) {
	for _, o := range model.Program().Ops() {
		at := o.Offset
		if o.Params == 0 {
			continue
		}
		for _, p := range o.Traits.Params {
			size := p.Shape.Size()
			if width := p.Shape[len(p.Shape)-1]; p.Role != net.Weight {
			} else if o.Traits.Vocabulary > 0 {
				for row := range size / width {
					list = append(list, filter{at + row*width, 1, width})
				}
			} else {
				for column := range width {
					list = append(list, filter{at + column, width, size / width})
				}
			}
			at += size
		}
	}
	return list
}

// draw sets f's part of d to a random vector of the norm of f's part of w.
func (f filter) draw(r *rand.Rand, d, w []float32) {
	var norm, square float64
	for i := range f.n {
		z, at := r.NormFloat64(), f.first+i*f.stride
		d[at] = float32(z)
		square += float64(z * z)
		norm += float64(float64(w[at]) * float64(w[at]))
	}
	scale := 0.0
	if square > 0 {
		scale = math.Sqrt(norm / square)
	}
	for i := range f.n {
		at := f.first + i*f.stride
		d[at] = float32(scale * float64(d[at]))
	}
}
