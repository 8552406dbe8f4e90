package sam

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/simd"
)

// ErrRefused is wrapped by the error of a step that met a value that isn't finite. Such
// a step leaves everything as it was.
var ErrRefused = optim.ErrRefused

// Kinds of refused steps. Their errors are ErrRefused, too.
var (
	// ErrPerturbed is wrapped if all was finite at w, and w + eps isn't, or leads to a loss
	// that isn't: a smaller Rho may help.
	ErrPerturbed error = &refusedKind{}
	// ErrVanishing is wrapped if a shard's gradient is so short, and isn't 0, that Rho over its
	// norm is beyond float32: the model fits the shard's samples as well as it can. So it is if
	// the momentum that perturbs is as short, or one of two gradients that are combined.
	ErrVanishing error = &refusedKind{}
	// ErrBatch is wrapped if the batch itself has a value that isn't finite.
	ErrBatch error = &refusedKind{}
)

// refusedKind is a kind of ErrRefused, in the same words.
type refusedKind struct{ _ byte } // of a size, so that pointers differ

func (*refusedKind) Error() string { return ErrRefused.Error() }

func (*refusedKind) Unwrap() error { return ErrRefused }

// Optimizer trains a model's parameters, a batch a step. It serves one goroutine at a
// time: a call from a second one panics. It holds all the memory that a step needs, so
// in steady state a step allocates nothing.
type Optimizer struct {
	model   *net.Model
	program *program.Program
	params  *net.Params
	cfg     Config
	base    *optim.Optimizer

	plan  *plan         // of full batches
	plans map[int]*plan // by samples of a batch

	team     *blas.Team
	packs    program.Packs
	rounded  program.Packs // of an ascent that rounds, for ops that do
	deferred *program.Deferred
	workers  []*worker
	ghat     []float32
	groups   []optim.Range
	trained  []region   // of all parameters: zero where they are frozen
	regions  []region   // of all parameters: how they are perturbed
	regionOf [][]region // the same by op, counted from its first parameter
	all      perturbed  // by the plan
	tensors  []tensor   // that a step draws from; nil unless Ascent.Tensors asks for it
	drawn    perturbed  // by the step
	needs    map[passKind]*program.Needs
	units    [][]float32 // by unit but the first: the ops' parameters that are summed by units
	unitAt   []int       // by op: where its parameters begin in a unit
	stats    [][]float32 // by part: batch statistics of the clean pass
	allStats []float32   // of all parts, one behind the other
	mean     []float32   // of stats
	state    []float32   // running state after the step

	noise        noises        // that makes a teacher
	teacherPacks program.Packs // of a teacher's parameters
	// Of steps with an ascent that rounds: what the ascent reads, which is rounded's and packs' for ops
	// that don't round; and what is packed of packs.
	ascentPacks, besideRounded program.Packs

	ranks rankState

	cleanSums     [][]float32       // gradients at w by runs of shards; all of them end up in the first
	ownClean      [][]float32       // with ranks: this rank's, which end up in the first of cleanSums
	cleanAt       []int             // by op: where its parameters begin in the sums behind the first
	cleanOps      []bool            // by op: its gradient at w is one call over the batch
	cleanDeferred *program.Deferred // for the gradients at w of ops that are factored
	kept          [][]float32       // what a method keeps of former steps
	keptSq        float64           // squared norm of the first, once a step has asked for it
	keptKnown     bool
	ahead         []float32 // w + eps where the base optimizer's momentum perturbs
	selection     selection

	vector vectors
	run    stepRun
	job    roundJob
	busy   atomic.Bool
}

// Stats describes a step.
type Stats struct {
	Loss      float64 // mean over the batch, at the parameters before the step; with Ascent.Fraction over the samples that perturb
	GradNorm  float64 // of the gradient that the base optimizer was given, before it was clipped, without frozen parameters
	Sharpness float64 // mean over the batch of how much its shard's perturbation, or the teacher's, raised the loss; 0 without one, or with Ascent.Fraction

	Divergence float64 // mean over the batch of its divergence from the teacher, without Teacher.Weight; 0 without a teacher

	LearningRate float64 // after its schedule
	Rho          float64 // after its schedule; 0 in a step that perturbs nothing
}

