package flatness

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/simd"
)

// Ball says in which neighborhood of the parameters sharpness is measured, and how well.
//
// The neighborhood is of perturbations eps = T u with a norm of u of at most Rho. T is 1 for all
// parameters; if Adaptive, it is |w| + Eta for weights, and 1 for biases and the parameters of
// normalizations (Kwon et al., arXiv 2102.11600), as in sam.Ascent.
type Ball struct {
	Rho      float64 // radius, positive
	Adaptive bool
	Eta      float64 // of Adaptive; 0 is 0.01

	Steps    int  // of the ascent, from each start; 0 is 8
	Starts   int  // of the ascent: the parameters themselves, then random points of the sphere; 0 is 3
	Draws    int  // random perturbations of the average, half of them the others' opposites: an even number; 0 is 20
	Gaussian bool // they are normal, with Rho^2 the mean of their squared norm; otherwise of norm Rho
}

// resolved is b with its defaults filled in.
func (b Ball) resolved() Ball {
	if b.Adaptive {
		b.Eta = cmp.Or(b.Eta, 0.01)
	}
	b.Steps, b.Starts, b.Draws = cmp.Or(b.Steps, 8), cmp.Or(b.Starts, 3), cmp.Or(b.Draws, 20)
	return b
}

func (b Ball) validate() error {
	switch {
	case !num.Positive(b.Rho):
		return fmt.Errorf("Rho is %v, want a positive float32", b.Rho)
	case b.Eta != 0 && !num.Positive(b.Eta):
		return fmt.Errorf("Eta is %v, want a positive float32", b.Eta)
	case b.Eta != 0 && !b.Adaptive:
		return fmt.Errorf("Eta is %v without Adaptive", b.Eta)
	case b.Steps < 0:
		return fmt.Errorf("Steps is %d, want at least 1, or 0 for the default", b.Steps)
	case b.Starts < 0:
		return fmt.Errorf("Starts is %d, want at least 1, or 0 for the default", b.Starts)
	case b.Draws < 0 || b.Draws%2 != 0 || b.Draws == 2:
		return fmt.Errorf("Draws is %d, want an even number from 4 on, or 0 for the default", b.Draws)
	}
	return nil
}

// Sharpness is how much the loss rises in a ball around the parameters.
type Sharpness struct {
	About
	Rho      float64 `json:"rho"`
	Adaptive bool    `json:"adaptive"`
	Eta      float64 `json:"eta,omitempty"` // of Adaptive

	// Worst is the largest rise of the loss that was found in the ball: a lower bound of the true
	// one. Ascents are the largest rises from each start: if they are alike, the bound is likely
	// good. FirstStep is the rise at SAM's perturbation, one step along the gradient.
	Worst     float64   `json:"worst"`
	Ascents   []float64 `json:"ascents"`
	FirstStep float64   `json:"first_step"`
	Steps     int       `json:"steps"` // of each ascent

	// Average is the mean rise over random perturbations.
	Average       float64 `json:"average"`
	StandardError float64 `json:"standard_error"` // of Average
	Draws         int     `json:"draws"`
	Distribution  string  `json:"distribution"` // of perturbations: "sphere" or "gaussian"
}

// Sharpness measures how much the loss rises in a ball: at worst and on average. Each step of an
// ascent goes to the point of the sphere that would have the largest loss if the loss were linear,
//
//	u = rho * T g / ||T g||
//
// with the gradient g at the point before. A convex loss can't fall by that; where the loss falls
// nevertheless, the step is halved. The ascents take a pass for each step, and the average takes
// one without the backward pass for each draw. A Rho that isn't positive is an error.
func (s *Surface) Sharpness(ctx context.Context, b Ball) (Sharpness, error) {
	found, err := s.sharpness(ctx, b)
	return found, wrap("sharpness", err)
}

func (s *Surface) sharpness(ctx context.Context, b Ball) (found Sharpness, err error) {
	if err := b.validate(); err != nil {
		return found, err
	}
	b = b.resolved()
	if err := s.begin(ctx, "sharpness", b.Starts*(b.Steps+1)-1+b.Draws); err != nil {
		return found, err
	}
	found = Sharpness{Rho: b.Rho, Adaptive: b.Adaptive, Eta: b.Eta, Steps: b.Steps, Draws: b.Draws, Distribution: "sphere"}
	if b.Gaussian {
		found.Distribution = "gaussian"
	}
	found.About = s.about
	a := s.newAscent(b)
	r := rand.New(rand.NewPCG(s.config.Seed, streamWorst))
	for start := range b.Starts {
		rises, err := a.climb(ctx, start, r)
		if err != nil {
			return Sharpness{}, err
		}
		best := 0.0
		for _, rise := range rises {
			best = max(best, rise)
		}
		found.Ascents = append(found.Ascents, best)
		found.Worst = max(found.Worst, best)
		if start == 0 {
			found.FirstStep = rises[0]
		}
	}
	rises, err := a.averages(ctx, rand.New(rand.NewPCG(s.config.Seed, streamAverage)))
	if err != nil {
		return Sharpness{}, err
	}
	found.Average, found.StandardError = meanAndError(rises)
	return found, nil
}

