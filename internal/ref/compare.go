package ref

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"
)

// Normal returns n standard normal floats.
func Normal(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// NaNs fills x with NaN, and returns it. Code under test must overwrite all of it.
func NaNs(x []float32) []float32 {
	for i := range x {
		x[i] = float32(math.NaN())
	}
	return x
}

// Bound is the error that float32 may have against float64, relative in norm, after a chain of
// products of at most k terms. Terms of random signs have partial sums that grow as sqrt(j), and
// each addition rounds by at most u = 2^-24 of its own, which comes to 0.4 sqrt(k) u of the result
// (Higham and Mary, doi 10.1137/18M1226312, prove as much, up to a constant, with high
// probability). Layers initialized as He et al. have it pass an error on without enlarging it. The
// factor of 4 is for what isn't random: ReLUs let only the positive half through, and losses
// subtract.
func Bound(products, k int) float64 {
	return 4 * float64(products) * math.Sqrt(float64(k)) * math.Ldexp(1, -24)
}

// Distance returns the norm of got-want, relative to that of want. It is NaN if any element is.
func Distance(got []float32, want []float64) float64 {
	return Norm(Axpy(-1, want, Float64s(got))) / Norm(want)
}

// RequireNear requires that got is within tolerance of want, relative in norm.
func RequireNear(t testing.TB, want []float64, got []float32, tolerance float64, format string, args ...any) {
	t.Helper()
	require.Len(t, got, len(want), append([]any{format}, args...)...)
	if d := Distance(got, want); !(d <= tolerance) {
		require.Failf(t, "too far apart", format+": distance %.3g, want at most %.3g", append(args, d, tolerance)...)
	}
}

// Scaled returns c*x.
func Scaled(c float64, x []float64) []float64 {
	y := make([]float64, len(x))
	for i, v := range x {
		y[i] = c * v
	}
	return y
}

// Axpy returns y + c*x.
func Axpy(c float64, x, y []float64) []float64 {
	z := Scaled(c, x)
	for i, v := range y {
		z[i] += v
	}
	return z
}
