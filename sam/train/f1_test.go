package train

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// scoreOf returns a metric's value for labels and the classes predicted for them; class -1 is NaN
// among a sample's outputs. The samples come in two batches.
func scoreOf(t *testing.T, m Metric, classes int, labels []int32, predicted []int) float64 {
	t.Helper()
	require.Equal(t, len(labels), len(predicted))
	model := compile(t, net.Shape{1}, net.Dense{Out: classes})
	set := &dataset.Set{Name: "made", Shape: net.Shape{1}, Classes: classes, X: make([]float32, len(labels)), Labels: labels}
	outputs := make([]float32, len(labels)*classes)
	for i, class := range predicted {
		if class < 0 {
			outputs[i*classes] = float32(math.NaN())
			continue
		}
		outputs[i*classes+class] = 1
	}
	for range 2 { // Reset begins anew
		require.NoError(t, m.Reset(model, set))
		half := len(labels) / 2
		m.Update(outputs[:half*classes], set.Range(0, half))
		m.Update(outputs[half*classes:], set.Range(half, len(labels)-half))
	}
	return m.Value()
}

func TestF1(t *testing.T) {
	for name, test := range map[string]struct {
		classes   int
		labels    []int32
		predicted []int
		want      float64
	}{
		// Precision and recall of class 1 are 2/3 and 2/4.
		"two classes":            {2, []int32{1, 1, 1, 1, 0, 0}, []int{1, 1, 0, 0, 1, 0}, 2 / (3.0/2 + 4.0/2)},
		"all right":              {2, []int32{1, 0, 1}, []int{1, 0, 1}, 1},
		"class 0 alone counts 0": {2, []int32{1, 0, 0}, []int{0, 0, 0}, 0},
		"class 1 alone":          {2, []int32{1, 0, 0}, []int{1, 1, 1}, 2 / (3.0 + 1)},
		"none of class 1":        {2, []int32{0, 0}, []int{0, 0}, 0},
		"NaN misses its class":   {2, []int32{1, 1, 0}, []int{1, -1, 0}, 2 / (1.0 + 2)},
		// The example of scikit-learn's f1_score(average="macro"): class 0 has precision 2/3 and
		// recall 1, the other two 0.
		"macro":                     {3, []int32{0, 1, 2, 0, 1, 2}, []int{0, 2, 1, 0, 0, 1}, (2 / (3.0/2 + 1)) / 3},
		"a class that never occurs": {4, []int32{0, 1, 2, 0, 1, 2}, []int{0, 2, 1, 0, 0, 1}, (2 / (3.0/2 + 1)) / 3},
		"a class without labels":    {4, []int32{0, 0, 1, 1}, []int{0, 3, 1, 1}, (2/(1.0+2) + 1 + 0) / 3},
	} {
		assert.InDelta(t, test.want, scoreOf(t, &F1{}, test.classes, test.labels, test.predicted), 1e-15, name)
	}
	assert.True(t, (&F1{}).Better(0.5, 0.25))
}

func TestMatthews(t *testing.T) {
	for name, test := range map[string]struct {
		classes   int
		labels    []int32
		predicted []int
		want      float64
	}{
		// (TP*TN - FP*FN) / sqrt((TP+FP)(TP+FN)(TN+FP)(TN+FN)), with TP 2, TN 0, FP 1, FN 1.
		"scikit-learn's example": {2, []int32{1, 1, 1, 0}, []int{1, 0, 1, 1}, -1.0 / 3},
		"two classes":            {2, []int32{1, 1, 1, 1, 0, 0, 0}, []int{1, 1, 1, 0, 0, 0, 1}, (3*2 - 1*1) / math.Sqrt(4*4*3*3)},
		"all right":              {3, []int32{0, 1, 2, 2}, []int{0, 1, 2, 2}, 1},
		"all wrong":              {2, []int32{0, 1, 1}, []int{1, 0, 0}, -1},
		"constant predictions":   {2, []int32{0, 1, 1}, []int{1, 1, 1}, 0},
		"constant labels":        {2, []int32{1, 1, 1}, []int{1, 0, 1}, 0},
		// 2 of 4 right; products of counts by class 1*1+1*2+2*1, squares 1+1+4 twice.
		"three classes":         {3, []int32{0, 1, 2, 2}, []int{0, 2, 2, 1}, (2*4.0 - 1 - 1 - 4) / (16 - 6)},
		"NaN is another class":  {2, []int32{0, 1, 1, 0}, []int{0, 1, -1, -1}, (2*4.0 - 2 - 2) / math.Sqrt((16-8)*(16-6))},
		"NaN alone is constant": {2, []int32{0, 1}, []int{-1, -1}, 0},
	} {
		assert.InDelta(t, test.want, scoreOf(t, &Matthews{}, test.classes, test.labels, test.predicted), 1e-15, name)
	}
	assert.True(t, (&Matthews{}).Better(0.5, -1))
}

// Matthews is the correlation of the indicators of classes, summed over the classes.
func TestMatthewsIsACorrelation(t *testing.T) {
	const classes, n = 5, 300
	r := rand.New(rand.NewPCG(1, 2))
	labels, predicted := make([]int32, n), make([]int, n)
	for i := range labels {
		labels[i] = r.Int32N(classes)
		predicted[i] = r.IntN(classes)
		if i%2 == 0 {
			predicted[i] = int(labels[i])
		}
	}
	covariance := func(of func(i, class int) (x, y bool)) (sum float64) {
		for class := range classes {
			x, y, xy := 0.0, 0.0, 0.0
			for i := range n {
				a, b := of(i, class)
				if a {
					x++
				}
				if b {
					y++
				}
				if a && b {
					xy++
				}
			}
			sum += xy/n - x/n*y/n
		}
		return sum
	}
	isLabel := func(i, class int) bool { return int(labels[i]) == class }
	isPredicted := func(i, class int) bool { return predicted[i] == class }
	both := covariance(func(i, c int) (bool, bool) { return isLabel(i, c), isPredicted(i, c) })
	label := covariance(func(i, c int) (bool, bool) { return isLabel(i, c), isLabel(i, c) })
	prediction := covariance(func(i, c int) (bool, bool) { return isPredicted(i, c), isPredicted(i, c) })
	assert.InDelta(t, both/math.Sqrt(label*prediction), scoreOf(t, &Matthews{}, classes, labels, predicted), 1e-12)
}

func TestClassMetricErrors(t *testing.T) {
	targets := line(5)
	for _, m := range []Metric{&F1{}, &Matthews{}} {
		err := m.Reset(compile(t, net.Shape{1}, net.Dense{Out: 2}), targets)
		assert.EqualError(t, err, "the set has no labels", m.Name())
		set := &dataset.Set{Name: "made", Shape: net.Shape{1}, Classes: 1, X: []float32{0}, Labels: []int32{0}}
		err = m.Reset(compile(t, net.Shape{1}, net.Dense{Out: 1}, net.MSE{}), set)
		assert.EqualError(t, err, "the model has 1 output a label, want at least 2 classes", m.Name())
	}
}
