package train

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// R2 is the coefficient of determination of a model with targets: the share of their variance that
// the outputs explain, 1 - (sum of squared errors) / (sum of squares around the mean). 1 is
// perfect, 0 is no better than the targets' mean, and less is worse. With several targets a sample
// it is the mean over them. Where all samples have the same target, it is 1 if the outputs are
// right, and 0 otherwise.
type R2 struct {
	errors []float64 // by target: sum of squared errors
	spread []float64 // by target: sum of squares around the mean
}

// Name implements Metric.
func (*R2) Name() string { return "r2" }

// Reset implements Metric.
func (r *R2) Reset(model *net.Model, set *dataset.Set) error {
	targets, err := targetsOf(model, set)
	if err != nil {
		return err
	}
	r.errors, r.spread = make([]float64, targets), make([]float64, targets)
	mean := make([]float64, targets)
	for i, y := range set.Targets {
		mean[i%targets] += float64(y)
	}
	for target := range mean {
		mean[target] /= float64(set.Len())
	}
	for i, y := range set.Targets {
		d := float64(y) - mean[i%targets]
		r.spread[i%targets] += float64(d * d)
	}
	return nil
}

// Update implements Metric.
func (r *R2) Update(outputs []float32, batch net.Batch) {
	for i, y := range batch.Targets {
		d := float64(outputs[i]) - float64(y)
		r.errors[i%len(r.errors)] += float64(d * d)
	}
}

// Value implements Metric.
func (r *R2) Value() float64 {
	sum := 0.0
	for target, squares := range r.errors {
		switch spread := r.spread[target]; {
		case spread > 0:
			sum += 1 - squares/spread
		case squares == 0:
			sum++
		}
	}
	return sum / float64(len(r.errors))
}

// Better implements Metric.
func (*R2) Better(a, b float64) bool { return a > b }

// targetsOf returns the number of targets of a sample, and an error if a set doesn't have those
// that the model predicts.
func targetsOf(model *net.Model, set *dataset.Set) (int, error) {
	if len(set.Targets) == 0 {
		return 0, errors.New("the set has no targets")
	}
	targets := model.OutputShape().Size()
	if want := set.Len() * targets; len(set.Targets) != want {
		return 0, fmt.Errorf("%d targets, want %d for outputs of %v", len(set.Targets), want, model.OutputShape())
	}
	return targets, nil
}
