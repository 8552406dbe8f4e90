package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
)

// costs are in floating-point operations, for choices between ways to compute the same
// result. They were measured on Zen 4 and Golden Cove (docs/MSAM.md). No choice is sharp:
// near the threshold both ways cost the same.
var costs = struct {
	flopsPerByte int64 // operations in the time that a byte takes to or from memory
	formedBytes  int64 // moved for each formed parameter: its gradient written, its sum read and written, packed twice
	formedByUnit int64 // the same where the gradient is summed by units, and so written in any case
	reuse        int64 // how many times longer a tile's products should take than reading the parameters
	handOver     int64 // operations in the time that workers take to share a call of an op
	busy         int64 // percent of a shared call's time in which all workers have something to do
	busyFormed   int64 // the same of an op whose parameters are formed: it is called shard by shard
}{flopsPerByte: 4, formedBytes: 32, formedByUnit: 12, reuse: 10, handOver: 1 << 18, busy: 88, busyFormed: 75}

// perturbations chooses how shards of n samples perturb each op, whose parameters' regions
// are given: factored where that takes less. But the factors are of a whole shard, which
// then goes through the model in one piece. If it could go in parts instead, the saving
// must be worth more than fetching its values from memory.
func perturbations(prog *program.Program, cfg Config, regions [][]region, n, part int) (kinds []program.Perturbation) {
	saved := int64(0)
	for i, op := range prog.Ops() {
		kind := program.Formed
		whole := !slices.ContainsFunc(regions[i], func(r region) bool { return r.scaling == zero })
		switch {
		case cfg.Rho == 0 || cfg.Ascent.Momentum || !perturbs(regions[i]):
			kind = program.Unperturbed
		case op.Factorable == nil || !whole || cfg.force.perturb == formed || cfg.Ascent.forms() || cfg.Descent.selects() || cfg.needsClean() && !cfg.defers(op):
		case cfg.force.perturb == factored:
			kind = program.Factored
		default:
			bytes := costs.formedByUnit
			if op.Traits.Deferred {
				bytes = costs.formedBytes
			}
			formed := int64(op.Params) * bytes * costs.flopsPerByte
			if !cfg.needsClean() { // otherwise the factored form takes the gradient's product, too
				formed += int64(n) * op.Traits.Flops.Gradient
			}
			if saves := formed - op.Factorable.DeltaFlops(n, op.FirstInput); saves > 0 {
				kind = program.Factored
				saved += saves
			}
		}
		kinds = append(kinds, kind)
	}
	if cfg.force.perturb == autoPerturb && part < n && saved < int64(n)*int64(prog.SampleBytes())*costs.flopsPerByte {
		for i, kind := range kinds {
			if kind == program.Factored {
				kinds[i] = program.Formed
			}
		}
	}
	return kinds
}

// countFlops counts the operations of a step.
func (p *plan) countFlops() (total int64) {
	for i := range p.ops {
		clean, descent := p.opFlops(i)
		total += clean + descent
	}
	return total
}

// opFlops returns the operations of op i in the two passes of a step. Without a
// perturbation there is only the second.
func (p *plan) opFlops(i int) (clean, descent int64) {
	op := p.ops[i]
	f, perturb := op.Traits.Flops, p.perturb[op.Owner]
	for _, s := range p.shards {
		n := int64(s.N)
		descent += n * f.Forward
		if p.teachesAnew() { // otherwise that was the teacher's, and the student's is the clean one
			descent += n * f.Forward
		}
		n = int64(p.descent.of(s.N))
		if p.backward[i] {
			descent += n * f.Backward
		}
		if p.trains[i] {
			descent += n * f.Gradient
		}
		if !p.perturbs() {
			continue
		}
		n = int64(p.ascent.Samples(s.N))
		clean += n * f.Forward
		if p.cleanBackward[i] {
			clean += n * f.Backward
		}
		switch {
		case perturb == program.Formed && !p.ascent.NormOnly:
			clean += int64(p.ascent.Tensors * float64(n*f.Gradient))
		case perturb == program.Factored:
			descent += op.Factorable.DeltaFlops(s.N, op.FirstInput)
			if p.sumsClean {
				clean += n * f.Gradient
			}
		}
	}
	clean *= int64(p.ascent.Steps)
	return clean, descent
}

// opBytes estimates how many bytes the step reads and writes for op i: values and
// gradients in each pass; parameters for each tile; their gradients for each part, or once
// if they are deferred; and, where they are formed, a shard's own parameters.
func (p *plan) opBytes(i int) int64 {
	op := p.ops[i]
	in, out, params, reads := int64(op.In), int64(op.Out), int64(p.ops[op.Owner].Params), p.reads(i)
	sample, tile := in+2*out, reads // forward, and the output's gradient
	if p.backward[i] {
		sample, tile = sample+in, 2*reads
	}
	gradients := int64(0)
	if p.trains[i] {
		gradients = params
	}
	if p.byUnits[op.Owner] {
		gradients = 2 * params * int64(len(p.parts))
	}
	if p.trains[i] {
		sample += in + out
	}
	pass := sample*int64(p.samples()) + tile*int64(len(p.tiles))
	floats := pass + gradients
	if p.perturbs() {
		floats += pass * int64(p.ascent.Steps)
	}
	if p.teachesAnew() {
		floats += (in+out)*int64(p.samples()) + reads*int64(len(p.tiles))
	}
	if p.perturb[i] == program.Formed {
		floats += (gradients + 3*params*int64(len(p.shards))) * int64(p.ascent.Steps)
	}
	return 4 * floats
}

// reads returns how many parameters op i reads in a pass over a tile: those that it uses, its own
// or another's. Of a table for token ids, it is a few rows, which count as values.
func (p *plan) reads(i int) int64 {
	if p.ops[i].Traits.Vocabulary > 0 {
		return 0
	}
	return int64(p.ops[p.ops[i].Owner].Params)
}

// time estimates, in operations of a core, how long workers take for some parts in a number of
// tiles, sharing each call of an op.
func (p *plan) time(parts num.Span, tiles, workers int) (time int64) {
	samples := int64(0)
	for _, part := range p.parts[parts.From:parts.To] {
		samples += int64(part.N)
	}
	for i, op := range p.ops {
		clean, descent := p.opFlops(i)
		passes, reads := int64(1), int64(1)
		if p.perturbs() {
			passes = 1 + int64(p.ascent.Steps)
		}
		if p.teachesAnew() {
			passes++
		}
		if p.backward[i] {
			reads = 2
		}
		params := 4 * p.reads(i) * reads * passes * int64(tiles)
		own := (clean+descent)*samples/int64(p.samples()) + params*costs.flopsPerByte
		if workers > 1 {
			busy := costs.busy
			if p.perturb[op.Owner] == program.Formed {
				busy = costs.busyFormed
			}
			own = min(own, own*100/(busy*int64(workers))+2*passes*int64(tiles)*costs.handOver)
		}
		time += own
	}
	return time
}
