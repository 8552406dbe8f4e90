package sam

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// Memory is the bytes of a step's memory, by what they hold.
type Memory struct {
	Workspaces int // values and gradients of the tiles under way
	Perturbed  int // parameters that are formed, and what factored ones keep
	Packed     int // parameters in the form that products read fastest
	Late       int // inputs and output gradients of the whole batch, for gradients that are computed last
	Gradients  int // of the batch, and of its units
	Statistics int // of normalizations, by part
}

func (m Memory) total() int {
	return m.Workspaces + m.Perturbed + m.Packed + m.Late + m.Gradients + m.Statistics
}

// fit plans the schedule and all memory: the tiles that suit the caches, or smaller ones
// where Config.MaxMemory asks for them. Nothing is allocated yet.
func (o *Optimizer) fit() error {
	least, first := 0, shardsApart
	if o.cfg.Force.Together {
		first = together
	}
	for how := first; how <= together; how++ {
		perTile := o.cfg.Force.PartsPerTile
		if perTile == 0 {
			perTile = tileParts(o.program, &o.plan.Arithmetic)
		}
		for perTile = min(perTile, len(o.plan.Parts)); perTile > 0; perTile /= 2 {
			o.plan.Schedule = newSchedule(&o.plan.Arithmetic, o.cfg.Workers, perTile, how)
			o.lay()
			o.plan.Memory = o.memory()
			if o.plan.Bytes = o.plan.Memory.total(); o.cfg.MaxMemory == 0 || o.plan.Bytes <= o.cfg.MaxMemory {
				return nil
			}
			if least == 0 || o.plan.Bytes < least {
				least = o.plan.Bytes
			}
		}
	}
	return fmt.Errorf("sam: MaxMemory is %d bytes, and a step of %d samples in %s needs at least %d", o.cfg.MaxMemory, o.cfg.Batch, plural(len(o.plan.Shards), "shard"), least)
}

// lay lays out the memory that the plan's schedule needs.
func (o *Optimizer) lay() {
	plan := o.plan
	o.packs = o.program.NewPacks(o.packing)
	o.late = o.program.PlanDeferred(o.cfg.Batch, plan.Late)
	o.unitAt = make([]int, len(plan.ops)+1)
	for i, op := range plan.ops {
		o.unitAt[i+1] = o.unitAt[i]
		if plan.ByUnits[i] {
			o.unitAt[i+1] += op.Params
		}
	}
	workers := 1
	if plan.apart() {
		workers = o.cfg.Workers
	}
	o.workers = nil
	for i := range workers {
		o.workers = append(o.workers, newWorker(o, i))
	}
}

// packing returns the passes that an op's parameters are packed for, for all tiles: for
// Forward where a worker takes more than two, since two products pack for themselves as
// fast, and need no memory for it; for Backward, which transposes what it packs, where it
// would be done twice.
func (o *Optimizer) packing(op int) (passes op.Directions) {
	plan := o.plan
	for _, r := range plan.Rounds {
		uses := r.tiles()
		if plan.perturbs() && !plan.PassByPass && plan.Perturb[op] != program.Formed {
			uses *= 2 // both passes are at w
		}
		passes.Forward = passes.Forward || r.tilesFor(o.cfg.Workers) > 2
		passes.Backward = passes.Backward || uses > 1
	}
	return passes
}

// unitFloats is the size of a unit's sum.
func (o *Optimizer) unitFloats() int { return o.unitAt[len(o.unitAt)-1] }

// memory is what a step takes, by the plan.
func (o *Optimizer) memory() Memory {
	plan := o.plan
	m := Memory{
		Gradients:  4 * (o.program.NumParams() + o.unitFloats()*(len(plan.Units)-1)),
		Packed:     o.packs.Bytes(),
		Late:       o.late.Bytes(),
		Statistics: 4 * o.program.NumState() * (1 + len(plan.Parts)),
	}
	for _, w := range o.workers {
		m.Workspaces += w.descent.Bytes()
		m.Perturbed += w.perturbBytes()
	}
	return m
}

// allocate takes the memory that was planned, and that of the optimizer's state.
func (o *Optimizer) allocate() {
	parts := len(o.plan.Parts)
	o.late.Allocate()
	o.ghat = make([]float32, o.program.NumParams())
	o.mean = make([]float32, o.program.NumState())
	for range parts {
		o.stats = append(o.stats, make([]float32, o.program.NumState()))
	}
	for range len(o.plan.Units) - 1 {
		o.units = append(o.units, make([]float32, o.unitFloats()))
	}
	for range o.cfg.Base.slots() {
		o.slots = append(o.slots, make([]float32, o.program.NumParams()))
	}
	o.run = stepRun{
		before:  make([]float64, parts),
		after:   make([]float64, parts),
		refused: make([]error, parts),
	}
	for _, w := range o.workers {
		w.allocate()
	}
}
