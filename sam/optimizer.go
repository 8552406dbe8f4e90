package sam

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/simd"
)

// Optimizer trains a model's parameters, a batch a step. It serves one
// goroutine at a time, and holds all the memory that a step needs: in steady
// state a step allocates nothing.
type Optimizer struct {
	model  *net.Model
	params *net.Params
	cfg    Config

	plan  *Plan         // of full batches
	plans map[int]*Plan // by samples of a batch

	team    *blas.Team
	packs   net.Packs // nil if each op needs its parameters packed once a pass anyway
	late    *net.Late
	workers []*worker
	ghat    []float32
	units   [][]float32 // by unit but the first, whose sum is made in ghat: the ops' parameters that are summed by units
	unitAt  []int       // by op: where its parameters begin in a unit
	slots   [][]float32 // of the base optimiser
	stats   [][]float32 // by shard: batch statistics of the clean pass
	mean    []float32   // of stats

	vector vectors
	wild   bool // a gradient has been so large that updates are tried before they are made
	step   uint64
	run    stepRun
}

// stepRun is the state of the step under way.
type stepRun struct {
	plan    *Plan
	batch   net.Batch
	before  []float64 // by shard: sum of its loss terms at w
	after   []float64 // and at w + eps
	refused []error   // by shard
}

// Stats is what a step has seen.
type Stats struct {
	Loss      float64 // mean over the batch, at the parameters before the step
	GradNorm  float64 // of ghat, the gradient that the base optimiser was given
	Sharpness float64 // mean over the batch of how much its shard's perturbation raised the loss; 0 without one
}

// New returns an optimiser that trains params, which it will write in place,
// as cfg says.
func New(model *net.Model, params *net.Params, cfg Config) (*Optimizer, error) {
	if err := model.CheckParams(params); err != nil {
		return nil, err
	}
	cfg, err := cfg.resolved(model)
	if err != nil {
		return nil, err
	}
	o := &Optimizer{
		model: model, params: params, cfg: cfg,
		plans:  map[int]*Plan{},
		team:   blas.NewTeam(cfg.Workers),
		ghat:   make([]float32, model.NumParams()),
		mean:   make([]float32, model.NumState()),
		vector: newVectors(model.NumParams()),
	}
	o.plan = &Plan{ops: model.Ops(), Arithmetic: newArithmetic(model, cfg)}
	o.plan.Schedule = newSchedule(model, o.plan.Arithmetic, cfg, 0)
	o.plan.Flops = o.plan.flops()
	o.plans[cfg.Batch] = o.plan

	if len(o.plan.Tiles) > 1 {
		o.packs = model.NewPacks()
	}
	shards := len(o.plan.Shards)
	o.late = model.NewLate(cfg.Batch, o.plan.Late)
	o.unitAt = make([]int, len(o.plan.ops))
	unit := 0
	for i, op := range o.plan.ops {
		o.unitAt[i] = unit
		if o.plan.ByUnits[i] {
			unit += op.Params
		}
	}
	for range len(o.plan.Units) - 1 {
		o.units = append(o.units, make([]float32, unit))
	}
	for range shards {
		o.stats = append(o.stats, make([]float32, model.NumState()))
	}
	for range cfg.Base.slots() {
		o.slots = append(o.slots, make([]float32, model.NumParams()))
	}
	o.run = stepRun{
		before:  make([]float64, shards),
		after:   make([]float64, shards),
		refused: make([]error, shards),
	}
	workers := 1
	if !o.plan.Together {
		workers = min(cfg.Workers, len(o.plan.Tiles)) // shorter batches have fewer tiles, but may have more tasks
	}
	for range workers {
		o.workers = append(o.workers, newWorker(o))
	}
	o.plan.Bytes = o.bytes()
	return o, nil
}

// bytes is the memory of a step.
func (o *Optimizer) bytes() int {
	total := o.packs.Bytes() + o.late.Bytes() + 4*(len(o.ghat)+len(o.mean))
	for _, lists := range [][][]float32{o.units, o.stats} {
		for _, s := range lists {
			total += 4 * len(s)
		}
	}
	for _, w := range o.workers {
		total += w.bytes()
	}
	return total
}

// Plan returns how full batches are computed.
func (o *Optimizer) Plan() *Plan { return o.plan }

// Step trains on one batch, of at most Config.Batch samples.
//
// A batch that doesn't fit the model is an error, and so is one that makes a
// loss or a gradient that isn't finite, at w or at a shard's w + eps: then the
// parameters, the running state and the optimiser's state are as they were.
func (o *Optimizer) Step(batch net.Batch) (Stats, error) {
	stats, err := o.gradient(batch)
	if err != nil {
		return Stats{}, err
	}
	if err := o.update(stats.GradNorm); err != nil {
		return Stats{}, err
	}
	o.commit()
	o.step++
	return stats, nil
}