// New returns an Optimizer that trains params in place, as cfg says. The model may have
// any layers and any loss. Parameters that aren't finite are an error, unless they are
// frozen: a frozen bias of -Inf masks an output.
func New(model *net.Model, params *net.Params, cfg Config) (*Optimizer, error) {
	if model == nil {
		return nil, errors.New("sam: Model is missing")
	}
	if err := model.ValidateParams(params); err != nil {
		return nil, err
	}
	o, err := planned(model, cfg)
	if err != nil {
		return nil, err
	}
	o.params = params
	base := o.cfg.base()
	base.Team = o.team
	if o.base, err = optim.New(model.Params(), params.Values, base); err != nil {
		return nil, err
	}
	if i := num.FirstNonFinite(params.State); i >= 0 {
		return nil, fmt.Errorf("sam: the running state of %s has the value %v, want a finite number", o.program.StateAt(i), params.State[i])
	}
	o.allocate()
	return o, nil
}

// NewPlan returns the plan that New would make, without taking the memory that the plan is
// about. The model's parameters aren't needed.
func NewPlan(model *net.Model, cfg Config) (Plan, error) {
	if model == nil {
		return Plan{}, errors.New("sam: Model is missing")
	}
	o, err := planned(model, cfg)
	if err != nil {
		return Plan{}, err
	}
	return o.Plan(), nil
}

// planned returns an optimizer with its plan, but without parameters, the base optimizer and
// the plan's memory.
func planned(model *net.Model, cfg Config) (*Optimizer, error) {
	cfg, err := cfg.resolved(model)
	if err != nil {
		return nil, err
	}
	groups, err := optim.Resolve(model.Params(), cfg.Base, cfg.Groups)
	if err != nil {
		return nil, err
	}
	o := &Optimizer{
		model: model, program: model.Program(), cfg: cfg,
		plans:  map[int]*plan{},
		team:   blas.NewTeam(cfg.Workers),
		vector: newVectors(model.NumParams()),
	}
	o.job.o = o
	ops := o.program.Ops()
	o.groups = groups
	o.trained = Ascent{}.regions(ops, trainedAlike(groups))
	o.regions = cfg.Ascent.regions(ops, groups)
	o.noise.spans = cfg.Teacher.spans(model.Params(), groups)
	if err := cfg.Teacher.validateNoise(o.noise.spans); err != nil {
		return nil, err
	}
	for _, op := range ops {
		o.regionOf = append(o.regionOf, within(o.regions, num.Range(op.Offset, op.Offset+op.Params)))
	}
	if err := cfg.validateRegions(o.regions); err != nil {
		return nil, err
	}
	o.plan = &plan{ranks: 1, ops: ops, arithmetic: newArithmetic(o.program, cfg, o.regionOf, trained(ops, groups))}
	if c := cfg.Communicator; c != nil {
		o.ranks.Communicator = c
		o.plan.rank, o.plan.ranks = c.Rank(), c.Size()
	}
	if err := o.plan.validateRanks(); err != nil {
		return nil, err
	}
	o.plan.layForests()
	trainNeeds, perturbNeeds := o.program.Needs(o.plan.trains), o.program.Needs(o.plan.perturbed)
	o.needs = map[passKind]*program.Needs{plain: trainNeeds, ascent: perturbNeeds, descent: trainNeeds, taught: trainNeeds}
	o.plan.backward, o.plan.cleanBackward = o.program.BackwardOps(trainNeeds), o.program.BackwardOps(perturbNeeds)
	o.all = o.everything()
	o.planDraws()
	o.plan.flops = o.plan.countFlops()
	o.plans[cfg.Batch] = o.plan
	return o, o.fit()
}

// trainedAlike returns groups without what they exclude from the perturbation, but for what they
// freeze.
func trainedAlike(groups []optim.Range) []optim.Range {
	groups = slices.Clone(groups)
	for i := range groups {
		groups[i].Unperturbed = false
	}
	return groups
}

// trained returns which ops have parameters that aren't frozen.
func trained(ops []program.OpInfo, groups []optim.Range) (trains []bool) {
	for _, op := range ops {
		owner := ops[op.Owner]
		trains = append(trains, slices.ContainsFunc(groups, func(g optim.Range) bool {
			return !g.Frozen && max(g.From, owner.Offset) < min(g.To, owner.Offset+owner.Params)
		}))
	}
	return trains
}

// Config returns the configuration with its defaults filled in.
func (o *Optimizer) Config() Config { return o.cfg }

// Plan explains how full batches are computed.
func (o *Optimizer) Plan() Plan { return o.plan.public() }

// Steps returns the number of steps made. Refused steps don't count.
func (o *Optimizer) Steps() uint64 {
	o.enter()
	defer o.leave()
	return o.base.Steps()
}

