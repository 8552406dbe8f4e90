package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Evaluate predicts that many samples at a time, and fewer if they or their outputs are large.
const (
	evaluated       = 1024
	evaluatedFloats = 1 << 24
)

// together returns how many samples of a set Evaluate predicts at a time. The outputs of a language
// model are the larger part: a number for each token of a sample and each of the vocabulary.
func together(model *net.Model, set *dataset.Set) int {
	largest := max(set.Shape.Size(), model.OutputShape().Size())
	return max(1, min(evaluated, evaluatedFloats/largest))
}

// Evaluate measures a model on a set. It predicts with a copy of the parameters.
func Evaluate(model *net.Model, params *net.Params, set *dataset.Set, metrics ...Metric) (Scores, error) {
	return EvaluateContext(context.Background(), model, params, set, metrics...)
}

// EvaluateContext is Evaluate, but ends early with ctx's error when ctx is done.
func EvaluateContext(ctx context.Context, model *net.Model, params *net.Params, set *dataset.Set, metrics ...Metric) (Scores, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if model == nil || set == nil {
		return nil, errors.New("train: Evaluate needs a model and a set")
	}
	if err := validate(metrics); err != nil {
		return nil, err
	}
	if err := fits(model, set); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return evaluate(model, params, set, metrics, newRanks(nil), func(first bool, reading error) error {
		if !first && ctx.Err() != nil {
			return ctx.Err()
		}
		return reading
	})
}

// evaluate asks obstacle before it predicts a part of the set whether there is a reason not to. The
// samples of a set that streams are read while the model predicts those before.
func evaluate(model *net.Model, params *net.Params, set *dataset.Set, metrics []Metric, ranks *rankSet, obstacle func(first bool, reading error) error) (Scores, error) {
	for _, m := range metrics {
		if err := m.Reset(model, set); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", m.Name(), set.Name, err)
		}
	}
	predictor, err := model.Predictor(params)
	if err != nil {
		return nil, err
	}
	var outputs []float32
	for batch, err := range set.InOrder(together(model, set)) {
		if err := ranks.meet(obstacle(outputs == nil, err)); err != nil {
			return nil, err
		}
		if outputs, err = ranks.outputs(outputs, predictor, batch); err != nil {
			return nil, err
		}
		for _, m := range metrics {
			m.Update(outputs, batch)
		}
	}
	scores := Scores{}
	for _, m := range metrics {
		scores[m.Name()] = m.Value()
	}
	return scores, nil
}