// ascent measures the loss in a ball.
type ascent struct {
	surface *Surface
	ball    Ball
	t       []float32 // T by parameter; nil if it is 1
	u, last []float32 // the perturbation is T u
	w       []float32 // the parameters with it
}

func (s *Surface) newAscent(b Ball) *ascent {
	n := s.model.NumParams()
	a := &ascent{surface: s, ball: b, u: make([]float32, n), last: make([]float32, n), w: make([]float32, n)}
	if b.Adaptive {
		a.t = make([]float32, n)
		for i := range a.t {
			a.t[i] = 1
		}
		for _, v := range s.model.Params() {
			if v.Role == net.Weight {
				t := v.Of(a.t)
				for i, w := range v.Of(s.params.Values) {
					t[i] = float32(math.Abs(float64(w)) + b.Eta)
				}
			}
		}
	}
	return a
}

// rise returns how much the loss is above that at the parameters, at w.
func (a *ascent) rise(loss float64) (float64, error) {
	if !num.Finite(loss) {
		return 0, fmt.Errorf("the loss is %v at a distance of %v from the parameters, want a finite one: take a smaller Rho", loss, a.ball.Rho)
	}
	return loss - a.surface.about.Loss, nil
}

// climb returns the rises of the loss step by step, from the parameters or from a random start.
func (a *ascent) climb(ctx context.Context, start int, r *rand.Rand) (rises []float64, err error) {
	s := a.surface
	clear(a.last)
	if start == 0 {
		if !a.toward(s.gradient) {
			a.random(r, false) // there is no direction to begin with
		}
	} else {
		a.random(r, false)
	}
	held := math.Inf(-1) // the rise at a.last
	for len(rises) < a.ball.Steps {
		a.move(1)
		loss, err := s.gradientAt(ctx, a.w)
		if err != nil {
			return nil, err
		}
		rise, err := a.rise(loss)
		if err != nil {
			return nil, err
		}
		rises = append(rises, rise)
		if rise < held {
			a.halve()
			continue
		}
		held = rise
		copy(a.last, a.u)
		switch g := s.eval.sum32(); {
		case !num.Finite(simd.SumSquares(g)):
			return nil, fmt.Errorf("the gradient isn't finite at a distance of %v from the parameters: take a smaller Rho", a.ball.Rho)
		case !a.toward(g):
			return rises, nil // there is no direction to go on in
		}
	}
	return rises, nil
}

// toward sets u to the point of the sphere in the direction of T g. It returns false if that is 0.
func (a *ascent) toward(g []float32) bool {
	copy(a.u, g)
	if a.t != nil {
		simd.Mul(a.u, a.t, g)
	}
	return a.normalize()
}

// normalize scales u to norm rho. It returns false if u is 0.
func (a *ascent) normalize() bool {
	norm := math.Sqrt(simd.SumSquares(a.u))
	if norm == 0 {
		return false
	}
	scaleTo(a.u, a.ball.Rho/norm, a.u)
	return true
}

// halve takes u back to the middle of the way from the last point, on the sphere.
func (a *ascent) halve() {
	simd.Add(a.u, a.u, a.last)
	a.normalize()
}

// random sets u to a random point of the sphere, or of the normal distribution.
func (a *ascent) random(r *rand.Rand, gaussian bool) {
	scale := a.ball.Rho / math.Sqrt(float64(len(a.u)))
	for i := range a.u {
		a.u[i] = float32(scale * r.NormFloat64())
	}
	if !gaussian {
		a.normalize()
	}
}

// move sets w to the parameters with the perturbation c T u.
func (a *ascent) move(c float32) {
	u := a.u
	if a.t != nil {
		simd.Mul(a.w, a.t, u)
		u = a.w
	}
	simd.AxpyTo(a.w, c, u, a.surface.params.Values)
}

// averages returns the mean rises at random perturbations and their opposites.
func (a *ascent) averages(ctx context.Context, r *rand.Rand) (rises []float64, err error) {
	for range a.ball.Draws / 2 {
		a.random(r, a.ball.Gaussian)
		sum := 0.0
		for _, sign := range []float32{1, -1} {
			a.move(sign)
			loss, err := a.surface.lossAt(ctx, a.w, nil)
			if err != nil {
				return nil, err
			}
			rise, err := a.rise(loss)
			if err != nil {
				return nil, err
			}
			sum += rise
		}
		rises = append(rises, sum/2)
	}
	return rises, nil
}
