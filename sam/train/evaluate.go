package train

import (
	"context"
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// evaluated is how many samples Evaluate predicts at a time.
const evaluated = 1024

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
	return evaluate(ctx, model, params, set, metrics)
}

// evaluate looks at ctx between parts of the set.
func evaluate(ctx context.Context, model *net.Model, params *net.Params, set *dataset.Set, metrics []Metric) (Scores, error) {
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
	for first := 0; first < set.Len(); first += evaluated {
		if first > 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		batch := set.Range(first, min(evaluated, set.Len()-first))
		if outputs, err = predictor.Outputs(outputs, batch.X); err != nil {
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
