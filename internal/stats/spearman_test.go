package stats

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestSpearman(t *testing.T) {
	for _, c := range []struct {
		name string
		x, y []float64
		rho  float64
		p    float64
	}{
		{"all in order", []float64{1, 2, 3, 4}, []float64{10, 20, 30, 1000}, 1, 2.0 / 24},
		{"in reverse", []float64{1, 2, 3, 4, 5}, []float64{5, 4, 3, 2, 1}, -1, 2.0 / 120},
		// 1 - 6*sum(d^2)/(n(n^2-1)), with d = 1, 1, 0: 1 - 12/24. |rho| is 0.5 or 1 for every order.
		{"three", []float64{1, 2, 3}, []float64{2, 1, 3}, 0.5, 1},
		// Ranks 1.5, 1.5, 3 and 1, 2, 3: covariance 1.5, variances 1.5 and 2.
		{"equal values", []float64{7, 7, 9}, []float64{1, 2, 3}, 0.8660254037844387, 4.0 / 6},
	} {
		rho, p, ok := Spearman(c.x, c.y)
		assert.True(t, ok, c.name)
		assert.InDelta(t, c.rho, rho, 1e-12, c.name)
		assert.InDelta(t, c.p, p, 1e-12, c.name)
	}
	for name, y := range map[string][]float64{"two": {1, 2}, "no spread": {3, 3, 3, 3}} {
		_, _, ok := Spearman([]float64{1, 2, 3, 4}[:len(y)], y)
		assert.False(t, ok, name)
	}
}

// Of many pairs, the p-value is near the exact one, never 0, and always the same.
func TestSpearmanOfMany(t *testing.T) {
	var x, y []float64
	for i := range 12 {
		x, y = append(x, float64(i)), append(y, float64((i*7)%12))
	}
	rho, p, ok := Spearman(x, y)
	assert.True(t, ok)
	assert.InDelta(t, 1-6.0*216/(12*143), rho, 1e-12)
	assert.Greater(t, p, 0.2)
	_, again, _ := Spearman(x, y)
	assert.Equal(t, p, again)
	_, p, _ = Spearman(x, x)
	assert.Equal(t, 1.0/20000, p)
}

func TestPermute(t *testing.T) {
	values := []float64{1, 2, 3, 4}
	seen := map[[4]float64]bool{}
	permute(values, 4, func() { seen[[4]float64(values)] = true })
	assert.Len(t, seen, 24)
}
