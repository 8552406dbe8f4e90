package flatness

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
)

// Spectrum is the top of the Hessian's spectrum.
type Spectrum struct {
	About
	Eigenvalues []float64 `json:"eigenvalues"` // the largest ones, the largest first
	// Residuals are the norms of H v - lambda v for the unit vectors v that were found: there is an
	// eigenvalue of H within a residual of each of Eigenvalues.
	Residuals []float64 `json:"residuals"`
	// Lowest is the smallest eigenvalue of H on the vectors that were looked at. The smallest of
	// all is at most that: if it is negative, the parameters are no minimum.
	Lowest    float64 `json:"lowest"`
	Products  int     `json:"products"`  // of the Hessian and a vector that it took
	Converged bool    `json:"converged"` // to a small part of 1%; false if that took too many products

	// Vectors are the eigenvectors, of norm 1, each laid out as params.Values.
	Vectors [][]float32 `json:"-"`
}

// Ratio returns how many times the i-th largest eigenvalue the largest is, counted from 1: with 5 it
// is lambda_1/lambda_5. It is NaN if there are fewer.
func (s Spectrum) Ratio(i int) float64 {
	if i < 1 || i > len(s.Eigenvalues) {
		return math.NaN()
	}
	return s.Eigenvalues[0] / s.Eigenvalues[i-1]
}

// Spectrum returns the k largest eigenvalues of the Hessian, by the Lanczos iteration. It is an
// error if k is less than 1, or more than there are parameters.
func (s *Surface) Spectrum(ctx context.Context, k int) (Spectrum, error) {
	found, err := s.spectrum(ctx, k)
	return found, wrap("spectrum", err)
}

func (s *Surface) spectrum(ctx context.Context, k int) (found Spectrum, err error) {
	most := min(s.model.NumParams(), maxProducts(k))
	if k < 1 || k > s.model.NumParams() {
		return found, fmt.Errorf("%d eigenvalues are wanted, want 1 to %d, the number of parameters", k, s.model.NumParams())
	}
	if err := s.begin(ctx, "spectrum", 2*most); err != nil {
		return found, err
	}
	l := s.newLanczos(rand.New(rand.NewPCG(s.config.Seed, streamSpectrum)))
	var previous []float64
	for range most {
		more, err := l.advance(ctx)
		if err != nil {
			return found, err
		}
		if found.Converged = !more; found.Converged {
			break
		}
		values, vectors, beta := l.ritz()
		if n := len(values); n >= k {
			top := make([]ritzValue, k)
			for i := range top {
				top[i] = ritzValue{values[n-1-i], beta * math.Abs(vectors.At(n-1, n-1-i))}
			}
			found.Converged = converged(top, values, previous) || n == s.model.NumParams()
		}
		previous = values
		if found.Converged {
			break
		}
	}
	values, vectors, beta := l.ritz()
	for i := range k {
		j := len(values) - 1 - i
		found.Eigenvalues = append(found.Eigenvalues, values[j])
		found.Residuals = append(found.Residuals, beta*math.Abs(vectors.At(len(values)-1, j)))
		found.Vectors = append(found.Vectors, l.vector(func(i int) float64 { return vectors.At(i, j) }))
	}
	found.About, found.Lowest, found.Products = s.about, values[0], len(l.alpha)
	return found, nil
}

// maxProducts is when a spectrum is given up.
func maxProducts(k int) int { return 100 + 20*k }

// The streams of random numbers, by what they are for.
const (
	streamSpectrum = iota + 1
	streamTrace
	streamDensity
	streamWorst
	streamAverage
	streamDirection
)

// ritzValue is an approximate eigenvalue with its residual.
type ritzValue struct{ value, residual float64 }

// How near eigenvalues are to be: relative to themselves, or to a part of the largest one if they
// are smaller, since products are only so exact.
const (
	exact = 2e-3
	small = 0.05
)

// converged reports whether the top values are near eigenvalues: neither their error bounds nor
// their last change is more than a small part of them. values are all of this step, and previous
// those of the step before.
func converged(top []ritzValue, values, previous []float64) bool {
	if len(previous) < len(top) {
		return false
	}
	for i, v := range top {
		j := len(values) - 1 - i
		gap := math.Inf(1) // to the nearest other value
		if j > 0 {
			gap = values[j] - values[j-1]
		}
		if j < len(values)-1 {
			gap = min(gap, values[j+1]-values[j])
		}
		bound := v.residual
		if gap > 0 {
			bound = min(bound, v.residual*v.residual/gap)
		}
		change := math.Abs(v.value - previous[len(previous)-1-i])
		if most := exact * max(math.Abs(v.value), small*math.Abs(top[0].value)); !(bound <= most && change <= most) {
			return false
		}
	}
	return true
}
