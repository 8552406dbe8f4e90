package dataset

import (
	"math"
	"math/big"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// exactMeanStd are those of a channel in 200 bits.
func exactMeanStd(s *Set, channel int) (mean, deviation float64) {
	real := func(x float64) *big.Float { return new(big.Float).SetPrec(200).SetFloat64(x) }
	sum, squares, n := real(0), real(0), real(0)
	for i := channel; i < len(s.X); i += s.channels() {
		x := real(float64(s.X[i]))
		sum.Add(sum, x)
		squares.Add(squares, x.Mul(x, x))
		n.Add(n, real(1))
	}
	sum.Quo(sum, n)
	mean, _ = sum.Float64()
	squares.Quo(squares, n)
	squares.Sub(squares, sum.Mul(sum, sum))
	deviation, _ = squares.Sqrt(squares).Float64()
	return mean, deviation
}

func TestMeanStd(t *testing.T) {
	shifted := Synthetic(net.Shape{7, 5, 3}, 10, 200, 3)
	for i := range shifted.X {
		shifted.X[i] = shifted.X[i]*float32(i%3+1)*1e-3 + 100*float32(i%3) // a mean that takes most digits
	}
	digits, _, err := Digits()
	require.NoError(t, err)
	for _, test := range []struct {
		name     string
		set      *Set
		channels int
	}{
		{"images", Synthetic(net.Shape{8, 8, 3}, 10, 100, 1), 3},
		{"shifted", shifted, 3},
		{"digits", digits, 1},
		{"flat", Synthetic(net.Shape{11}, 10, 100, 1), 11},
		{"one sample", Synthetic(net.Shape{4, 4, 2}, 10, 1, 1), 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			m, err := test.set.MeanStd()
			require.NoError(t, err)
			require.Len(t, m.Mean, test.channels)
			require.Len(t, m.Std, test.channels)
			for c := range test.channels {
				mean, deviation := exactMeanStd(test.set, c)
				// Each of n additions errs by half an ulp of its sum at most.
				n := float64(len(test.set.X) / test.channels)
				bound := n * 0x1p-53 * (math.Abs(mean) + 2*deviation)
				assert.InDelta(t, mean, m.Mean[c], bound, "mean of channel %d", c)
				assert.InDelta(t, deviation, m.Std[c], 2*n*0x1p-53*deviation, "deviation of channel %d", c)
			}
		})
	}
}

func TestStandardize(t *testing.T) {
	train := Synthetic(net.Shape{6, 5, 3}, 10, 300, 1)
	for i := range train.X {
		train.X[i] = train.X[i]*float32(i%3+1) + float32(i%3) - 7
	}
	test := Synthetic(net.Shape{6, 5, 3}, 10, 20, 2)
	before, testBefore := slices.Clone(train.X), slices.Clone(test.X)
	m, err := train.MeanStd()
	require.NoError(t, err)

	standard, err := train.Standardize(m)
	require.NoError(t, err)
	after, err := standard.MeanStd()
	require.NoError(t, err)
	for c := range 3 {
		assert.InDelta(t, 0, after.Mean[c], 1e-7, "mean of channel %d", c)
		assert.InDelta(t, 1, after.Std[c], 1e-7, "deviation of channel %d", c)
	}
	assert.Equal(t, before, train.X, "the set itself stays")
	assert.Equal(t, []any{train.Name, train.Shape, train.Classes, train.Labels},
		[]any{standard.Name, standard.Shape, standard.Classes, standard.Labels})

	standard, err = test.Standardize(m)
	require.NoError(t, err)
	for i, x := range testBefore {
		c := i % 3
		assert.InDelta(t, (float64(x)-m.Mean[c])/m.Std[c], standard.X[i], 1e-6, "value %d by the training set's mean and deviation", i)
	}
}

func TestStandardizeConstantChannel(t *testing.T) {
	train := Synthetic(net.Shape{4, 4, 2}, 10, 1000, 1)
	for i := 1; i < len(train.X); i += 2 {
		train.X[i] = 0.1
	}
	m, err := train.MeanStd()
	require.NoError(t, err)
	assert.Equal(t, []float64{float64(float32(0.1)), 0}, []float64{m.Mean[1], m.Std[1]}, "exact")
	standard, err := train.Standardize(m)
	require.NoError(t, err)
	for i := 1; i < len(train.X); i += 2 {
		require.Zero(t, standard.X[i])
	}
	test := &Set{Shape: net.Shape{2}, Classes: 1, X: []float32{0, 0.6}, Labels: []int32{0}}
	standard, err = test.Standardize(m)
	require.NoError(t, err)
	assert.Equal(t, float32(float64(float32(0.6))-float64(float32(0.1))), standard.X[1], "not divided")
}

