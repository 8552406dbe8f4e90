package stats

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

// The values are those of R's t.test(a, b, paired = TRUE), whose example is Student's of 1908: the
// extra hours of sleep by two drugs.
func TestPairedT(t *testing.T) {
	a := []float64{0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0, 2}
	b := []float64{1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4}
	p, ok := PairedT(a, b)
	assert.True(t, ok)
	assert.InDelta(t, 0.002832890, p, 1e-9)
	swapped, _ := PairedT(b, a)
	assert.Equal(t, p, swapped)

	// With one degree of freedom, t is Cauchy's: of differences 1 and 3 it is 2, and
	// p = 1 - 2 atan(2)/pi.
	p, ok = PairedT([]float64{1, 3}, []float64{0, 0})
	assert.True(t, ok)
	assert.InDelta(t, 0.29516723530, p, 1e-9)
}

func TestPairedTWithoutSpread(t *testing.T) {
	for _, test := range []struct {
		a, b []float64
		p    float64
		ok   bool
	}{
		{[]float64{0.7, 0.8, 0.9}, []float64{0.7, 0.8, 0.9}, 1, true},
		{[]float64{0.7, 0.8, 0.9}, []float64{0.6, 0.7, 0.8}, 0, true}, // but for rounding
		{[]float64{1}, []float64{0}, 0, false},
		{nil, nil, 0, false},
	} {
		p, ok := PairedT(test.a, test.b)
		assert.Equal(t, test.ok, ok)
		assert.Equal(t, test.p, p)
	}
}

// The values are those of R's p.adjust(p, "holm").
func TestHolm(t *testing.T) {
	assert.InDeltaSlice(t, []float64{0.03, 0.06, 0.06, 0.02}, Holm([]float64{0.01, 0.04, 0.03, 0.005}), 1e-12)
	assert.InDeltaSlice(t, []float64{1, 1, 0.03}, Holm([]float64{0.9, 0.8, 0.01}), 1e-12)
	assert.InDeltaSlice(t, []float64{0.04, 0.04}, Holm([]float64{0.02, 0.02}), 1e-12, "equal values stay equal")
	assert.Empty(t, Holm(nil))
}
