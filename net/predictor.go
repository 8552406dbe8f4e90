package net

import (
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// Predictor predicts with parameters that don't change, call after call. It is safe
// for use by many goroutines. In steady state a call allocates nothing.
type Predictor struct {
	model  *Model
	params *Params
	packs  program.Packs
	idle   parallel.Pool[prediction]
}

// Predictor returns a Predictor for a copy of params.
func (m *Model) Predictor(params *Params) (*Predictor, error) {
	if err := m.ValidateParams(params); err != nil {
		return nil, err
	}
	params = params.Clone()
	return &Predictor{model: m, params: params, packs: m.forwardPacks(params)}, nil
}

// Model returns the model that p predicts with.
func (p *Predictor) Model() *Model { return p.model }

// Predict returns the predictions for samples x, as Model.Predict does. It writes them
// to dst, which may be nil, if that has room for them.
func (p *Predictor) Predict(dst, x []float32) ([]float32, error) {
	dst, err := p.Outputs(dst, x)
	if err != nil {
		return nil, err
	}
	p.model.predictions(dst)
	return dst, nil
}

// Outputs returns the outputs for samples x, before the loss, as Model.Outputs does. It
// writes them to dst, which may be nil, if that has room for them.
func (p *Predictor) Outputs(dst, x []float32) ([]float32, error) {
	n, err := p.model.samples(x)
	if err != nil {
		return nil, err
	}
	floats := n * p.model.OutputShape().Size()
	dst = slices.Grow(dst[:0], floats)[:floats]
	job := p.idle.Get()
	job.model, job.params, job.packs, job.y = p.model, p.params, p.packs, dst
	job.run(op.Batch{N: n, X: x})
	p.idle.Put(job)
	return dst, nil
}

// Classify returns the class that the model finds most probable for one sample, and the
// probability that it gives it. The model's outputs must be flat, one for each class.
func (p *Predictor) Classify(sample []float32) (class int, probability float32, err error) {
	if shape := p.model.OutputShape(); len(shape) != 1 {
		return 0, 0, fmt.Errorf("net: can't classify by outputs of shape %v, want one for each class", shape)
	}
	if want := p.model.InputShape().Size(); len(sample) != want {
		return 0, 0, fmt.Errorf("net: a sample of %d floats to classify, want %d, the size of a %v sample", len(sample), want, p.model.InputShape())
	}
	var room [64]float32
	probabilities, err := p.Predict(room[:0], sample)
	if err != nil {
		return 0, 0, err
	}
	for i, value := range probabilities {
		if value > probabilities[class] {
			class = i
		}
	}
	return class, probabilities[class], nil
}
