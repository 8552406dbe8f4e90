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
	p, ok := PairedT(a, b, 0)
	assert.True(t, ok)
	assert.InDelta(t, 0.002832890, p, 1e-9)
	swapped, _ := PairedT(b, a, 0)
	assert.Equal(t, p, swapped)

	// With one degree of freedom, t is Cauchy's: of differences 1 and 3 it is 2, and
	// p = 1 - 2 atan(2)/pi.
	p, ok = PairedT([]float64{1, 3}, []float64{0, 0}, 0)
	assert.True(t, ok)
	assert.InDelta(t, 0.29516723530, p, 1e-9)
}

// Without a spread there is the sign test, or the least deviation that is to be believed.
func TestPairedTWithoutSpread(t *testing.T) {
	const sample = 0.01 // of 100
	for name, test := range map[string]struct {
		a, b  []float64
		least float64
		p     float64
		ok    bool
	}{
		"no difference":           {[]float64{0.7, 0.8, 0.9}, []float64{0.7, 0.8, 0.9}, 0, 1, true},
		"none, of samples":        {[]float64{0.7, 0.8, 0.9}, []float64{0.7, 0.8, 0.9}, sample / 2, 1, true},
		"equal but for rounding":  {[]float64{0.7, 0.8, 0.9}, []float64{0.6, 0.7, 0.8}, 0, 0.25, true},
		"five equal ones":         {[]float64{1, 1, 1, 1, 1}, []float64{0, 0, 0, 0, 0}, 0, 1.0 / 16, true},
		"a sample more each time": {[]float64{0.71, 0.81, 0.91}, []float64{0.70, 0.80, 0.90}, sample / 2, 0.0741799, true}, // t = 2 sqrt(3)
		"one pair":                {[]float64{1}, []float64{0}, sample / 2, 0, false},
		"no pair":                 {nil, nil, 0, 0, false},
	} {
		p, ok := PairedT(test.a, test.b, test.least)
		assert.Equal(t, test.ok, ok, name)
		assert.InDelta(t, test.p, p, 1e-6, name)
	}

	// The least deviation raises p where the measured one is smaller, and changes nothing elsewhere.
	a, b := []float64{0.71, 0.82, 0.93}, []float64{0.70, 0.80, 0.90}
	free, _ := PairedT(a, b, 0)
	same, _ := PairedT(a, b, 0.009)
	raised, _ := PairedT(a, b, 0.02)
	assert.Equal(t, free, same)
	assert.Greater(t, raised, free)
}

// The values are those of R's p.adjust(p, "holm").
func TestHolm(t *testing.T) {
	assert.InDeltaSlice(t, []float64{0.03, 0.06, 0.06, 0.02}, Holm([]float64{0.01, 0.04, 0.03, 0.005}), 1e-12)
	assert.InDeltaSlice(t, []float64{1, 1, 0.03}, Holm([]float64{0.9, 0.8, 0.01}), 1e-12)
	assert.InDeltaSlice(t, []float64{0.04, 0.04}, Holm([]float64{0.02, 0.02}), 1e-12, "equal values stay equal")
	assert.Empty(t, Holm(nil))
}
