package train

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Pearson is Pearson's correlation coefficient of targets and outputs, from -1 to 1; with several
// targets a sample the mean over them. It is 0 where all targets, or all outputs, are the same,
// since such outputs tell nothing, and NaN if an output isn't finite.
type Pearson struct{ pairs pairs }

// Name implements Metric.
func (*Pearson) Name() string { return "pearson" }

// Reset implements Metric.
func (p *Pearson) Reset(model *net.Model, set *dataset.Set) error { return p.pairs.reset(model, set) }

// Update implements Metric.
func (p *Pearson) Update(outputs []float32, batch net.Batch) { p.pairs.add(outputs, batch) }

// Value implements Metric.
func (p *Pearson) Value() float64 { return p.pairs.mean(correlation) }

// Better implements Metric.
func (*Pearson) Better(a, b float64) bool { return a > b }

// Spearman is Spearman's rank correlation of targets and outputs: Pearson's of their ranks, where
// equal values share the mean of their ranks. With several targets a sample it is the mean over
// them. It is 0 where all targets, or all outputs, are the same, and NaN if an output is NaN.
type Spearman struct{ pairs pairs }

// Name implements Metric.
func (*Spearman) Name() string { return "spearman" }

// Reset implements Metric.
func (s *Spearman) Reset(model *net.Model, set *dataset.Set) error { return s.pairs.reset(model, set) }

// Update implements Metric.
func (s *Spearman) Update(outputs []float32, batch net.Batch) { s.pairs.add(outputs, batch) }

// Value implements Metric.
func (s *Spearman) Value() float64 {
	return s.pairs.mean(func(targets, outputs []float64) float64 {
		if slices.ContainsFunc(outputs, math.IsNaN) {
			return math.NaN()
		}
		return correlation(ranks(targets), ranks(outputs))
	})
}

// Better implements Metric.
func (*Spearman) Better(a, b float64) bool { return a > b }

// correlation returns Pearson's coefficient; 0 if one of the two doesn't vary.
func correlation(x, y []float64) float64 {
	if slices.Max(x) == slices.Min(x) || slices.Max(y) == slices.Min(y) {
		return 0
	}
	return stat.Correlation(x, y, nil)
}

// ranks returns the ranks of values, from 1 on. Equal values share the mean of their ranks.
func ranks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	r := make([]float64, len(values))
	for first := 0; first < len(order); {
		end := first + 1
		for end < len(order) && values[order[end]] == values[order[first]] {
			end++
		}
		for _, i := range order[first:end] {
			r[i] = float64(first+end+1) / 2
		}
		first = end
	}
	return r
}

// pairs keeps targets and outputs, target by target.
type pairs struct{ targets, outputs [][]float64 }

func (p *pairs) reset(model *net.Model, set *dataset.Set) error {
	targets, err := targetsOf(model, set)
	p.targets, p.outputs = make([][]float64, targets), make([][]float64, targets)
	return err
}

func (p *pairs) add(outputs []float32, batch net.Batch) {
	for i, y := range batch.Targets {
		target := i % len(p.targets)
		p.targets[target] = append(p.targets[target], float64(y))
		p.outputs[target] = append(p.outputs[target], float64(outputs[i]))
	}
}

// mean returns the mean of a coefficient over the targets.
func (p *pairs) mean(of func(targets, outputs []float64) float64) float64 {
	sum := 0.0
	for target, y := range p.targets {
		sum += of(y, p.outputs[target])
	}
	return sum / float64(len(p.targets))
}
