package sam

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/simd"
)

// Optimizer trains a model's parameters, a batch a step. It serves one
// goroutine at a time, and holds all the memory that a step needs: in steady
// state a step allocates nothing.
type Optimizer struct {
	model   *net.Model
	program *program.Program
	params  *net.Params
	cfg     Config

	plan  *Plan         // of full batches
	plans map[int]*Plan // by samples of a batch

	team    *blas.Team
	packs   program.Packs
	late    *program.Deferred
	workers []*worker
	ghat    []float32
	regions [][]region  // by op: how its parameters are perturbed
	region  []region    // and all parameters
	units   [][]float32 // by unit but the first: the ops' parameters that are summed by units
	unitAt  []int       // by op: where its parameters begin in a unit
	slots   [][]float32 // of the base optimizer
	stats   [][]float32 // by part: batch statistics of the clean pass
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
	rho     float64   // 0 if nothing is perturbed
	before  []float64 // by part: sum of its loss terms at w
	after   []float64 // and at w + eps
	refused []error   // by part

	round  *Round // under way
	leg    leg    // that the tasks of the round go
	packed bool   // the packs are of w
}

// Stats is what a step has seen.
type Stats struct {
	Loss      float64 // mean over the batch, at the parameters before the step; with Ascent.Fraction over the samples that perturb
	GradNorm  float64 // of ghat, the gradient that the base optimizer was given, before it was clipped
	Sharpness float64 // mean over the batch of how much its shard's perturbation raised the loss; 0 without one, or with Ascent.Fraction
}

// New returns an optimizer that trains params, which it will write in place,
// as cfg says.
func New(model *net.Model, params *net.Params, cfg Config) (*Optimizer, error) {
	if err := model.ValidateParams(params); err != nil {
		return nil, err
	}
	cfg, err := cfg.resolved(model)
	if err != nil {
		return nil, err
	}
	o := &Optimizer{
		model: model, program: model.Program(), params: params, cfg: cfg,
		plans:  map[int]*Plan{},
		team:   blas.NewTeam(cfg.Workers),
		vector: newVectors(model.NumParams()),
	}
	o.plan = &Plan{ops: model.Program().Ops(), Arithmetic: newArithmetic(o.program, cfg)}
	for _, op := range o.plan.ops {
		o.regions = append(o.regions, cfg.Ascent.regionsOf(op, 0))
		for _, r := range cfg.Ascent.regionsOf(op, op.Offset) {
			o.region = join(o.region, r)
		}
	}
	o.plan.Flops = o.plan.flops()
	o.plans[cfg.Batch] = o.plan
	if err := o.fit(); err != nil {
		return nil, err
	}
	o.allocate()
	return o, nil
}

// Plan returns how full batches are computed.
func (o *Optimizer) Plan() *Plan { return o.plan }

// Step trains on one batch, of at most Config.Batch samples.
//
// A batch that doesn't fit the model is an error, and so is one that makes a
// loss or a gradient that isn't finite, at w or at a shard's w + eps: then the
// parameters, the running state and the optimizer's state are as they were.
func (o *Optimizer) Step(batch net.Batch) (Stats, error) {
	rate, err := o.scheduled("LRSchedule", o.cfg.LRSchedule, o.cfg.Base.rate())
	if err != nil {
		return Stats{}, err
	}
	stats, err := o.gradient(batch)
	if err != nil {
		return Stats{}, err
	}
	if err := o.update(rate, stats.GradNorm); err != nil {
		return Stats{}, err
	}
	o.commit()
	o.step++
	return stats, nil
}

// scheduled returns a setting in the step to come.
func (o *Optimizer) scheduled(name string, s Scheduler, value float64) (float64, error) {
	f := factor(s, o.step)
	if !isFactor(f) {
		return 0, fmt.Errorf("sam: %s's factor of step %d is %v, want a number that isn't negative", name, o.step, f)
	}
	return f * value, nil
}

