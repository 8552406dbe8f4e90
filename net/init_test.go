package net

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
)

// An initializer has the mean 0, and the variance and the kurtosis of its distribution.
func TestInitializers(t *testing.T) {
	const fanIn, fanOut, n = 50, 30, 200_000
	// The standard normal distribution within two deviations: its density there, and the mass
	// that is left, give the moments (by parts).
	density, mass := 2*math.Exp(-2)/math.Sqrt(2*math.Pi), math.Erf(math.Sqrt2)
	second := 1 - 2*density/mass
	fourth := 3*second - 8*density/mass
	for name, c := range map[string]struct {
		init               Initializer
		variance, kurtosis float64
		most               float64
	}{
		"KaimingNormal":   {KaimingNormal, 2.0 / fanIn, 3, math.Inf(1)},
		"KaimingUniform":  {KaimingUniform, 2.0 / fanIn, 1.8, math.Sqrt(6.0 / fanIn)},
		"XavierNormal":    {XavierNormal, 2.0 / (fanIn + fanOut), 3, math.Inf(1)},
		"XavierUniform":   {XavierUniform, 2.0 / (fanIn + fanOut), 1.8, math.Sqrt(6.0 / (fanIn + fanOut))},
		"TruncatedNormal": {TruncatedNormal(0.02), 0.02 * 0.02 * second, fourth / (second * second), 0.04},
	} {
		w := make([]float32, n)
		c.init(rand.New(rand.NewPCG(1, 1)), w, fanIn, fanOut)
		var mean, square, quartic, largest float64
		for _, v := range w {
			x := float64(v)
			mean += x / n
			square += x * x / n
			quartic += x * x * x * x / n
			largest = max(largest, math.Abs(x))
		}
		// Standard errors: sigma/sqrt(n) of the mean, at most sqrt(2/n) of the variance and
		// sqrt(96/n) of the kurtosis. Five are allowed.
		assert.InDelta(t, 0, mean, 5*math.Sqrt(c.variance/n), name)
		assert.InEpsilon(t, c.variance, square, 5*math.Sqrt(2.0/n), name)
		assert.InDelta(t, c.kurtosis, quartic/(square*square), 5*math.Sqrt(96.0/n), name)
		assert.LessOrEqual(t, largest, c.most*(1+1e-6), name)
	}
}

// Layers hand initializers their fans.
func TestFans(t *testing.T) {
	type fans struct{ in, out int }
	var seen []fans
	spy := func(_ *rand.Rand, _ []float32, in, out int) { seen = append(seen, fans{in, out}) }
	m, err := Compile(Shape{6, 6, 3}, Conv2D{Out: 5, Kernel: 2, Init: spy}, Flatten{}, Dense{Out: 7, Init: spy})
	assert.NoError(t, err)
	m.Init(1)
	assert.Equal(t, []fans{{2 * 2 * 3, 2 * 2 * 5}, {5 * 5 * 5, 7}}, seen)
}
