package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
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
	// optimizer's state and the buffers of blas: what Memory adds up to. It is known
	// before any is allocated.
	Bytes  int
	Memory Memory

	ops []program.OpInfo
}

// Arithmetic is a function of the model, the shards' sizes, the instruction
// set and the configuration, Workers apart.
type Arithmetic struct {
	ISA    simd.ISA
	Shards []program.Shard // each perturbs by its own gradient
	Parts  []program.Shard // runs of samples whose gradients are computed by one call: the shards, or what they are cut into
	Clean  []program.Shard // by part: which of its samples, from the first on, go through the clean pass; none if there is none
	Units  []span          // runs of parts whose gradients are summed in order; their sums are added as a tree

	// PassByPass: all parts of a shard go through the clean pass before any goes
	// through the descent, at parameters that are formed as a whole. Otherwise
	// shards are no more than a part each, and go through both passes tile by tile.
	PassByPass bool

	Ascent  Ascent                 // with its defaults filled in
	Perturb []program.Perturbation // by op; Same if nothing is perturbed
	Late    []bool                 // by op: its gradient is one call a step
	ByUnits []bool                 // by op: its gradient is summed by units; ops without parameters have neither
}

// span is a half-open range of indices.
type span struct{ from, to int }

func (s span) len() int { return s.to - s.from }

const (
	// maxUnits is the most units: more would only take memory, since a unit's sum
	// is a vector of parameters.
	maxUnits = 16
	// minPart is the fewest samples that a shard is cut into.
	minPart = 8
)

// newArithmetic decides the arithmetic for batches of cfg.Batch samples.
func newArithmetic(prog *program.Program, cfg Config) Arithmetic {
	a := Arithmetic{ISA: simd.Active(), Ascent: cfg.Ascent}
	a.Shards = cut(program.Shard{N: cfg.Batch}, cfg.Shards)
	size, ops := largest(a.Shards), prog.Ops()
	part := size
	if !slices.ContainsFunc(ops, func(op program.OpInfo) bool { return op.Traits.Couples }) {
		part = max(ceilDiv(size, max(1, maxUnits/cfg.Shards)), min(size, minPart))
	}
	a.Perturb = perturbations(prog, cfg, size, part)
	if slices.Contains(a.Perturb, program.Factored) {
		part = size
	}
	for _, op := range ops {
		late := op.Traits.Deferred && cfg.Force.Sum != Units
		a.Late = append(a.Late, op.Params > 0 && late)
		a.ByUnits = append(a.ByUnits, op.Params > 0 && !late)
	}
	a.PassByPass = a.perturbs() && part < size
	a.part(part)
	return a
}

// of returns a for a batch of n samples, at most as many as a was made for:
// the same in all but the shards and their parts, whose sizes stay.
func (a Arithmetic) of(n int) Arithmetic {
	a.Shards = cut(program.Shard{N: n}, ceilDiv(n, largest(a.Shards)))
	a.part(largest(a.Parts))
	return a
}

// part cuts the shards into parts of at most size samples, and those into units.
func (a *Arithmetic) part(size int) {
	a.Parts, a.Clean, a.Units = nil, nil, nil
	for _, s := range a.Shards {
		end := s.First + a.Ascent.Samples(s.N)
		for _, p := range cut(s, ceilDiv(s.N, size)) {
			a.Parts = append(a.Parts, p)
			a.Clean = append(a.Clean, program.Shard{First: p.First, N: max(0, min(p.N, end-p.First))})
		}
	}
	units := min(len(a.Parts), maxUnits)
	for u := range units {
		from, to := parallel.Cut(len(a.Parts), 1, units, u)
		a.Units = append(a.Units, span{from, to})
	}
}

// cut cuts a run of samples into n whose sizes differ by at most one.
func cut(run program.Shard, n int) (runs []program.Shard) {
	for i := range n {
		from, to := parallel.Cut(run.N, 1, n, i)
		runs = append(runs, program.Shard{First: run.First + from, N: to - from})
	}
	return runs
}

// largest returns the samples of the largest run.
func largest(runs []program.Shard) (n int) {
	for _, s := range runs {
		n = max(n, s.N)
	}
	return n
}