// gradient computes ghat.
func (o *Optimizer) gradient(batch net.Batch) (Stats, error) {
	if err := o.model.ValidateBatch(batch); err != nil {
		return Stats{}, err
	}
	if batch.N > o.cfg.Batch {
		return Stats{}, fmt.Errorf("sam: batch of %d samples, and Config.Batch is %d", batch.N, o.cfg.Batch)
	}
	plan, err := o.planOf(batch.N)
	if err != nil {
		return Stats{}, err
	}
	rho, err := o.scheduled("RhoSchedule", o.cfg.RhoSchedule, o.cfg.Rho)
	if err != nil {
		return Stats{}, err
	}
	if o.step%uint64(o.cfg.Ascent.Every) != 0 {
		rho = 0
	}
	r := &o.run
	r.plan, r.batch, r.rho, r.packed = plan, batch, rho, false
	clear(r.refused)

	for i := range plan.Rounds {
		r.round = &plan.Rounds[i]
		switch {
		case rho == 0:
			o.pass(o.atW(only))
		case r.round.Whole:
			o.pass(o.atW(shardByShard))
		case plan.PassByPass:
			o.passByPass()
		default:
			o.pass(o.atW(both))
		}
		if err := first(r.refused[:len(plan.Parts)]); err != nil {
			return Stats{}, err
		}
	}
	o.addUnits(span{0, len(plan.Units)}, &leg{phase: descent}, &o.vector, o.team)
	o.late.Gradients(o.team, batch, program.Shard{N: batch.N}, o.ghat)

	stats := o.stat()
	stats.GradNorm = math.Sqrt(o.vector.sumSquares(o.team, o.ghat))
	if !finite(stats.GradNorm) {
		return Stats{}, fmt.Errorf("sam: step refused: the batch's gradient of %s is not finite", o.program.ParamAt(firstNonFinite(o.ghat)))
	}
	return stats, nil
}

// stat returns the statistics of the step's losses.
func (o *Optimizer) stat() (stats Stats) {
	r, loss := &o.run, o.model.Loss()
	terms, seen := float64(loss.Terms(r.batch)), 0.0 // those of the batch, and of the first pass
	before, after := 0.0, 0.0
	for part, clean := range r.plan.Clean {
		if r.rho == 0 {
			clean = r.plan.Parts[part]
		}
		if clean.N > 0 {
			before += r.before[part]
			seen += float64(loss.Terms(r.batch.Slice(clean.First, clean.N)))
		}
		after += r.after[part]
	}
	stats.Loss = before / seen
	if r.rho != 0 && !r.plan.Ascent.part() {
		stats.Sharpness = (after - before) / terms
	}
	return stats
}

// pass runs the round's tiles. It reports whether all was finite.
func (o *Optimizer) pass(l leg) bool {
	r := &o.run
	r.leg = l
	if l.phase == descent || !r.packed {
		o.program.Pack(o.team, l.params, l.packs)
		r.packed = l.phase != descent
	}
	if len(r.round.Tasks) > 0 {
		o.team.Run(len(r.round.Tasks), o)
	}
	if r.round.Shared.len() > 0 {
		o.workers[0].tiles(r.round.Shared, l, o.team)
	}
	return first(r.refused[:len(r.plan.Parts)]) == nil
}

// Do runs one task of the round on one worker.
func (o *Optimizer) Do(task, worker int) {
	r, w := &o.run, o.workers[worker]
	if tiles := r.round.Tasks[task]; r.leg.phase == shardByShard {
		w.shard(tiles)
	} else {
		w.tiles(tiles, r.leg, nil)
	}
}

// refusal is why the step is refused: what a part has met.
func (o *Optimizer) refusal(part int, what string) error {
	r := &o.run
	at := r.plan.shardOf(part)
	shard := r.plan.Shards[at]
	return fmt.Errorf("sam: step refused: shard %d (samples %d to %d): %s%s", at, shard.First, shard.First+shard.N-1, what, o.spoilt(shard))
}

