package net

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net/op"
)

// logits is a tensor of rows of outputs.
func logits(rows ...[]float32) op.Tensor {
	t := op.Tensor{N: len(rows), Shape: Shape{len(rows[0])}}
	for _, row := range rows {
		t.Data = append(t.Data, row...)
	}
	return t
}

func TestSoftmaxCrossEntropyAgainstOracle(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	out := flat(r, 9, 7)
	b := Batch{N: 9}
	for range b.N {
		b.Labels = append(b.Labels, int32(r.IntN(7)))
	}
	rows := ref.Rows(out.Data, 9)
	loss, _ := ref.Net{}.Gradient(nil, rows, b.Labels)
	dout := op.Tensor{N: 9, Shape: out.Shape, Data: ref.NaNs(make([]float32, 63))}
	sum := SoftmaxCrossEntropy{}.Apply(out, b, 0.5, dout)
	assert.InEpsilon(t, 9*loss, sum, 1e-6, "sums of exponentials are in float32, all else in float64")

	// The gradient of the loss by outputs is that of a bias on them.
	oracle := ref.Net{ref.Dense{In: 1, Out: 7}}
	for i, row := range rows {
		_, g := oracle.Gradient(append(make([]float64, 7), row...), [][]float64{{0}}, b.Labels[i:i+1])
		assert.InDeltaSlice(t, ref.Scaled(0.5, g[7:]), ref.Float64s(dout.Slice(i, 1).Data), 1e-7, "sample %d", i)
	}

	assert.Equal(t, sum, SoftmaxCrossEntropy{}.Apply(out, b, 0.5, op.Tensor{N: 9, Shape: out.Shape}), "a gradient that isn't wanted changes nothing")
	assert.Equal(t, sum, SoftmaxCrossEntropy{}.Apply(out, b, 0.5, out), "the gradient may take the outputs' memory")
	assert.Equal(t, dout.Data, out.Data)
}

// With a part of the labels spread evenly, the loss is that part of the mean over all labels.
func TestLabelSmoothing(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	out := flat(r, 3, 5)
	b := Batch{N: 3, Labels: []int32{4, 0, 2}}
	grad := func() op.Tensor { return op.Tensor{N: 3, Shape: out.Shape, Data: ref.NaNs(make([]float32, 15))} }
	const smoothing = 0.3
	got, want := grad(), make([]float64, 15)
	sum := SoftmaxCrossEntropy{Smoothing: smoothing}.Apply(out, b, 2, got)
	total := 0.0
	add := func(labels []int32, share float64) {
		d := grad()
		total += share * SoftmaxCrossEntropy{}.Apply(out, Batch{N: 3, Labels: labels}, 2, d)
		want = ref.Axpy(share, ref.Float64s(d.Data), want)
	}
	add(b.Labels, 1-smoothing)
	for label := range int32(5) {
		add([]int32{label, label, label}, smoothing/5)
	}
	assert.InEpsilon(t, total, sum, 1e-6)
	assert.InDeltaSlice(t, want, ref.Float64s(got.Data), 1e-6)

	_, err := Compile(Shape{5}, SoftmaxCrossEntropy{Smoothing: 1})
	assert.ErrorContains(t, err, "Smoothing is 1, want 0 or more and less than 1")
}

func TestMSE(t *testing.T) {
	m, err := Compile(Shape{2}, Dense{Out: 3}, MSE{})
	require.NoError(t, err)
	out := op.Tensor{N: 2, Shape: Shape{3}, Data: []float32{1, 2, 3, 4, 5, 6}}
	b := Batch{N: 2, X: make([]float32, 4), Targets: []float32{1, 1, 1, 4, 5, 9}}
	require.NoError(t, m.ValidateBatch(b))
	dout := op.Tensor{N: 2, Shape: Shape{3}, Data: ref.NaNs(make([]float32, 6))}
	assert.InDelta(t, (0+1+4)/3.0+(0+0+9)/3.0, MSE{}.Apply(out, b, 3, dout), 1e-12)
	assert.Equal(t, []float32{0, 2, 4, 0, 0, -6}, dout.Data, "3 * 2/3 times the differences")
	assert.EqualError(t, m.ValidateBatch(Batch{N: 2, X: make([]float32, 4), Targets: make([]float32, 5)}), "net: 5 targets for 2 samples of 3, want 3 a sample")
	y, err := m.Predict(m.Init(1), []float32{0, 0})
	require.NoError(t, err)
	assert.Equal(t, []float32{0, 0, 0}, y)
}

