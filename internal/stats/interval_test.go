package stats

import (
	"math/big"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// The ranks agree with printed tables of the sign test.
func TestMedianIntervalRanks(t *testing.T) {
	for _, c := range []struct {
		n, j int // 0 if no interval has the confidence
	}{
		{0, 0}, {1, 0}, {5, 0}, {6, 1}, {8, 1}, {9, 2}, {10, 2}, {15, 4}, {20, 6}, {25, 8}, {50, 18}, {100, 40},
	} {
		in, ok := MedianInterval(shuffled(c.n), 0.95)
		assert.Equal(t, c.j > 0, ok, "%d values", c.n)
		if ok {
			assert.Equal(t, Interval{float64(c.j), float64(c.n + 1 - c.j)}, in, "%d values", c.n)
		}
	}
}

// shuffled returns the numbers 1 to n in some order.
func shuffled(n int) []float64 {
	values := make([]float64, n)
	for i, k := range rand.New(rand.NewPCG(1, uint64(n))).Perm(n) {
		values[i] = float64(k + 1)
	}
	return values
}

// The interval has the confidence, and the next narrower one has less, by exact counting.
func TestMedianIntervalConfidence(t *testing.T) {
	for _, confidence := range []float64{0.5, 0.9, 0.95, 0.99} {
		for n := range 200 {
			j := 0
			if in, ok := MedianInterval(shuffled(n), confidence); ok {
				j = int(in.Low)
				assert.GreaterOrEqual(t, holds(n, j), confidence, "%d values", n)
			}
			if j+1 <= n/2 {
				assert.Less(t, holds(n, j+1), confidence, "%d values", n)
			}
		}
	}
}

// holds returns the probability that at least j and at most n-j of n coins come up heads.
func holds(n, j int) float64 {
	ways := new(big.Int)
	for k := j; k <= n-j; k++ {
		ways.Add(ways, new(big.Int).Binomial(int64(n), int64(k)))
	}
	p, _ := new(big.Rat).SetFrac(ways, new(big.Int).Lsh(big.NewInt(1), uint(n))).Float64()
	return p
}
