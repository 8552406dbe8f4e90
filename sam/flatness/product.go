package flatness

import (
	"context"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/simd"
)

// product sets hv to the product of the Hessian and v, a vector of norm 1, and returns its norm. It
// is the central difference
//
//	H v = (grad L(w + h v) - grad L(w - h v)) / 2h
//
// within the pieces in which ReLUs and the like are at w. There the loss is smooth; with kinks
// between the two points, the difference would be wrong at any step, since each kink is a jump of
// the gradient. It takes two passes, and a forward pass for the pieces.
//
// norm is what to expect of that of H v; if it turns out far larger, so that the step was too long,
// the product is taken again.
func (s *Surface) product(ctx context.Context, v, hv []float32, norm float64) (float64, error) {
	if err := s.prepareProducts(); err != nil {
		return 0, err
	}
	for tries := 3; ; tries-- {
		h := s.step(norm)
		if err := s.difference(ctx, h, v, hv); err != nil {
			return 0, err
		}
		norm = math.Sqrt(simd.SumSquares(hv))
		if tries == 1 || h <= 2*s.step(norm) {
			return norm, nil
		}
		s.progress.Most += 2
	}
}

// The step of a difference balances two errors. Rounding makes one of 1/h: of a part 1e-4 of H v at
// shortStep in directions of large curvature, and at longStep in random ones. The loss's higher
// derivatives make one of h^2: on networks that classify, some h^2 |H v| to 20 h^2 |H v|, as a part
// of H v. rise bounds that product, which is the rise of the loss where v is an eigenvector.
const (
	longStep  = 1e-3 // relative to the norm of the parameters
	shortStep = 2e-5
	rise      = 2e-5
)

// step returns the step of a difference along a vector of norm 1 whose product with the Hessian is
// expected to have that norm.
func (s *Surface) step(norm float64) float64 {
	unit := math.Sqrt(simd.SumSquares(s.params.Values))
	if unit == 0 {
		unit = 1
	}
	return max(shortStep*unit, min(longStep*unit, math.Sqrt(rise/norm)))
}

// difference sets hv to the central difference of step h.
func (s *Surface) difference(ctx context.Context, h float64, v, hv []float32) error {
	w := s.params.Values
	simd.AxpyTo(s.up, float32(h), v, w)
	simd.AxpyTo(s.down, -float32(h), v, w)
	if _, err := s.evaluate(ctx, s.near, true, point{s.up, s.params.State}, point{s.down, s.params.State}); err != nil {
		return err
	}
	for i, d := range s.near.sum {
		hv[i] = float32(d / (2 * h))
	}
	if !num.Finite(simd.SumSquares(hv)) {
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
