package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/simd"
)

// Plan is how a step is computed. Its arithmetic decides the bits of the
// result; its schedule decides the time, and can't change a bit.
type Plan struct {
	Arithmetic
	Schedule

	// Flops is the floating-point operations of a step, in matrix products.
	Flops int64
	// Bytes is all the memory that a step writes but for the parameters, the
	// optimiser's state and the buffers of blas.
	Bytes int

	ops []net.OpInfo
}

// Arithmetic is a function of the model, the shards' sizes, the instruction
// set and the configuration, Workers apart.
type Arithmetic struct {
	ISA     simd.ISA
	Shards  []net.Shard
	Units   []span     // runs of shards whose gradients are summed in order; their sums are added as a tree
	Perturb []net.Kind // by op; Same if nothing is perturbed
	Late    []bool     // by op: its gradient is one call a step
	ByUnits []bool     // by op: its gradient is summed by units; ops without parameters have neither
}

// span is a half-open range of indices.
type span struct{ from, to int }

// maxUnits is the most units: more would only take memory, since a unit's sum
// is a vector of parameters.
const maxUnits = 16

// newArithmetic decides the arithmetic for batches of cfg.Batch samples.
func newArithmetic(model *net.Model, cfg Config) Arithmetic {
	a := Arithmetic{ISA: simd.Active()}
	a.cut(cfg.Batch, cfg.Shards)
	for _, op := range model.Ops() {
		late := op.Traits.Late && cfg.Force.Sum != Units
		a.Perturb = append(a.Perturb, perturbation(op, cfg, a.largest()))
		a.Late = append(a.Late, op.Params > 0 && late)
		a.ByUnits = append(a.ByUnits, op.Params > 0 && !late)
	}
	return a
}

// of returns a for a batch of n samples, at most as many as a was made for:
// the same in all but the shards, whose size stays.
func (a Arithmetic) of(n int) Arithmetic {
	a.cut(n, ceilDiv(n, a.largest()))
	return a
}

// cut cuts n samples into shards, and those into units.
func (a *Arithmetic) cut(n, shards int) {
	a.Shards, a.Units = nil, nil
	for i := range shards {
		from, to := parallel.Cut(n, 1, shards, i)
		a.Shards = append(a.Shards, net.Shard{First: from, N: to - from})
	}
	units := min(shards, maxUnits)
	for u := range units {
		from, to := parallel.Cut(shards, 1, units, u)
		a.Units = append(a.Units, span{from, to})
	}
}

// largest returns the samples of the largest shard.
func (a Arithmetic) largest() (n int) {
	for _, s := range a.Shards {
		n = max(n, s.N)
	}
	return n
}

// costs are what forming perturbed parameters costs beside the gradient's
// product, for the choice between formed and factored: a parameter is written
// with its gradient, read and written with its sum, and packed twice, and each
// byte takes the time of some operations. Measured on a Zen 4 core with 1 MiB
// of L2 (docs/MSAM.md); the choice is not sharp, since near it both cost the
// same.
var costs = struct{ formedBytes, flopsPerByte int64 }{formedBytes: 32, flopsPerByte: 4}

// perturbation chooses how shards of n samples perturb an op.
func perturbation(op net.OpInfo, cfg Config, n int) net.Kind {
	switch {
	case cfg.Rho == 0 || op.Params == 0:
		return net.Same
	case op.Factored == nil || cfg.Force.Perturb == Formed:
		return net.Formed
	case cfg.Force.Perturb == Factored:
		return net.Factor
	}
	formed := int64(n)*op.Traits.Flops.Gradient + int64(op.Params)*costs.formedBytes*costs.flopsPerByte
	if op.Factored.DeltaFlops(n, op.FirstInput) < formed {
		return net.Factor
	}
	return net.Formed
}

// Schedule may depend on cores and caches.
type Schedule struct {
	Workers int
	// Together: all workers share each op of one tile. Otherwise each worker
	// takes tiles of its own.
	Together bool
	Tiles    []span // runs of shards that go through the model together
	Tasks    []span // runs of tiles that one worker takes, in order
}

// newSchedule decides how an arithmetic is carried out. shardsPerTile is 0 to
// be chosen.
func newSchedule(model *net.Model, a Arithmetic, cfg Config, shardsPerTile int) Schedule {
	s := Schedule{Workers: cfg.Workers}
	shards := len(a.Shards)
	s.Together = shards < cfg.Workers || cfg.Workers == 1 || cfg.Force.Together
	if shardsPerTile == 0 {
		shardsPerTile = tileShards(model, a, cfg)
	}
	for from := 0; from < shards; from += shardsPerTile {
		s.Tiles = append(s.Tiles, span{from, min(shards, from+shardsPerTile)})
	}
	if s.Together {
		s.Tasks = []span{{0, len(s.Tiles)}}
		return s
	}
	from := 0
	for t, tile := range s.Tiles {
		if a.mayPart(tile.to) { // as it may after the last
			s.Tasks = append(s.Tasks, span{from, t + 1})
			from = t + 1
		}
	}
	return s
}

// tileShards chooses how many shards go through the model together: as many
// as keep a tile's values and gradients in half of a core's L2, for products
// that are as tall as that allows, and a number of tiles that shares out
// evenly among the workers.
func tileShards(model *net.Model, a Arithmetic, cfg Config) int {
	if cfg.Force.ShardsPerTile > 0 {
		return min(cfg.Force.ShardsPerTile, len(a.Shards))
	}
	shards := len(a.Shards)
	if shards < cfg.Workers {
		return shards
	}
	samples := max(minTile, simd.Processor().L2/2/max(1, model.SampleBytes()))
	perTile := max(1, min(shards, samples/a.largest()))
	tiles := ceilDiv(shards, perTile)
	tiles = min(shards, ceilDiv(tiles, cfg.Workers)*cfg.Workers)
	return ceilDiv(shards, tiles)
}

// minTile is the fewest samples for which a tile's products run near full
// speed.
const minTile = 64

// mayPart reports whether different workers may take the shards before one and
// those from it on: not within a unit, whose shards are summed in order.
func (a Arithmetic) mayPart(shard int) bool {
	if !slices.Contains(a.ByUnits, true) {
		return true
	}
	return slices.ContainsFunc(a.Units, func(u span) bool { return u.to == shard })
}

// flops counts the operations of a step.
func (p *Plan) flops() (total int64) {
	for i := range p.ops {
		clean, descent := p.opFlops(i)
		total += clean + descent
	}
	return total
}

// opFlops returns the operations of op i in the two passes of a step; without
// a perturbation there is the second alone.
func (p *Plan) opFlops(i int) (clean, descent int64) {
	op := p.ops[i]
	f := op.Traits.Flops
	pass := f.Forward
	if !op.FirstInput {
		pass += f.Backward
	}
	perturbs := p.perturbs()
	for _, s := range p.Shards {
		n := int64(s.N)
		descent += n * (pass + f.Gradient)
		if !perturbs {
			continue
		}
		clean += n * pass
		switch p.Perturb[i] {
		case net.Formed:
			clean += n * f.Gradient
		case net.Factor:
			descent += op.Factored.DeltaFlops(s.N, op.FirstInput)
		}
	}
	return clean, descent
}

// perturbs reports whether the step has a clean pass.
func (p *Plan) perturbs() bool {
	return slices.ContainsFunc(p.Perturb, func(k net.Kind) bool { return k != net.Same })
}