// spoilt says where the batch itself isn't finite, "" if it is.
func (o *Optimizer) spoilt(shard program.Shard) string {
	size := o.model.InputShape().Size()
	x := o.run.batch.X[shard.First*size:][:shard.N*size]
	if i := firstNonFinite(x); !finite(float64(x[i])) {
		return fmt.Sprintf("; element %d of sample %d of the batch is %v", i%size, shard.First+i/size, x[i])
	}
	return ""
}

// planOf returns the plan for batches of n samples.
func (o *Optimizer) planOf(n int) (*Plan, error) {
	if p, ok := o.plans[n]; ok {
		return p, nil
	}
	p := &Plan{ops: o.plan.ops, Arithmetic: o.plan.Arithmetic.of(n), Bytes: o.plan.Bytes}
	if smallest := p.Ascent.Samples(n / len(p.Shards)); smallest < o.program.MinShard() {
		return nil, fmt.Errorf("sam: a batch of %d samples leaves %d to a shard, and the model's normalization needs %d: leave such a batch out", n, smallest, o.program.MinShard())
	}
	how := o.plan.sharing
	if !o.plan.apart() {
		how = together // there is one worker's memory
	}
	p.Schedule = newSchedule(&p.Arithmetic, o.cfg.Workers, o.plan.largestTile(), how)
	p.Flops = p.flops()
	o.plans[n] = p
	return p, nil
}

// addUnits adds up units' sums, as a binary tree over their numbers: what is added to
// what depends on how many there are alone. The result is in the first.
func (o *Optimizer) addUnits(units span, l *leg, v *vectors, team *blas.Team) {
	for apart := 1; apart < units.len(); apart *= 2 {
		for u := units.from; u+apart < units.to; u += 2 * apart {
			for i, by := range o.run.plan.ByUnits {
				if by && !o.leftOut(i, l.phase) {
					v.add(team, o.unit(u, i, l), o.unit(u+apart, i, l))
				}
			}
		}
	}
}

// leftOut reports whether op i's gradient is not wanted in a phase.
func (o *Optimizer) leftOut(i int, p phase) bool {
	return p == ascent && o.run.plan.Perturb[i] == program.Unperturbed
}

// unit returns where unit u sums the gradient of op i. The first is in its place in ghat,
// or in a shard's own gradient, where those are formed as a whole.
func (o *Optimizer) unit(u, i int, l *leg) []float32 {
	op := o.plan.ops[i]
	switch {
	case l.sum != nil && u == o.run.plan.partsOf(l.shard).from:
		return l.sum[op.Offset:][:op.Params]
	case u == 0:
		return o.ghat[op.Offset:][:op.Params]
	}
	return o.units[u-1][o.unitAt[i]:][:op.Params]
}

// update applies ghat, of the given norm, at a learning rate. It is an error if a parameter would
// not stay finite, and then nothing is changed.
func (o *Optimizer) update(rate, norm float64) error {
	at := moment{updates: o.step, rate: rate, scale: 1}
	if clip := o.cfg.Clip; clip > 0 && norm > clip {
		at.scale = max(float32(clip/norm), math.SmallestNonzeroFloat32)
		norm = clip
	}
	const huge = 1e15 // far from where a float32 could overflow, or its square
	if o.wild = o.wild || norm > huge || rate > huge; o.wild {
		if i := o.vector.tryUpdate(o.cfg.Base, at, o.params.Values, o.ghat, o.slots); i >= 0 {
			return fmt.Errorf("sam: step refused: the update of %s is not finite", o.program.ParamAt(i))
		}
	}
	o.vector.update(o.team, o.cfg.Base, at, o.params.Values, o.ghat, o.slots)
	return nil
}

// commit moves the running state on, by the mean of the shards' statistics
// weighted with their samples.
func (o *Optimizer) commit() {
	if len(o.mean) == 0 {
		return
	}
	clear(o.mean)
	for i, part := range o.run.plan.Parts {
		simd.Axpy(float32(float64(part.N)/float64(o.run.batch.N)), o.stats[i], o.mean)
	}
	o.program.Commit(o.params.State, o.mean)
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