func TestSoftmaxCrossEntropyOfExtremes(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, test := range map[string]struct {
		row  []float32
		want float64 // for label 0
	}{
		"huge, label right":      {[]float32{3e38, 0, -3e38}, 0},
		"huge, label wrong":      {[]float32{-3e38, 0, 3e38}, 2 * float64(float32(3e38))},
		"all the same":           {[]float32{-1e30, -1e30, -1e30}, math.Log(3)},
		"-Inf for another":       {[]float32{0, -inf, 0}, math.Log(2)},
		"-Inf for the label":     {[]float32{-inf, 0, 0}, math.Inf(1)},
		"NaN for the label":      {[]float32{nan, 0, 0}, math.NaN()},
		"NaN for another":        {[]float32{0, 0, nan}, math.NaN()},
		"NaN behind the largest": {[]float32{3e38, nan, 0}, math.NaN()},
		"Inf":                    {[]float32{inf, 0, 0}, math.NaN()},
		"-Inf for all of them":   {[]float32{-inf, -inf, -inf}, math.NaN()},
	} {
		t.Run(name, func(t *testing.T) {
			out := logits(test.row)
			dout := op.Tensor{N: 1, Shape: out.Shape, Data: make([]float32, 3)}
			got := SoftmaxCrossEntropy{}.Apply(out, Batch{N: 1, Labels: []int32{0}}, 1, dout)
			if math.IsNaN(test.want) {
				assert.True(t, math.IsNaN(got), "loss is %v", got)
				assert.True(t, math.IsNaN(float64(dout.Data[0])), "gradient is %v", dout.Data)
				return
			}
			if math.IsInf(test.want, 1) {
				assert.Equal(t, test.want, got)
			} else {
				assert.InDelta(t, test.want, got, 1e-12*(1+test.want))
			}
			sum := 0.0
			for _, d := range dout.Data {
				sum += float64(d)
			}
			assert.InDelta(t, 0, sum, 1e-6, "gradients of a sample sum to 0: %v", dout.Data)
		})
	}
}

func TestSoftmaxCrossEntropyPredicts(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	out := flat(r, 50, 11)
	for i := range out.Data {
		out.Data[i] *= 30
	}
	before := append([]float32(nil), out.Data...)
	SoftmaxCrossEntropy{}.Predict(out)
	for i := range out.N {
		sum, row := 0.0, out.Slice(i, 1).Data
		for j, p := range row {
			require.True(t, p >= 0 && p <= 1, "probability %v", p)
			sum += float64(p)
			if before[i*11+j] > before[i*11] {
				require.GreaterOrEqual(t, p, row[0], "a larger output is as probable, at least")
			}
		}
		assert.InDelta(t, 1, sum, 11*math.Ldexp(1, -24), "sample %d: each is rounded once", i)
	}
}

func TestSoftmaxCrossEntropyChecksLabels(t *testing.T) {
	for _, test := range []struct {
		labels []int32
		want   string // "" for no error
	}{
		{[]int32{0, 1, 2}, ""},
		{[]int32{0, 1}, "2 labels for 3 samples"},
		{nil, "0 labels for 3 samples"},
		{[]int32{0, 3, 1}, "sample 1 has label 3, want 0 to 2"},
		{[]int32{0, 1, -1}, "sample 2 has label -1, want 0 to 2"},
	} {
		err := SoftmaxCrossEntropy{}.Validate(Shape{3}, Batch{N: 3, Labels: test.labels})
		if test.want == "" {
			assert.NoError(t, err)
		} else {
			assert.EqualError(t, err, test.want)
		}
	}
}

func TestSoftmaxCrossEntropyCountsSamples(t *testing.T) {
	assert.Equal(t, 7, SoftmaxCrossEntropy{}.Terms(Batch{N: 7}))
}
