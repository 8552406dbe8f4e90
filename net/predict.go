package net

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// The samples that a worker predicts at a time, or rows of text: enough for products at full speed,
// and few enough for their values to stay in its cache.
const (
	predictTile = 64
	textTile    = 256
)

// predictTile returns how many samples a worker predicts at a time.
func (m *Model) predictTile() int { return m.tile(predictTile, textTile) }

// tile returns how many samples go through the model together: so many, or of text those that have
// so many rows if they are of full length.
func (m *Model) tile(samples, rows int) int {
	if m.Vocabulary() == 0 {
		return samples
	}
	return max(1, rows/m.InputShape()[0])
}

// Predict returns the predictions for samples x: with SoftmaxCrossEntropy, the probabilities of the
// classes; with MSE, the outputs. x is [N, InputShape...], the result [N, OutputShape...].
// Parameters that don't have the model's lengths are an error, and so is a length of x that isn't a
// positive multiple of the input's size.
//
// Each call packs the parameters and allocates memory. A Predictor does that once.
func (m *Model) Predict(params *Params, x []float32) ([]float32, error) {
	y, err := m.Outputs(params, x)
	if err != nil {
		return nil, err
	}
	m.predictions(y)
	return y, nil
}

// Outputs returns the outputs for samples x as they are before the loss: with SoftmaxCrossEntropy,
// the logits. Its arguments and errors are those of Predict.
func (m *Model) Outputs(params *Params, x []float32) ([]float32, error) {
	if err := m.ValidateParams(params); err != nil {
		return nil, err
	}
	n, err := m.samples(x)
	if err != nil {
		return nil, err
	}
	p := &prediction{model: m, params: params}
	if n > m.predictTile() {
		p.packs = m.forwardPacks(params)
	}
	y := make([]float32, n*m.OutputShape().Size())
	p.run(y, op.Batch{N: n, X: x})
	return y, nil
}

// errText is the error of methods that take samples of floats.
var errText = errors.New("net: the model reads text, not floats: Predictor.OutputsOf takes a batch")

// samples returns the number of samples that x holds.
func (m *Model) samples(x []float32) (int, error) {
	if m.Vocabulary() > 0 {
		return 0, errText
	}
	size := m.InputShape().Size()
	if len(x) == 0 {
		return 0, errors.New("net: no samples to predict")
	}
	if len(x)%size != 0 {
		return 0, fmt.Errorf("net: %d floats to predict from, want a multiple of %d, the size of a %v sample", len(x), size, m.InputShape())
	}
	return len(x) / size, nil
}

// predictions turns outputs into predictions, in place.
func (m *Model) predictions(y []float32) {
	shape := m.OutputShape()
	if m.program.OutputSequence() {
		shape = shape[1:] // of a token
	}
	m.Loss().Predict(op.Tensor{N: len(y) / shape.Size(), Shape: shape, Data: y})
}

// forwardPacks returns params packed for forward passes.
func (m *Model) forwardPacks(params *Params) program.Packs {
	packs := m.program.NewPacks(func(int) op.Directions { return op.Directions{Forward: true} })
	m.program.Pack(parallel.NewTeam(parallel.DefaultWorkers()), params.Values, packs)
	return packs
}

// prediction is a team's job: the outputs for some samples, tile by tile.
type prediction struct {
	model  *Model
	params *Params
	packs  program.Packs // nil if they aren't packed

	team    *parallel.Team
	workers []predictor
	room    []float32 // for the predictions of one sample

	tile  int       // samples of a tile
	batch op.Batch  // of the call under way
	y     []float32 // of the call under way: [N, OutputShape...]
}

// predictor is the memory of one worker.
type predictor struct {
	samples int // that work has room for
	work    *program.Workspace
	pass    program.Pass
	shards  [1]program.Shard
}

// run sets y to the outputs for a batch.
func (p *prediction) run(y []float32, batch op.Batch) {
	p.y, p.batch = y, batch
	defer func() { p.y, p.batch = nil, op.Batch{} }()
	p.tile = p.model.predictTile()
	tiles, samples := num.CeilDiv(batch.N, p.tile), min(batch.N, p.tile)
	workers := min(parallel.DefaultWorkers(), tiles)
	if workers > len(p.workers) {
		p.workers = append(p.workers, make([]predictor, workers-len(p.workers))...)
		p.team = parallel.NewTeam(workers)
	}
	for i := range p.workers[:workers] {
		if w := &p.workers[i]; w.samples < samples {
			w.samples = samples
			w.work = p.model.program.NewWorkspace(program.Size{Samples: samples, Shards: 1, Shard: samples}, nil)
		}
	}
	p.team.Run(tiles, p)
}

// Do computes the outputs for one tile.
func (p *prediction) Do(tile, worker int) {
	first := tile * p.tile
	w := &p.workers[worker]
	w.shards[0] = program.Shard{First: first, N: min(p.tile, p.batch.N-first)}
	w.pass = program.Pass{
		Batch: p.batch, Shards: w.shards[:],
		Params: p.params.Values, State: p.params.State, Packs: p.packs,
	}
	w.work.Infer(&w.pass)
	before, _ := p.model.program.OutputOf(p.batch, first, w.shards[0].N)
	copy(p.y[before:], w.work.Output().Data)
	w.pass = program.Pass{}
	w.work.Release()
}
