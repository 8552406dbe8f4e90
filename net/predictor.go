package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// Predictor predicts with a copy of the parameters, packed once for fast products. Any number of
// goroutines may use it at the same time. In steady state, a call allocates nothing.
type Predictor struct {
	model  *Model
	params *Params
	packs  program.Packs
	idle   parallel.Pool[prediction]
}

// Predictor returns a Predictor that has a copy of params: later changes of params don't reach it.
// Parameters that don't have the model's lengths are an error.
func (m *Model) Predictor(params *Params) (*Predictor, error) {
	if err := m.ValidateParams(params); err != nil {
		return nil, err
	}
	params = params.Clone()
	return &Predictor{model: m, params: params, packs: m.forwardPacks(params)}, nil
}

// Model returns the model that p predicts with.
func (p *Predictor) Model() *Model { return p.model }

// Predict returns the predictions for samples x, bit for bit those of Model.Predict: with
// SoftmaxCrossEntropy, probabilities. x is [N, InputShape...], the result [N, OutputShape...]. The
// result lies in dst's memory if it fits there; dst may be nil, and must not overlap x. A length of
// x that isn't a positive multiple of the input's size is an error.
func (p *Predictor) Predict(dst, x []float32) ([]float32, error) {
	dst, err := p.Outputs(dst, x)
	if err != nil {
		return nil, err
	}
	p.model.predictions(dst)
	return dst, nil
}

// Outputs returns the outputs for samples x, bit for bit those of Model.Outputs: with
// SoftmaxCrossEntropy, logits. Its arguments and errors are those of Predict.
func (p *Predictor) Outputs(dst, x []float32) ([]float32, error) {
	n, err := p.model.samples(x)
	if err != nil {
		return nil, err
	}
	return p.outputs(dst, op.Batch{N: n, X: x}), nil
}

// OutputsOf returns the outputs for the samples of a batch, whatever its labels or targets: the
// form of Outputs that takes text, too. If outputs are sequences, the result has a row for each
// token. The result lies in dst's memory if it fits there. A batch that doesn't fit the model is an
// error.
func (p *Predictor) OutputsOf(dst []float32, b Batch) ([]float32, error) {
	if err := p.model.program.ValidateSamples(b); err != nil {
		return nil, wrap(err)
	}
	return p.outputs(dst, b), nil
}

// outputs returns the outputs for a batch that fits the model, in dst's memory if they fit there.
func (p *Predictor) outputs(dst []float32, b Batch) []float32 {
	_, floats := p.model.program.OutputOf(b, 0, b.N)
	dst = room(dst, floats)
	job := p.idle.Get()
	p.run(job, dst, b)
	p.idle.Put(job)
	return dst
}

// PredictOf returns the predictions for the samples of a batch. Its arguments, result and errors
// are those of OutputsOf.
func (p *Predictor) PredictOf(dst []float32, b Batch) ([]float32, error) {
	dst, err := p.OutputsOf(dst, b)
	if err != nil {
		return nil, err
	}
	p.model.predictions(dst)
	return dst, nil
}

// Classify returns the class with the largest prediction for one sample, and that prediction: with
// SoftmaxCrossEntropy, the most probable class and its probability. Of equal predictions, the first
// counts. It is an error if the model reads text, if its outputs aren't flat, one for each class,
// if sample doesn't have the size of the model's input, and if a prediction is NaN.
func (p *Predictor) Classify(sample []float32) (class int, probability float32, err error) {
	shape := p.model.OutputShape()
	if len(shape) != 1 {
		return 0, 0, fmt.Errorf("net: can't classify by outputs of shape %v, want one for each class", shape)
	}
	if p.model.Vocabulary() > 0 {
		return 0, 0, errText
	}
	if want := p.model.InputShape().Size(); len(sample) != want {
		return 0, 0, fmt.Errorf("net: a sample of %d floats to classify, want %d, the size of a %v sample", len(sample), want, p.model.InputShape())
	}
	job := p.idle.Get()
	defer p.idle.Put(job)
	job.room = room(job.room, shape[0])
	p.run(job, job.room, op.Batch{N: 1, X: sample})
	p.model.predictions(job.room)
	for i, value := range job.room {
		if value != value {
			return 0, 0, fmt.Errorf("net: the prediction for class %d is NaN", i)
		}
		if value > job.room[class] {
			class = i
		}
	}
	return class, job.room[class], nil
}

// run sets y to the outputs for a batch.
func (p *Predictor) run(job *prediction, y []float32, batch op.Batch) {
	job.model, job.params, job.packs = p.model, p.params, p.packs
	job.run(y, batch)
}
