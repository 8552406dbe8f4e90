package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"
)

// Spearman returns Spearman's rank correlation of pairs, with the mean of their ranks for equal
// values, and the two-sided p-value of a permutation test: the share of the orders of y in which the
// correlation is at least as far from 0. Up to 8 pairs, it tries all orders; beyond that, 20,000 at
// random, always the same. ok is false for fewer than three pairs, or if all x or all y are equal.
// The lengths must be equal.
func Spearman(x, y []float64) (rho, p float64, ok bool) {
	if rho, ok = RankCorrelation(x, y); !ok {
		return 0, 0, false
	}
	a, b := ranks(x), ranks(y)
	// In every order the ranks have the same mean and spread, so their product tells the correlation.
	mean := float64(len(a)+1) / 2
	middle := float64(len(a)) * mean * mean
	far := math.Abs(floats.Dot(a, b)-middle) * (1 - 1e-12)
	count, extreme := 0, 0
	try := func() {
		count++
		if math.Abs(floats.Dot(a, b)-middle) >= far {
			extreme++
		}
	}
	const mostExact, draws = 8, 20000
	if len(b) <= mostExact {
		permute(b, len(b), try)
		return rho, float64(extreme) / float64(count), true
	}
	random := rand.New(rand.NewPCG(1, uint64(len(b))))
	try() // the order as measured is one of them
	for range draws - 1 {
		random.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
		try()
	}
	return rho, float64(extreme) / float64(count), true
}

// RankCorrelation returns Spearman's rank correlation without a test. ok is as of Spearman.
func RankCorrelation(x, y []float64) (rho float64, ok bool) {
	if len(x) < 3 {
		return 0, false
	}
	rho = stat.Correlation(ranks(x), ranks(y), nil)
	if math.IsNaN(rho) {
		return 0, false
	}
	return rho, true
}

// ranks returns the ranks of values, from 1 on; equal values share the mean of theirs.
func ranks(values []float64) []float64 {
	sorted := slices.Sorted(slices.Values(values))
	of := make([]float64, len(values))
	for i, v := range values {
		first, _ := slices.BinarySearch(sorted, v)
		after := first
		for after < len(sorted) && sorted[after] == v {
			after++
		}
		of[i] = float64(first+1+after) / 2
	}
	return of
}

// permute calls f with the first n values in every order (Heap's algorithm).
func permute(values []float64, n int, f func()) {
	if n == 1 {
		f()
		return
	}
	for i := range n {
		permute(values, n-1, f)
		if i == n-1 {
			break
		}
		j := 0
		if n%2 == 0 {
			j = i
		}
		values[j], values[n-1] = values[n-1], values[j]
	}
}
