package flatness

import (
	"context"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/simd"
)

// relativeStep is the step of a central difference, by the norm of the parameters.
var relativeStep = 1e-3

// product sets hv to the product of the Hessian and v, a vector of norm 1: the central difference
//
//	H v = (grad L(w + h v) - grad L(w - h v)) / 2h
//
// which takes two passes.
func (s *Surface) product(ctx context.Context, v, hv []float32) error {
	h := s.step()
	w := s.params.Values
	simd.AxpyTo(s.up, float32(h), v, w)
	simd.AxpyTo(s.down, -float32(h), v, w)
	if err := s.prepareProducts(); err != nil {
		return err
	}
	if _, err := s.evaluate(ctx, s.near, true, point{s.up, s.params.State}, point{s.down, s.params.State}); err != nil {
		return err
	}
	for i, d := range s.near.sum {
		hv[i] = float32(d / (2 * h))
	}
	if norm := simd.SumSquares(hv); !finite(norm) {
		return fmt.Errorf("the gradient isn't finite at a distance of %.3g from the parameters", h)
	}
	return nil
}

// prepareProducts makes the evaluation for products, unless there is one.
func (s *Surface) prepareProducts() error {
	if s.near != nil {
		return nil
	}
	p, err := s.model.Program().Unfused()
	if err != nil {
		return err
	}
	s.near = newEvaluation(p, s.batches, s.config.Workers, s.about.Mode, 1/s.terms, &point{s.params.Values, s.params.State})
	return nil
}

// step returns the step of central differences along vectors of norm 1.
func (s *Surface) step() float64 {
	norm := math.Sqrt(simd.SumSquares(s.params.Values))
	if norm == 0 {
		norm = 1
	}
	return relativeStep * norm
}