// opBytes returns an estimate of what the step reads and writes for op i: values and
// gradients in each pass; parameters for each tile; their gradients for each part, or once
// if they are late; and, where they are formed, a shard's own.
func (p *Plan) opBytes(i int) int64 {
	op := p.ops[i]
	in, out, params := int64(op.In), int64(op.Out), int64(op.Params)
	sample, tile := in+2*out, params // forward, and the output's gradient
	if !op.FirstInput {
		sample, tile = sample+in, 2*params // backward
	}
	gradients := params
	if p.ByUnits[i] {
		gradients = 2 * params * int64(len(p.Parts))
	}
	if params > 0 {
		sample += in + out
	}
	pass := sample*int64(p.samples()) + tile*int64(len(p.Tiles))
	floats := pass + gradients
	if p.perturbs() {
		floats += pass
	}
	if p.Perturb[i] == program.Formed {
		floats += gradients + 3*params*int64(len(p.Shards))
	}
	return 4 * floats
}

// perturbs reports whether the step has a clean pass.
func (a *Arithmetic) perturbs() bool {
	return slices.ContainsFunc(a.Perturb, func(k program.Perturbation) bool { return k != program.Unperturbed })
}

// partsOf returns the parts of a shard.
func (a *Arithmetic) partsOf(shard int) (parts span) {
	s := a.Shards[shard]
	first := func(sample int) int {
		return slices.IndexFunc(a.Parts, func(p program.Shard) bool { return p.First+p.N > sample })
	}
	return span{first(s.First), first(s.First+s.N-1) + 1}
}

// cleanOf returns the parts of a shard that have samples in the clean pass.
func (a *Arithmetic) cleanOf(shard int) span { return a.clean(a.partsOf(shard)) }

// clean returns those of a shard's parts that have samples in the clean pass.
func (a *Arithmetic) clean(parts span) span {
	for parts.len() > 0 && a.Clean[parts.to-1].N == 0 {
		parts.to--
	}
	return parts
}

// shardOf returns the shard that a part is of.
func (a *Arithmetic) shardOf(part int) int {
	return slices.IndexFunc(a.Shards, func(s program.Shard) bool { return s.First+s.N > a.Parts[part].First })
}

// unitOf returns the unit that a part is summed in.
func (a *Arithmetic) unitOf(part int) int {
	return slices.IndexFunc(a.Units, func(u span) bool { return part < u.to })
}

// lateAscent reports whether gradients that perturb are computed late.
func (a *Arithmetic) lateAscent() bool {
	for i, late := range a.Late {
		if late && a.Perturb[i] != program.Unperturbed {
			return true
		}
	}
	return false
}

// costs are in floating-point operations, for choices between ways to compute the
// same. Measured on Zen 4 and Golden Cove (docs/MSAM.md); no choice is sharp, since near
// it both ways cost the same.
var costs = struct {
	flopsPerByte int64 // what is done in the time that a byte takes to or from memory
	formedBytes  int64 // moved for each parameter that is formed: written with its gradient, read and written with its sum, packed twice
	reuse        int64 // times the parameters' own traffic that a tile's products are to be worth
}{flopsPerByte: 4, formedBytes: 32, reuse: 10}

// perturbations chooses how shards of n samples perturb each op: factored where that
// takes less. But factors are of a whole shard, which then goes through the model in one
// piece: if it could go in parts instead, what is saved must be worth that its values
// come from memory.
func perturbations(prog *program.Program, cfg Config, n, part int) (kinds []program.Perturbation) {
	saved := int64(0)
	for _, op := range prog.Ops() {
		kind := program.Formed
		switch {
		case cfg.Rho == 0 || op.Params == 0 || cfg.Ascent.NormOnly && !normalizes(op):
			kind = program.Unperturbed
		case op.Factorable == nil || cfg.Force.Perturb == Formed || cfg.Ascent.forms():
		case cfg.Force.Perturb == Factored:
			kind = program.Factored
		default:
			formed := int64(n)*op.Traits.Flops.Gradient + int64(op.Params)*costs.formedBytes*costs.flopsPerByte
			if saves := formed - op.Factorable.DeltaFlops(n, op.FirstInput); saves > 0 {
				kind = program.Factored
				saved += saves
			}
		}
		kinds = append(kinds, kind)
	}
	if cfg.Force.Perturb == AutoPerturb && part < n && saved < int64(n)*int64(prog.SampleBytes())*costs.flopsPerByte {
		for i, kind := range kinds {
			if kind == program.Factored {
				kinds[i] = program.Formed
			}
		}
	}
	return kinds
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
		n = int64(p.Ascent.Samples(s.N))
		clean += n * pass
		switch {
		case p.Perturb[i] == program.Formed && !p.Ascent.NormOnly:
			clean += n * f.Gradient
		case p.Perturb[i] == program.Factored:
			descent += op.Factorable.DeltaFlops(s.N, op.FirstInput)
		}
	}
	return clean, descent
}