func TestMeanStdErrors(t *testing.T) {
	s := Synthetic(net.Shape{2, 2, 2}, 10, 3, 1)
	s.X[11] = float32(math.Inf(-1))
	_, err := s.MeanStd()
	assert.ErrorContains(t, err, "sample 1 has -Inf at [0 1 1] of 2x2x2")
	_, err = s.Head(0).MeanStd()
	assert.ErrorContains(t, err, "has no samples")
	_, err = (&Set{Labels: []int32{0}, Classes: 1}).MeanStd()
	assert.ErrorContains(t, err, "has shape []")

	nan := math.NaN()
	for _, test := range []struct {
		name string
		by   MeanStd
		want string
	}{
		{"none", MeanStd{}, "0 means and 0 deviations"},
		{"one lacks", MeanStd{[]float64{1, 2}, []float64{1}}, "2 means and 1 deviations"},
		{"NaN", MeanStd{[]float64{1, nan}, []float64{1, 1}}, "channel 1 has mean NaN and deviation 1"},
		{"infinite", MeanStd{[]float64{1, 1}, []float64{math.Inf(1), 1}}, "channel 0 has mean 1 and deviation +Inf"},
		{"negative", MeanStd{[]float64{1, 1}, []float64{1, -1}}, "channel 1 has mean 1 and deviation -1"},
		{"channels", MeanStd{[]float64{1, 1, 1}, []float64{1, 1, 1}}, "synthetic:2x2x2 has 2 channels, but mean and deviation are given for 3"},
		{"no longer finite", MeanStd{[]float64{0, 0}, []float64{1e-300, 1}}, "sample 0 has"},
		{"was not finite", MeanStd{[]float64{0, 0}, []float64{1, 1}}, "sample 1 has -Inf at [0 1 1] of 2x2x2"},
	} {
		t.Run(test.name, func(t *testing.T) {
			standard, err := s.Standardize(test.by)
			assert.Nil(t, standard)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

func TestMeanStdText(t *testing.T) {
	m := MeanStd{[]float64{0.5, -0.25}, []float64{0.125, 0}}
	assert.Equal(t, "mean 0.5,-0.25 deviation 0.125,0", m.String())

	measured, err := Synthetic(net.Shape{9}, 10, 50, 1).MeanStd()
	require.NoError(t, err)
	for _, m := range []MeanStd{
		m, measured,
		{[]float64{1.0 / 3}, []float64{float64(float32(1.0 / 3))}},
		{[]float64{-math.MaxFloat64, math.SmallestNonzeroFloat64}, []float64{math.MaxFloat64, math.SmallestNonzeroFloat64}},
	} {
		again, err := ParseMeanStd(m.String())
		require.NoError(t, err)
		assert.Equal(t, m, again, "every bit")
	}
}

func TestParseMeanStdErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", `expected mean and deviation such as "mean 0.5,0.4 deviation 0.25,0.2", got ""`},
		{"mean 1", `got "mean 1"`},
		{"0.5 deviation 1", `got "0.5 deviation 1"`},
		{"mean  deviation ", `expected a number, got ""`},
		{"mean 1,x deviation 1,1", `expected a number, got "x"`},
		{"mean 1 deviation 1, 2", `expected a number, got " 2"`},
		{"mean 1 deviation 1 deviation 1", `expected a number, got "1 deviation 1"`},
		{"mean 1 deviation 1e999", `expected a number, got "1e999"`},
		{"mean 1,2 deviation 1", "2 means and 1 deviations"},
		{"mean NaN deviation 1", "channel 0 has mean NaN and deviation 1"},
		{"mean 1 deviation -1", "channel 0 has mean 1 and deviation -1"},
	} {
		_, err := ParseMeanStd(test.text)
		assert.ErrorContains(t, err, test.want, "%q", test.text)
	}
}

func FuzzParseMeanStd(f *testing.F) {
	f.Add("mean 0.5,-0.25 deviation 0.125,0")
	f.Add("mean 0x1p-3 deviation 1_0")
	f.Add("mean -0 deviation -0")
	f.Fuzz(func(t *testing.T, text string) {
		m, err := ParseMeanStd(text)
		if err != nil {
			return
		}
		again, err := ParseMeanStd(m.String())
		require.NoError(t, err)
		require.Equal(t, m.String(), again.String())
		require.Equal(t, m, again)
	})
}
