package train

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// ece measures logits of two classes as one batch.
func ece(t *testing.T, bins int, logits []float32, labels []int32) float64 {
	t.Helper()
	model := compile(t, net.Shape{1}, net.Dense{Out: len(logits) / len(labels)})
	e := &ECE{Bins: bins}
	set := &dataset.Set{Name: "made", Shape: net.Shape{1}, X: make([]float32, len(labels)), Labels: labels, Classes: 2}
	require.NoError(t, e.Reset(model, set))
	e.Update(logits, net.Batch{N: len(labels), Labels: labels})
	return e.Value()
}

// logit returns the logit of class 1 against 0 for class 0, at which class 1 has that probability.
func logit(p float64) float32 { return float32(math.Log(p / (1 - p))) }

func TestECE(t *testing.T) {
	// Of ten bins, (0.5, 0.6] has confidences 0.55 and 0.58, half of them right: it is off by 0.065.
	// (0.9, 1] has 0.95, right, and 0.97 of class 0, wrong: it is off by 0.46.
	logits := []float32{0, logit(0.55), 0, logit(0.58), 0, logit(0.95), 0, -logit(0.97)}
	assert.InDelta(t, 0.5*0.065+0.5*0.46, ece(t, 10, logits, []int32{1, 0, 1, 1}), 1e-6)
	// In one bin, the mean confidence of 0.7625 is compared with half of them being right.
	assert.InDelta(t, 0.2625, ece(t, 1, logits, []int32{1, 0, 1, 1}), 1e-6)

	// A model that is right as often as it says has none.
	var calm []float32
	var labels []int32
	for i := range 100 {
		calm, labels = append(calm, 0, logit(0.8)), append(labels, map[bool]int32{true: 1}[i < 80])
	}
	assert.InDelta(t, 0, ece(t, 0, calm, labels), 1e-6)
}

// The edges of bins, and outputs without usual probabilities.
func TestECEOfStrangeOutputs(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	for name, test := range map[string]struct {
		logits []float32
		label  int32
		want   float64
	}{
		"sure and right":    {[]float32{0, 200}, 1, 0},
		"sure and wrong":    {[]float32{0, 200}, 0, 1},
		"undecided, first":  {[]float32{3, 3}, 0, 0.5},
		"undecided, second": {[]float32{3, 3}, 1, 0.5},
		"infinite":          {[]float32{0, inf}, 1, 0},
		"both infinite":     {[]float32{inf, inf}, 1, 0.5},
		"NaN":               {[]float32{nan, 1}, 1, 1},
	} {
		assert.InDelta(t, test.want, ece(t, 0, test.logits, []int32{test.label}), 1e-7, name)
	}
}

// A set that is measured in parts has the error of the whole, computed plainly.
func TestECEOfParts(t *testing.T) {
	const classes, n = 7, 2*evaluated + 100
	model := compile(t, net.Shape{5}, net.Dense{Out: classes})
	params := model.Init(3)
	set := dataset.Synthetic(net.Shape{5}, classes, n, 1)
	outputs, err := model.Predict(params, set.X)
	require.NoError(t, err)
	var count, right, sum [15]float64
	for i, label := range set.Labels {
		best, sureness := 0, 0.0
		for class, p := range outputs[i*classes:][:classes] {
			if float64(p) > sureness {
				best, sureness = class, float64(p)
			}
		}
		bin := int(math.Ceil(sureness*15)) - 1
		count[bin]++
		sum[bin] += sureness
		if best == int(label) {
			right[bin]++
		}
	}
	want := 0.0
	for bin := range count {
		if count[bin] > 0 {
			want += count[bin] / n * math.Abs(right[bin]/count[bin]-sum[bin]/count[bin])
		}
	}
	e := &ECE{}
	scores, err := Evaluate(model, params, set, e)
	require.NoError(t, err)
	assert.InDelta(t, want, scores["ece"], 1e-6)
	assert.Greater(t, want, 0.05)
	assert.True(t, e.Better(0.1, 0.2))

	_, err = Evaluate(model, params, set, &ECE{Bins: -1})
	assert.ErrorContains(t, err, "ECE.Bins is -1, want at least 1, or 0 for 15")
	single := compile(t, net.Shape{5}, net.Dense{Out: 1}, net.MSE{})
	assert.ErrorContains(t, e.Reset(single, set), "the model has 1 output a label, want at least 2 classes")
}
