package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
)

// gradientTile is the samples that go through the model together: enough for the
// products to run at full speed.
const gradientTile = 128

// Gradient sets g to the gradient of a batch's mean loss by the parameters, for
// algorithms of one's own, and returns the loss. g is laid out as params.Values. Layers
// behave as in training: Dropout takes its random bits from seed, and BatchNorm
// normalizes by the batch, but the running state stays as it is.
//
// The result doesn't depend on the number of cores. In steady state, for batches of
// one size, a call allocates nothing. Any number of goroutines may call it at once.
func (m *Model) Gradient(params *Params, b Batch, seed uint64, g []float32) (loss float64, err error) {
	if err := m.ValidateParams(params); err != nil {
		return 0, err
	}
	if err := m.ValidateBatch(b); err != nil {
		return 0, err
	}
	if len(g) != m.NumParams() {
		return 0, fmt.Errorf("net: a gradient of %d floats, the model has %d parameters", len(g), m.NumParams())
	}
	if b.N < m.MinShard() {
		return 0, fmt.Errorf("net: a batch of %d samples, and the model's normalization needs %d", b.N, m.MinShard())
	}
	d := m.idle.Get()
	defer m.idle.Put(d)
	d.size(m, b.N)
	terms := float64(m.Loss().Terms(b))
	d.g = g
	d.pass = program.Pass{
		Batch: b, Scale: 1 / terms, Team: d.team, Params: params.Values, Train: true, Seed: seed,
		Gradients: d, Losses: d.losses[:], Shards: d.shards[:],
	}
	for first := 0; first < b.N; first += d.tile {
		d.shards[0] = program.Shard{First: first, N: min(d.tile, b.N-first)}
		d.work.Forward(&d.pass)
		d.work.Backward(&d.pass)
		loss += d.losses[0]
	}
	d.g, d.pass = nil, program.Pass{}
	return loss / terms, nil
}

// differentiator is the memory of one call of Gradient, kept for the next.
type differentiator struct {
	ops  []program.OpInfo
	work *program.Workspace
	team *parallel.Team
	tile int

	g      []float32
	pass   program.Pass
	shards [1]program.Shard
	losses [1]float64
}

// size makes room for a batch of n samples. It goes through the model in tiles, or in
// one piece where its samples see each other.
func (d *differentiator) size(m *Model, n int) {
	if d.ops == nil {
		d.ops, d.team = m.program.Ops(), parallel.NewTeam(parallel.DefaultWorkers())
	}
	tile := min(n, gradientTile)
	for _, o := range d.ops {
		if o.Traits.Couples {
			tile = n
		}
	}
	if tile != d.tile {
		d.tile = tile
		d.work = m.program.NewWorkspace(program.Size{Samples: tile, Shards: 1, Shard: tile, Backward: true}, nil)
	}
}

// Of implements program.Gradients. The first tile sets the gradient, and others add to
// it.
func (d *differentiator) Of(i, _ int) (g []float32, add bool) {
	o := d.ops[i]
	return d.g[o.Offset:][:o.Params], d.shards[0].First > 0
}
