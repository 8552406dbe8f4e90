package net

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/internal/parallel"
)

// predictTile is the samples that a worker predicts at a time: enough for the
// products to run at full speed, and few enough to stay in its cache.
const predictTile = 64

// Predict returns the model's predictions for samples x: what its loss makes
// of its outputs, probabilities for SoftmaxCrossEntropy. The result is [N,
// OutputShape...].
func (m *Model) Predict(params *Params, x []float32) ([]float32, error) {
	y, err := m.Outputs(params, x)
	if err != nil {
		return nil, err
	}
	m.loss.Predict(Tensor{N: len(y) / m.OutputShape().Size(), Shape: m.OutputShape(), Data: y})
	return y, nil
}

// Outputs returns the model's outputs for samples x, before the loss: logits
// for SoftmaxCrossEntropy. The result is [N, OutputShape...].
func (m *Model) Outputs(params *Params, x []float32) ([]float32, error) {
	if err := m.CheckParams(params); err != nil {
		return nil, err
	}
	size := m.InputShape().Size()
	if len(x) == 0 {
		return nil, errors.New("net: no samples to predict")
	}
	if len(x)%size != 0 {
		return nil, fmt.Errorf("net: %d floats to predict from, want a multiple of %d, the size of a %v sample", len(x), size, m.InputShape())
	}
	n := len(x) / size
	p := &prediction{
		model: m,
		pass:  Pass{Batch: Batch{N: n, X: x}, Params: params.Values, State: params.State},
		y:     make([]float32, n*m.OutputShape().Size()),
	}
	tiles := (n + predictTile - 1) / predictTile
	workers := min(parallel.DefaultWorkers(), tiles)
	for range workers {
		p.workspaces = append(p.workspaces, m.NewWorkspace(Size{Samples: min(n, predictTile), Shards: 1, Shard: min(n, predictTile)}, nil))
	}
	team := parallel.NewTeam(workers)
	if tiles > 1 {
		p.pass.Packs = m.NewPacks(func(int) Passes { return Passes{Forward: true} })
		m.Pack(team, params.Values, p.pass.Packs)
	}
	team.Run(tiles, p)
	return p.y, nil
}

type prediction struct {
	model      *Model
	pass       Pass
	workspaces []*Workspace // by worker
	y          []float32
}

// Do predicts one tile.
func (p *prediction) Do(tile, worker int) {
	first := tile * predictTile
	n := min(predictTile, p.pass.Batch.N-first)
	pass := p.pass
	pass.Shards = []Shard{{first, n}}
	w := p.workspaces[worker]
	w.run(&pass)
	size := p.model.OutputShape().Size()
	copy(p.y[first*size:], w.values[len(w.values)-1].Data)
}
