package sam

import (
	"fmt"

	"github.com/dustin/go-humanize/english"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
)

// Memory is the bytes of a step's memory, by what they hold.
type Memory struct {
	Workspaces int // values and gradients of the tiles under way
	Perturbed  int // formed parameters, among them a teacher's, and products that factored ones keep
	Packed     int // parameters in the form that products read fastest
	Deferred   int // inputs and output gradients of the whole batch, for deferred gradients
	Gradients  int // of the batch, and of its units
	Statistics int // of normalizations, by part
	Combined   int // gradients at w and of former steps, or parameters ahead, as the method needs them
	Selected   int // with Descent.Samples: a copy of the selected inputs, and each sample's losses
}

func (m Memory) total() int {
	return m.Workspaces + m.Perturbed + m.Packed + m.Deferred + m.Gradients + m.Statistics + m.Combined + m.Selected
}

// fit plans the schedule and all memory. It takes the tiles that suit the caches, or
// smaller ones where Config.MaxMemory asks for them. Nothing is allocated yet.
func (o *Optimizer) fit() error {
	least, first := 0, shardsApart
	if o.cfg.force.together {
		first = together
	}
	for how := first; how <= together; how++ {
		perTile := o.cfg.force.partsPerTile
		if perTile == 0 {
			perTile = tileParts(o.program, &o.plan.arithmetic)
		}
		for perTile = min(perTile, len(o.plan.parts)); perTile > 0; perTile /= 2 {
			o.plan.schedule = newSchedule(o.plan, o.cfg.Workers, perTile, how)
			o.lay()
			o.plan.memory = o.planMemory()
			if o.plan.bytes = o.plan.memory.total(); o.cfg.MaxMemory == 0 || o.plan.bytes <= o.cfg.MaxMemory {
				return nil
			}
			if least == 0 || o.plan.bytes < least {
				least = o.plan.bytes
			}
		}
	}
	return &MemoryError{o.cfg.MaxMemory, least, o.cfg.Batch, len(o.plan.shards)}
}

// MemoryError is a step that doesn't fit Config.MaxMemory.
type MemoryError struct {
	MaxMemory int // bytes
	Least     int // bytes that the step takes with the smallest tiles
	Batch     int // samples
	Shards    int // of the batch
}

// Error implements error.
func (e *MemoryError) Error() string {
	return fmt.Sprintf("sam: MaxMemory is %d bytes, and a step of %d samples in %s needs at least %d",
		e.MaxMemory, e.Batch, english.Plural(e.Shards, "shard", ""), e.Least)
}

// lay lays out the memory that the plan's schedule needs.
func (o *Optimizer) lay() {
	plan := o.plan
	o.packs, o.teacherPacks = o.program.NewPacks(o.packing), o.program.NewPacks(o.teacherPacking)
	o.layRounded()
	o.deferred = o.program.PlanDeferred(o.cfg.Batch, plan.deferred)
	o.layClean()
	o.cleanOps = plan.deferredClean()
	o.cleanDeferred = o.program.PlanDeferred(o.cfg.Batch, o.cleanOps)
	o.unitAt = make([]int, len(plan.ops)+1)
	for i, op := range plan.ops {
		o.unitAt[i+1] = o.unitAt[i]
		if plan.byUnits[i] {
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

// packing returns the directions that an op's parameters are packed for, once for all
// tiles. Forward packs where a worker takes more than two tiles: two products pack for
// themselves as fast, and need no memory for it. Backward, which transposes while it packs,
// packs where it would otherwise be done twice.
func (o *Optimizer) packing(op int) (passes op.Directions) {
	plan := o.plan
	for _, r := range plan.rounds {
		uses := r.numTiles()
		if plan.distills() || plan.perturbs() && !plan.passByPass && plan.perturb[plan.ops[op].Owner] != program.Formed {
			uses *= 2 // both passes are at w
		}
		passes.Forward = passes.Forward || r.tilesFor(o.cfg.Workers) > 2
		passes.Backward = passes.Backward || uses > 1
	}
	return passes
}

// unitFloats is the size of a unit's sum.
func (o *Optimizer) unitFloats() int { return o.unitAt[len(o.unitAt)-1] }

// planMemory returns what a step takes, by the plan.
func (o *Optimizer) planMemory() Memory {
	plan := o.plan
	m := Memory{
		Gradients:  4 * (o.program.NumParams() + o.unitFloats()*o.numUnits() + o.exchangedFloats()),
		Packed:     o.packs.Bytes() + o.teacherPacks.Bytes() + o.rounded.Bytes(),
		Perturbed:  4 * o.noise.floats(o.program.NumParams()),
		Deferred:   o.deferred.Bytes() + o.cleanDeferred.Bytes(),
		Statistics: 4 * o.program.NumState() * (2 + len(plan.parts)),
		Selected:   o.selectionBytes(),
	}
	vectors := o.keeps()
	if o.cfg.Ascent.Momentum && o.cfg.Rho > 0 {
		vectors++
	}
	m.Combined = 4 * (o.cleanFloats() + vectors*o.program.NumParams())
	for _, w := range o.workers {
		m.Gradients += 4 * w.numLevels() * o.program.NumParams()
		m.Workspaces += w.descent.Bytes()
		if w.teacher != nil {
			m.Workspaces += w.teacher.Bytes()
		}
		m.Perturbed += w.perturbBytes()
	}
	return m
}

// keeps returns how many vectors a method keeps of former steps.
func (o *Optimizer) keeps() int {
	if o.cfg.Ascent.Sigma > 0 || o.cfg.Descent.Look > 0 {
		return 1
	}
	return 0
}

// allocate takes the memory that was planned, and that of the optimizer's state.
func (o *Optimizer) allocate() {
	parts := len(o.plan.parts)
	o.deferred.Allocate()
	o.cleanDeferred.Allocate()
	o.selection.allocate(o)
	o.ghat = make([]float32, o.program.NumParams())
	o.mean = make([]float32, o.program.NumState())
	o.state = make([]float32, o.program.NumState())
	size := o.program.NumState()
	o.allStats = make([]float32, parts*size)
	for part := range parts {
		o.stats = append(o.stats, o.allStats[part*size:][:size])
	}
	o.allocateExchange()
	for range o.numUnits() {
		o.units = append(o.units, make([]float32, o.unitFloats()))
	}
	o.allocateClean()
	o.kept = o.vectorsOf(o.keeps())
	if o.cfg.Ascent.Momentum && o.cfg.Rho > 0 {
		o.ahead = make([]float32, o.program.NumParams())
	}
	o.run = stepRun{
		before:  make([]float64, parts),
		after:   make([]float64, parts),
		refused: make([]error, parts),

		divergence: make([]float64, parts),
	}
	o.noise.sum = make([]float32, o.noise.floats(o.program.NumParams()))
	for _, w := range o.workers {
		w.allocate()
	}
}

// vectorsOf returns n vectors of parameters.
func (o *Optimizer) vectorsOf(n int) (list [][]float32) {
	for range n {
		list = append(list, make([]float32, o.program.NumParams()))
	}
	return list
}
