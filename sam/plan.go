package sam

import (
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/simd"
)

// Plan explains how a step is computed. String has all of it, op by op.
type Plan struct {
	ISA     simd.ISA // whose kernels decide the bits
	Samples int      // of the batch
	Shards  int
	Workers int
	Ascent  Ascent // with its defaults filled in
	Teacher Teacher
	Tiles   int   // pieces of the batch that go through the model together
	Flops   int64 // floating-point operations of a step, in matrix products
	// Bytes is all the memory that a step writes, but for the parameters, the base
	// optimizer's state and the buffers of package blas: the sum of Memory.
	Bytes  int
	Memory Memory

	plan *plan
}

// plan is how a step is computed. Its arithmetic decides the bits of the result. Its
// schedule decides the time, and can't change a bit.
type plan struct {
	arithmetic
	schedule

	// The ranks of the run, and which of them this is.
	rank, ranks  int
	unitForest   forest   // of the units' sums
	shardForests []forest // pass by pass, by shard: of its parts' sums in the clean pass
	cleanForest  forest   // of the sums of gradients at w

	flops  int64
	bytes  int // known before any is allocated
	memory Memory

	ops []program.OpInfo
	// By op: whether it passes gradients on to its inputs, in the clean pass and in the
	// descent.
	cleanBackward, backward []bool
}

// public returns what users may read.
func (p *plan) public() Plan {
	return Plan{
		ISA: p.isa, Samples: p.samples(), Shards: len(p.shards), Workers: p.workers, Ascent: p.ascent, Teacher: p.teacher, Tiles: len(p.tiles),
		Flops: p.flops, Bytes: p.bytes, Memory: p.memory, plan: p,
	}
}

// String explains the plan: what is computed, op by op, and how the workers share it.
func (p Plan) String() string {
	if p.plan == nil {
		return "no plan"
	}
	return p.plan.explain()
}

// Summary says in a few words what the plan does, for tables.
func (p Plan) Summary() string {
	if p.plan == nil {
		return "no plan"
	}
	return p.plan.summary()
}
