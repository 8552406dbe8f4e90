package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/simd"
)

// arithmetic decides the bits of a step's result. It is a function of the model, the
// shards' sizes, the instruction set and the configuration, but not of Workers.
type arithmetic struct {
	isa        simd.ISA
	shards     []program.Shard // each perturbs by its own gradient
	parts      []program.Shard // runs of samples whose gradients one call computes: the shards, or pieces of them
	cleanParts []program.Shard // by part: its samples, from the first on, that go through the clean pass
	most       int             // units of a batch
	units      []num.Span      // runs of parts whose gradients are summed in order; their sums are added as a tree

	// passByPass: all parts of a shard go through the clean pass before any goes
	// through the descent, at parameters that are formed as a whole. Otherwise a shard
	// is one part, and goes through both passes tile by tile.
	passByPass bool

	// unitwise: deferred gradients are a call a unit, and units are added as a tree, so that
	// several ranks can have some each. Otherwise they are one call for all.
	unitwise bool

	// sumsClean: the shards' gradients at w are summed, too, over the batch.
	sumsClean bool

	ascent    Ascent // with its defaults filled in
	descent   Descent
	teacher   Teacher
	perturb   []program.Perturbation // by op; Unperturbed for all if nothing is perturbed
	perturbed []bool                 // by op: it isn't Unperturbed
	trains    []bool                 // by op: it has parameters that aren't frozen
	deferred  []bool                 // by op: its gradient is one call a step
	byUnits   []bool                 // by op: its gradient is summed by units; ops that don't train have neither
}

const (
	// defaultUnits is the most units of one process: more would only take memory, since a
	// unit's sum is a vector of parameters.
	defaultUnits = 16
	// fewShards is how many are too few to give ranks whole ones.
	fewShards = 4
	// minPart is the fewest samples that a shard is cut into.
	minPart = 8
)

// newArithmetic decides the arithmetic for batches of cfg.Batch samples. regions, by op,
// say how parameters are perturbed, and trains which ops have some that aren't frozen.
func newArithmetic(prog *program.Program, cfg Config, regions [][]region, trains []bool) arithmetic {
	a := arithmetic{isa: simd.Active().Arithmetic(), ascent: cfg.Ascent, descent: cfg.Descent, teacher: cfg.Teacher, trains: trains, most: cfg.Units}
	a.unitwise = cfg.Communicator != nil && !cfg.Fast
	if cfg.Communicator != nil && cfg.Shards < fewShards && cfg.force.perturb == autoPerturb {
		cfg.force.perturb = formed // a shard in factored form can't be cut, for ranks to have parts of it
	}
	a.sumsClean = cfg.Rho > 0 && cfg.needsClean()
	a.shards = cut(program.Shard{N: cfg.Batch}, cfg.Shards)
	size, ops := largest(a.shards), prog.Ops()
	part := size
	if !slices.ContainsFunc(ops, func(op program.OpInfo) bool { return op.Traits.Couples }) {
		part = max(num.CeilDiv(size, max(1, a.most/cfg.Shards)), min(size, minPart))
	}
	a.perturb = perturbations(prog, cfg, regions, size, part)
	for i, kind := range a.perturb {
		if a.sumsClean && kind == program.Unperturbed && trains[i] && ops[i].Owner == i {
			kind = program.Formed // at w, since no region of it is perturbed
			a.perturb[i] = kind
		}
		a.perturbed = append(a.perturbed, kind != program.Unperturbed)
	}
	if slices.Contains(a.perturb, program.Factored) || a.selects() {
		part = size
	}
	for i, op := range ops {
		deferred := cfg.defers(op)
		a.deferred = append(a.deferred, trains[i] && deferred)
		a.byUnits = append(a.byUnits, trains[i] && !deferred && op.Owner == i)
	}
	a.passByPass = a.perturbs() && part < size
	a.cutParts(part)
	return a
}

// defers reports whether an op's gradients over the batch are one call a step.
func (c Config) defers(op program.OpInfo) bool {
	return op.Traits.Deferred && c.force.sum != byUnits
}

// of returns a for a batch of n samples, at most as many as a was made for. Sizes of shards
// and parts stay; there are fewer of them.
func (a arithmetic) of(n int) arithmetic {
	a.shards = cut(program.Shard{N: n}, num.CeilDiv(n, largest(a.shards)))
	a.cutParts(largest(a.parts))
	return a
}

// cutParts cuts the shards into parts of at most size samples, and those into units.
func (a *arithmetic) cutParts(size int) {
	a.parts, a.cleanParts, a.units = nil, nil, nil
	for _, s := range a.shards {
		end := s.First + a.ascent.Samples(s.N)
		for _, p := range cut(s, num.CeilDiv(s.N, size)) {
			a.parts = append(a.parts, p)
			a.cleanParts = append(a.cleanParts, program.Shard{First: p.First, N: max(0, min(p.N, end-p.First))})
		}
	}
	units := min(len(a.parts), a.most)
	for u := range units {
		from, to := parallel.Cut(len(a.parts), 1, units, u)
		a.units = append(a.units, num.Range(from, to))
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

// joined returns the run of samples that runs make which follow each other.
func joined(runs []program.Shard) program.Shard {
	if len(runs) == 0 {
		return program.Shard{}
	}
	first, last := runs[0].First, runs[len(runs)-1]
	return program.Shard{First: first, N: last.First + last.N - first}
}

// largest returns the samples of the largest run.
func largest(runs []program.Shard) (n int) {
	for _, s := range runs {
		n = max(n, s.N)
	}
	return n
}

// perturbs reports whether the step has a clean pass.
func (a *arithmetic) perturbs() bool {
	return slices.Contains(a.perturbed, true)
}

// selects reports whether a step that perturbs goes down on some samples of each shard. Which ones
// is known when all of a shard has been forward, so the shard is one part.
func (a *arithmetic) selects() bool { return a.descent.selects() && a.perturbs() }

// partsOf returns the parts of a shard.
func (a *arithmetic) partsOf(shard int) (parts num.Span) {
	s := a.shards[shard]
	first := func(sample int) int {
		return slices.IndexFunc(a.parts, func(p program.Shard) bool { return p.First+p.N > sample })
	}
	return num.Range(first(s.First), first(s.First+s.N-1)+1)
}

// cleanOf returns the parts of a shard that have samples in the clean pass.
func (a *arithmetic) cleanOf(shard int) num.Span { return a.clean(a.partsOf(shard)) }

// clean returns those of a shard's parts that have samples in the clean pass.
func (a *arithmetic) clean(parts num.Span) num.Span {
	for parts.Len() > 0 && a.cleanParts[parts.To-1].N == 0 {
		parts.To--
	}
	return parts
}

// shardOf returns the shard that a part is of.
func (a *arithmetic) shardOf(part int) int {
	return slices.IndexFunc(a.shards, func(s program.Shard) bool { return s.First+s.N > a.parts[part].First })
}

// unitOf returns the unit that a part is summed in.
func (a *arithmetic) unitOf(part int) int {
	return slices.IndexFunc(a.units, func(u num.Span) bool { return part < u.To })
}

// deferredAscent reports whether gradients that perturb are deferred.
func (a *arithmetic) deferredAscent() bool {
	for i, deferred := range a.deferred {
		if deferred && a.perturb[i] != program.Unperturbed {
			return true
		}
	}
	return false
}

func (a *arithmetic) samples() (n int) {
	for _, s := range a.shards {
		n += s.N
	}
	return n
}
