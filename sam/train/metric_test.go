package train

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Metrics of a set that is predicted in parts are those of the whole, computed plainly.
func TestMetrics(t *testing.T) {
	const classes, n = 7, 2*evaluated + 100
	model := compile(t, net.Shape{5}, net.Dense{Out: classes})
	params := model.Init(3)
	set := dataset.Synthetic(net.Shape{5}, classes-1, n, 1) // the last class doesn't occur
	outputs, err := model.Outputs(params, set.X)
	require.NoError(t, err)

	loss, counts, correct := 0.0, make([][]int, classes), make([]int, classes+1) // correct by k
	for i := range counts {
		counts[i] = make([]int, classes)
	}
	for i, label := range set.Labels {
		y := outputs[i*classes:][:classes]
		sum := 0.0
		for _, v := range y {
			sum += math.Exp(float64(v) - float64(y[label]))
		}
		loss += math.Log(sum)
		order := make([]int, classes)
		for class := range order {
			order[class] = class
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(y[b], y[a]) })
		counts[label][order[0]]++
		for k := slices.Index(order, int(label)) + 1; k <= classes; k++ {
			correct[k]++
		}
	}
	balanced := 0.0
	for class := range classes - 1 {
		total := 0
		for _, c := range counts[class] {
			total += c
		}
		balanced += float64(counts[class][class]) / float64(total) / (classes - 1)
	}

	accuracy, confusion := &Accuracy{}, &Confusion{}
	metrics := []Metric{&Loss{}, accuracy, confusion}
	for k := 1; k <= classes; k++ {
		metrics = append(metrics, &TopK{K: k})
	}
	for range 2 { // metrics begin from scratch
		scores, err := Evaluate(model, params, set, metrics...)
		require.NoError(t, err)
		assert.InEpsilon(t, loss/n, scores["loss"], 1e-6)
		assert.Equal(t, float64(correct[1])/n, scores["accuracy"])
		assert.Equal(t, []int{correct[1], n}, []int{accuracy.Correct, accuracy.Total})
		assert.Equal(t, counts, confusion.Counts)
		assert.InDelta(t, balanced, scores["balanced accuracy"], 1e-12)
		for k := 1; k <= classes; k++ {
			assert.Equal(t, float64(correct[k])/n, scores[(&TopK{K: k}).Name()], "top %d", k)
		}
		assert.Equal(t, 1.0, scores["top-7 accuracy"])
	}
}

// Of equal outputs the first counts, and NaN makes a sample wrong.
func TestMetricTiesAndNaN(t *testing.T) {
	model := compile(t, net.Shape{1}, net.Dense{Out: 3})
	nan := float32(math.NaN())
	for _, test := range []struct {
		outputs  []float32
		label    int32
		accurate bool
		top2     bool
	}{
		{[]float32{1, 1, 0}, 0, true, true},
		{[]float32{1, 1, 0}, 1, false, true},
		{[]float32{1, 1, 1}, 2, false, false},
		{[]float32{0, 2, 1}, 1, true, true},
		{[]float32{nan, 2, 1}, 1, false, true},
		{[]float32{nan, 2, 1}, 2, false, false},
		{[]float32{nan, 2, 1}, 0, false, false},
		{[]float32{nan, nan, nan}, 0, false, false},
	} {
		set := &dataset.Set{Shape: net.Shape{1}, Classes: 3, X: []float32{0}, Labels: []int32{test.label}}
		accuracy, top1, top2, confusion := &Accuracy{}, &TopK{K: 1}, &TopK{K: 2}, &Confusion{}
		for _, m := range []Metric{accuracy, top1, top2, confusion} {
			require.NoError(t, m.Reset(model, set))
			m.Update(test.outputs, set.Range(0, 1))
		}
		value := map[bool]float64{true: 1}
		assert.Equal(t, value[test.accurate], accuracy.Value(), "%v", test)
		assert.Equal(t, value[test.accurate], top1.Value(), "%v", test)
		assert.Equal(t, value[test.top2], top2.Value(), "%v", test)
		assert.Equal(t, value[test.accurate], confusion.Value(), "%v", test)
	}
}

// recorded is a metric that keeps copies of the outputs.
type recorded struct {
	Accuracy
	outputs []float32
}