// enter marks o as in use until leave.
func (o *Optimizer) enter() {
	if !o.busy.CompareAndSwap(false, true) {
		panic("sam: Optimizer is in use by another goroutine")
	}
}

func (o *Optimizer) leave() { o.busy.Store(false) }

// State returns a copy of all that the optimizer carries from step to step, beside the
// parameters and the running state, which belong to the caller.
func (o *Optimizer) State() optim.State {
	o.enter()
	defer o.leave()
	s := o.base.State()
	for _, v := range o.kept {
		s.Vectors = append(s.Vectors, slices.Clone(v))
	}
	return s
}

// Restore sets the optimizer's state to a copy of s. With the parameters and the running
// state of the same step, and the same Config, it then goes on as the optimizer that s
// comes from, bit for bit. A state that doesn't fit, or isn't finite, is an error and
// changes nothing.
func (o *Optimizer) Restore(s optim.State) error {
	o.enter()
	defer o.leave()
	bases := len(s.Vectors) - len(o.kept)
	if len(o.kept) > 0 {
		if err := o.validateKept(s); err != nil {
			return err
		}
	}
	kept := s.Vectors[max(0, bases):]
	s.Vectors = s.Vectors[:max(0, bases)]
	if err := o.base.Restore(s); err != nil {
		return err
	}
	for i, v := range kept {
		copy(o.kept[i], v)
	}
	o.keptKnown = false
	return nil
}

// validateKept returns an error unless the last vectors of a state are those that the method keeps.
func (o *Optimizer) validateKept(s optim.State) error {
	want := o.cfg.Base.StateVectors() + len(o.kept)
	if len(s.Vectors) != want {
		return fmt.Errorf("sam: state of %d vectors, want %d: %d of the base optimizer, and %d of the method", len(s.Vectors), want, o.cfg.Base.StateVectors(), len(o.kept))
	}
	for i, v := range s.Vectors[o.cfg.Base.StateVectors():] {
		number := o.cfg.Base.StateVectors() + i
		if len(v) != len(o.kept[i]) {
			return fmt.Errorf("sam: state vector %d has %d values, want %d, one a parameter", number, len(v), len(o.kept[i]))
		}
		if bad := num.FirstNonFinite(v); bad >= 0 {
			return fmt.Errorf("sam: state vector %d is %v at %s, want a finite number", number, v[bad], o.program.ParamAt(bad))
		}
	}
	return nil
}

// Step trains on one batch, of at most Config.Batch samples.
//
// A batch that doesn't fit the model is an error. So is one that leads to a value that
// isn't finite: a loss or a gradient, at the parameters w or at a shard's w + eps, or a
// parameter after the update. That error wraps ErrRefused. After an error the
// parameters, the running state and the optimizer's state are as they were.
func (o *Optimizer) Step(batch net.Batch) (Stats, error) {
	o.enter()
	defer o.leave()
	defer o.release()
	stats, err := o.gradient(batch)
	if err != nil {
		return Stats{}, err
	}
	if err := o.moveState(); err != nil {
		return Stats{}, err
	}
	given, err := o.combine()
	if err != nil {
		return Stats{}, err
	}
	firstStep := o.base.Steps() == 0
	base, err := o.base.Step(given)
	if err != nil {
		return Stats{}, err
	}
	o.settle(firstStep, base.LearningRate)
	copy(o.params.State, o.state)
	stats.GradNorm, stats.LearningRate = base.GradNorm, base.LearningRate
	return stats, nil
}

// release drops the references to the step's batch.
func (o *Optimizer) release() {
	o.run.batch = net.Batch{}
	for _, w := range o.workers {
		w.release()
	}
}

// moveState sets state to the running state after the step: moved by the mean of the
// shards' statistics, weighted by their samples.
func (o *Optimizer) moveState() error {
	if len(o.mean) == 0 {
		return nil
	}
	clear(o.mean)
	for i, part := range o.run.plan.parts {
		simd.Axpy(float32(float64(part.N)/float64(o.run.batch.N)), o.stats[i], o.mean)
	}
	if i := num.FirstNonFinite(o.mean); i >= 0 {
		return fmt.Errorf("sam: %w: the batch's %s is not finite", ErrRefused, o.program.StateAt(i))
	}
	copy(o.state, o.params.State)
	o.program.Commit(o.state, o.mean)
	if i := num.FirstNonFinite(o.state); i >= 0 {
		return fmt.Errorf("sam: %w: the step makes %s %v, want a finite number", ErrRefused, o.program.StateAt(i), o.state[i])
	}
	return nil
}
