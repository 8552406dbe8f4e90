package flatness

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/simd"
)

// Trace is the sum of the Hessian's eigenvalues.
type Trace struct {
	About
	Mean          float64 `json:"mean"`           // the estimate
	StandardError float64 `json:"standard_error"` // of Mean
	Probes        int     `json:"probes"`         // random vectors that it is a mean over
}

// Trace estimates the trace of the Hessian by Hutchinson's method: the mean of v^T H v over vectors
// v whose elements are 1 or -1 with equal probability. It takes two passes for each of so many
// probes. Fewer than 2 are an error, since they have no standard error.
func (s *Surface) Trace(ctx context.Context, probes int) (Trace, error) {
	found, err := s.trace(ctx, probes)
	return found, wrap("trace", err)
}

func (s *Surface) trace(ctx context.Context, probes int) (found Trace, err error) {
	if probes < 2 {
		return found, fmt.Errorf("%d probes, want at least 2", probes)
	}
	if err := s.begin(ctx, "trace", 2*probes); err != nil {
		return found, err
	}
	r := rand.New(rand.NewPCG(s.config.Seed, streamTrace))
	n := s.model.NumParams()
	v, hv := make([]float32, n), make([]float32, n)
	estimates := make([]float64, probes)
	norm := 0.0
	for i := range estimates {
		signs(r, v)
		if norm, err = s.product(ctx, v, hv, norm); err != nil {
			return found, err
		}
		estimates[i] = float64(n) * simd.Dot64(v, hv)
	}
	found = Trace{About: s.about, Probes: probes}
	found.Mean, found.StandardError = meanAndError(estimates)
	return found, nil
}

// signs sets v to a random vector of norm 1 whose elements have one absolute value.
func signs(r *rand.Rand, v []float32) {
	size := float32(1 / math.Sqrt(float64(len(v))))
	var bits uint64
	for i := range v {
		if i%64 == 0 {
			bits = r.Uint64()
		}
		v[i] = size
		if bits&1 != 0 {
			v[i] = -size
		}
		bits >>= 1
	}
}

// meanAndError returns the mean of x and its standard error.
func meanAndError(x []float64) (mean, standardError float64) {
	n := float64(len(x))
	for _, v := range x {
		mean += v / n
	}
	for _, v := range x {
		standardError += float64((v - mean) * (v - mean))
	}
	return mean, math.Sqrt(standardError / (n - 1) / n)
}
