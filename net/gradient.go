package net

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
)

// The samples, or rows of text, that go through the model together: enough for products at full
// speed.
const (
	gradientTile = 128
	gradientRows = 512
)

// Gradient sets g to the gradient of a batch's mean loss by the parameters, and returns the mean
// loss: the building block of training algorithms of your own. g has NumParams floats, laid out as
// params.Values.
//
// Layers behave as in training. Dropout takes its random bits from seed, so the same seed drops the
// same elements. BatchNorm normalizes by the whole batch; the running state in params is neither
// read nor written.
//
// g must not overlap the parameters or the batch. Parameters, a batch or a g that don't fit the
// model are an error, and so are fewer samples than MinShard. Then g is as it was. Losses and
// gradients may overflow: check that they are finite.
//
// The result doesn't depend on the number of workers. Any number of goroutines may call Gradient at
// the same time. Once batches of the largest size have been through, a call allocates nothing.
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
		return 0, fmt.Errorf("net: a batch of %d samples, the model's normalization needs at least %d", b.N, m.MinShard())
	}
	d := m.idle.Get()
	defer func() {
		d.g, d.pass = nil, program.Pass{}
		m.idle.Put(d)
	}()
	tile := d.reserve(m, b.N)
	terms := float64(m.Loss().Terms(b))
	d.g = g
	d.pass = program.Pass{
		Batch: b, Scale: 1 / terms, Team: d.team, Params: params.Values, Train: true, Seed: seed,
		Gradients: d, Losses: d.losses[:], Shards: d.shards[:],
	}
	for first := 0; first < b.N; first += tile {
		d.shards[0] = program.Shard{First: first, N: min(tile, b.N-first)}
		d.work.Forward(&d.pass)
		d.work.Backward(&d.pass)
		loss += d.losses[0]
	}
	d.work.Release()
	return loss / terms, nil
}

// differentiator is the memory of one call of Gradient, kept for the next.
type differentiator struct {
	ops     []program.OpInfo
	couples bool // some op does
	team    *parallel.Team
	work    *program.Workspace
	samples int // that work has room for

	// The call under way.
	g      []float32
	pass   program.Pass
	shards [1]program.Shard
	losses [1]float64
}

// reserve makes room for a batch of n samples, and returns how many of them go through the model
// together: all of them, if an op couples samples.
func (d *differentiator) reserve(m *Model, n int) (tile int) {
	if d.ops == nil {
		d.ops, d.team = m.program.Ops(), parallel.NewTeam(parallel.DefaultWorkers())
		for _, o := range d.ops {
			d.couples = d.couples || o.Traits.Couples
		}
	}
	tile = min(n, m.tile(gradientTile, gradientRows))
	if d.couples {
		tile = n
	}
	if tile > d.samples {
		d.samples = tile
		d.work = m.program.NewWorkspace(program.Size{Samples: tile, Shards: 1, Shard: tile, Backward: true, Factored: make([]bool, len(m.program.Ops()))}, nil)
	}
	return tile
}

// Of implements program.Gradients. The first tile sets the gradient, and the others add to it.
func (d *differentiator) Of(i, _ int) (g []float32, add bool) {
	o := d.ops[i] // the owner of its parameters
	return d.g[o.Offset:][:o.Params], d.shards[0].First > 0
}