// gradient computes ghat.
func (o *Optimizer) gradient(batch net.Batch) (Stats, error) {
	if err := o.model.Check(batch); err != nil {
		return Stats{}, err
	}
	if batch.N > o.cfg.Batch {
		return Stats{}, fmt.Errorf("sam: batch of %d samples, and Config.Batch is %d", batch.N, o.cfg.Batch)
	}
	plan, err := o.planOf(batch.N)
	if err != nil {
		return Stats{}, err
	}
	r := &o.run
	r.plan, r.batch = plan, batch
	clear(r.refused)

	if o.packs != nil {
		o.model.Pack(o.team, o.params.Values, o.packs)
	}
	if plan.Together {
		o.workers[0].task(0, o.team)
	} else {
		o.team.Run(len(plan.Tasks), o)
	}
	if err := first(r.refused[:len(plan.Shards)]); err != nil {
		return Stats{}, err
	}
	o.addUnits()
	o.late.Gradients(o.model, o.team, batch, o.ghat)

	var stats Stats
	terms := float64(o.model.Loss().Terms(batch))
	for s := range plan.Shards {
		stats.Loss += r.before[s] / terms
		stats.Sharpness += (r.after[s] - r.before[s]) / terms
	}
	stats.GradNorm = math.Sqrt(o.vector.sumSquares(o.team, o.ghat))
	if !finite(stats.GradNorm) {
		return Stats{}, fmt.Errorf("sam: step refused: the batch's gradient of %s is not finite", o.model.ParamAt(firstNonFinite(o.ghat)))
	}
	return stats, nil
}

// Do runs one task of the plan on one worker.
func (o *Optimizer) Do(task, worker int) { o.workers[worker].task(task, nil) }

// planOf returns the plan for batches of n samples.
func (o *Optimizer) planOf(n int) (*Plan, error) {
	if p, ok := o.plans[n]; ok {
		return p, nil
	}
	p := &Plan{ops: o.plan.ops, Arithmetic: o.plan.Arithmetic.of(n), Bytes: o.plan.Bytes}
	if smallest := n / len(p.Shards); smallest < o.model.MinShard() {
		return nil, fmt.Errorf("sam: a batch of %d samples leaves %d to a shard, and the model's normalisation needs %d: leave such a batch out", n, smallest, o.model.MinShard())
	}
	largest := o.plan.Tiles[0]
	p.Schedule = newSchedule(o.model, p.Arithmetic, o.cfg, largest.to-largest.from)
	p.Flops = p.flops()
	o.plans[n] = p
	return p, nil
}

// addUnits adds up the units' sums, as a binary tree over their numbers: what
// is added to what depends on how many there are alone. The result is in the
// first, which is ghat.
func (o *Optimizer) addUnits() {
	plan := o.run.plan
	for apart := 1; apart < len(plan.Units); apart *= 2 {
		for u := 0; u+apart < len(plan.Units); u += 2 * apart {
			for i, by := range plan.ByUnits {
				if by {
					o.vector.add(o.team, o.unit(u, i), o.unit(u+apart, i))
				}
			}
		}
	}
}

// unit returns where unit u sums the gradient of op i.
func (o *Optimizer) unit(u, i int) []float32 {
	op := o.plan.ops[i]
	if u == 0 {
		return o.ghat[op.Offset:][:op.Params]
	}
	return o.units[u-1][o.unitAt[i]:][:op.Params]
}

// update applies ghat, of the given norm. It is an error if a parameter would
// not stay finite, and then nothing is changed.
func (o *Optimizer) update(norm float64) error {
	const huge = 1e15 // far from where a float32 could overflow
	factor := 1.0
	if o.cfg.LRSchedule != nil {
		factor = o.cfg.LRSchedule.Factor(o.step)
	}
	if o.wild = o.wild || norm > huge; o.wild {
		if i := o.vector.tryUpdate(o.cfg.Base, factor, o.params.Values, o.ghat, o.slots); i >= 0 {
			return fmt.Errorf("sam: step refused: the update of %s is not finite", o.model.ParamAt(i))
		}
	}
	o.vector.update(o.team, o.cfg.Base, factor, o.params.Values, o.ghat, o.slots)
	return nil
}

// commit moves the running state on, by the mean of the shards' statistics
// weighted with their samples.
func (o *Optimizer) commit() {
	if len(o.mean) == 0 {
		return
	}
	clear(o.mean)
	for s, shard := range o.run.plan.Shards {
		simd.Axpy(float32(float64(shard.N)/float64(o.run.batch.N)), o.stats[s], o.mean)
	}
	o.model.Commit(o.params.State, o.mean)
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }

func firstNonFinite(x []float32) int {
	for i, v := range x {
		if !finite(float64(v)) {
			return i
		}
	}
	return 0
}

// first returns the first error, nil if there is none.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