func (r *recorded) Update(outputs []float32, batch net.Batch) {
	r.outputs = append(r.outputs, outputs...)
	r.Accuracy.Update(outputs, batch)
}

// Metrics get the outputs of the whole set, bit for bit those of Model.Outputs.
func TestEvaluateHasTheOutputs(t *testing.T) {
	model := normed(t)
	params, r := model.Init(1), &recorded{}
	set := images(2*evaluated+3, 2)
	_, err := Evaluate(model, params, set, r)
	require.NoError(t, err)
	want, err := model.Outputs(params, set.X)
	require.NoError(t, err)
	assert.Equal(t, want, r.outputs)
}

func TestEvaluateErrors(t *testing.T) {
	model := compile(t, net.Shape{2}, net.Dense{Out: 3})
	params := model.Init(1)
	set := dataset.Synthetic(net.Shape{2}, 3, 10, 1)
	wrong := dataset.Synthetic(net.Shape{2}, 3, 10, 1)
	wrong.Labels[3] = 7
	for want, call := range map[string]func() (Scores, error){
		"net: no parameters":                      func() (Scores, error) { return Evaluate(model, nil, set, &Loss{}) },
		"train: Evaluate needs a model and a set": func() (Scores, error) { return Evaluate(model, params, nil, &Loss{}) },
		"train: synthetic:4 has samples of 4, and the model takes 2": func() (Scores, error) {
			return Evaluate(model, params, dataset.Synthetic(net.Shape{4}, 3, 2, 1), &Loss{})
		},
		`train: two metrics are called "loss"`:                        func() (Scores, error) { return Evaluate(model, params, set, &Loss{}, &Loss{}) },
		"accuracy of synthetic:2: label 3 is 7, want 0 to 2":          func() (Scores, error) { return Evaluate(model, params, wrong, &Accuracy{}) },
		"balanced accuracy of synthetic:2: label 3 is 7, want 0 to 2": func() (Scores, error) { return Evaluate(model, params, wrong, &Confusion{}) },
		"top-0 accuracy of synthetic:2: TopK.K is 0, want 1 to 3":     func() (Scores, error) { return Evaluate(model, params, set, &TopK{}) },
		"loss of synthetic:2: ":                                       func() (Scores, error) { return Evaluate(model, params, wrong, &Loss{}) },
	} {
		scores, err := call()
		assert.Nil(t, scores)
		assert.ErrorContains(t, err, want)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := EvaluateContext(ctx, model, params, set, &Loss{})
	assert.ErrorIs(t, err, context.Canceled)
}

// A history in JSON is the same history, but for the parameters; scores may be anything.
func TestHistoryJSON(t *testing.T) {
	want := &History{
		Epochs: []Epoch{
			{Epoch: 1, Steps: 5, Samples: 34, Loss: 1.0 / 3, Sharpness: 1e-300, Seconds: 0.25, Valid: Scores{"loss": math.Inf(1), "a": 0.1}},
			{Epoch: 2, Steps: 5, Samples: 34, Loss: 0.25, Valid: Scores{"loss": math.Inf(-1), "a": math.Copysign(0, -1)}},
		},
		Unfinished: &Epoch{Epoch: 3, Steps: 1}, BestEpoch: 2, Stopped: "by hand",
	}
	for range 20 {
		want.Epochs = append(want.Epochs, Epoch{Loss: rand.Float64(), Valid: Scores{"loss": math.Exp(100 * rand.NormFloat64())}})
	}
	text, err := json.Marshal(want)
	require.NoError(t, err)
	got := &History{}
	require.NoError(t, json.Unmarshal(text, got))
	assert.Equal(t, want, got)
	assert.Contains(t, string(text), `{"epochs":[{"epoch":1,"steps":5,"samples":34,"loss":0.3333333333333333,`)

	var s Scores
	text, err = json.Marshal(Scores{"x": math.NaN()})
	require.NoError(t, err)
	assert.JSONEq(t, `{"x":"NaN"}`, string(text))
	require.NoError(t, json.Unmarshal(text, &s))
	assert.True(t, math.IsNaN(s["x"]))
	require.NoError(t, json.Unmarshal([]byte("null"), &s))
	assert.Nil(t, s)
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"x":"much"}`), &s), `score "x" is "much", want a number`)
	assert.ErrorContains(t, json.Unmarshal([]byte(`{"x":[]}`), &s), `score "x" is [], want a number`)
}
