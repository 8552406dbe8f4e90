package sam

import (
	"errors"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// Config says how to train. Batch and Base are needed; other fields that are zero
// take the default that their comment names.
type Config struct {
	// Rho is the radius of the perturbation: the norm of eps. With 0 nothing is
	// perturbed, and the step is the base optimizer's.
	Rho float64
	// RhoSchedule changes Rho from step to step; nil keeps it. A step for which it makes
	// Rho 0 is the base optimizer's.
	RhoSchedule optim.Schedule
	// RhoWithLR makes Rho follow the learning rate (GSAM, Zhuang et al., arXiv 2203.08065): it is
	// RhoMin + (Rho - RhoMin) times LRSchedule's factor.
	RhoWithLR bool
	RhoMin    float64
	// Ascent says how a shard's gradient becomes its perturbation, and in which steps.
	Ascent Ascent
	// Descent says what the step makes of the gradients at w and at w + eps, and on which samples
	// it goes down.
	Descent Descent
	// Teacher makes the step learn from the model at other parameters, and descend at w.
	Teacher Teacher

	// Shards is the number of shards of a full batch: 1, the default, is SAM. Papers use
	// the letter m for it, or for ShardSize.
	Shards int
	// ShardSize is the other way to say it: the most samples of a shard. Give one of
	// the two.
	ShardSize int

	// Base is the rule of the base optimizer, which applies the gradient: optim.SGD,
	// optim.AdamW, or your own.
	Base optim.Rule
	// LRSchedule changes the learning rate from step to step; nil keeps it.
	LRSchedule optim.Schedule
	// Clip is the largest norm of the gradient that Base is given: a longer gradient is
	// scaled down to it. 0 is no limit. The gradients that make perturbations aren't
	// clipped, since their length makes no difference.
	Clip float64
	// Groups give some parameters another learning rate or weight decay, freeze them, or
	// exclude them from the perturbation. Frozen parameters aren't perturbed either.
	Groups []optim.Group

	// Batch is the samples of a full batch. Shorter batches, such as the last of an
	// epoch, keep the shard size and have fewer shards.
	Batch int

	// Seed is the seed of the step's random bits, such as Dropout's.
	Seed uint64

	// Communicator shares each batch with the processes of other ranks, which make the same steps
	// with the same Config but for Workers and MaxMemory. nil is this process alone. Every rank
	// gives Step the whole batch; of the inputs, a rank reads those of its own samples alone.
	Communicator Communicator
	// Fast lets each rank sum the gradient of its samples as it likes, and the communicator
	// add up the ranks' sums. Otherwise sums keep an order that any number of ranks
	// keeps, so that all have the same bits: Alone() is the communicator of one.
	Fast bool
	// Units is the most pieces that ranks share a batch in, and so the most ranks; 0 is 16. Each
	// piece has a gradient of its own, so fewer cost less. The bits depend on it.
	Units int
	// Overlap has ranks exchange gradients while they compute others: those that are computed after
	// all samples have gone through, of Dense layers mostly. That takes a processor beside the
	// Workers'. It changes no result without Fast.
	Overlap bool

	// Workers is how many goroutines compute; the default is the number of physical
	// cores that the program may use. It changes no result.
	Workers int

	// MaxMemory is the most bytes that a step may take for what it computes, which is
	// Plan.Bytes; 0 is no limit. Below what suits the caches, tiles get smaller, or all
	// workers share them. It changes no result.
	MaxMemory int

	force force // overrules the plan, for tests
}

// force overrules what the plan would choose. The zero value leaves all to the plan.
type force struct {
	perturb perturbChoice // arithmetic: how shards' parameters come about
	sum     sumChoice     // arithmetic: how their gradients are summed

	partsPerTile int  // schedule: shards, or parts of them, that go through the model together; 0 leaves it
	together     bool // schedule: all workers share every tile, even if there are enough for all
	segment      int  // exchange: what segmentFloats is; 0 leaves it
}

// perturbChoice says how an op's perturbed parameters come about.
type perturbChoice uint8

const (
	autoPerturb perturbChoice = iota // by cost, op by op
	formed                           // the shard's gradient and w + eps are in memory
	factored                         // neither is; ops that can't do that are formed
)

// sumChoice says how an op's gradients are summed over the batch.
type sumChoice uint8

const (
	autoSum  sumChoice = iota // as the op prefers
	deferred                  // by one call over the whole batch after all tiles; by units where an op isn't made for it
	byUnits                   // shard by shard within units, units by a fixed tree
)

// Validate returns an error unless c fits the model, as New would. If it is one field's
// fault, the error wraps an *optim.FieldError. Only New and NewPlan find out whether
// MaxMemory is enough.
func (c Config) Validate(model *net.Model) error {
	if model == nil {
		return errors.New("sam: Model is missing")
	}
	c, err := c.resolved(model)
	if err != nil {
		return err
	}
	if err := c.base().Validate(model.Params()); err != nil {
		return err
	}
	groups, err := optim.Resolve(model.Params(), c.Base, c.Groups)
	if err != nil {
		return err
	}
	if err := c.Teacher.validateNoise(c.Teacher.spans(model.Params(), groups)); err != nil {
		return err
	}
	return c.validateRegions(c.Ascent.regions(model.Program().Ops(), groups))
}

// validateRegions returns an error if nothing is perturbed, but something should be.
func (c Config) validateRegions(regions []region) error {
	if c.Rho > 0 && len(regions) > 0 && !perturbs(regions) {
		return badField("Rho", "is %v, and the groups leave no parameter to perturb", c.Rho)
	}
	return nil
}

// Unperturbed returns c without what perturbs: the step of its base optimizer, on the same shards.
func (c Config) Unperturbed() Config {
	c.Rho, c.RhoSchedule, c.RhoWithLR, c.RhoMin = 0, nil, false, 0
	c.Ascent, c.Descent, c.Teacher = Ascent{}, Descent{}, Teacher{}
	return c
}

// base is the part of c that is the base optimizer's.
func (c Config) base() optim.Config {
	return optim.Config{Rule: c.Base, Schedule: c.LRSchedule, Clip: c.Clip, Groups: c.Groups}
}

// resolved returns c with its defaults filled in, or an error. It checks the base
// optimizer's settings, too, so that an error has Config's names for them; New and
// Validate have package optim check the groups.
func (c Config) resolved(model *net.Model) (Config, error) {
	if !(c.Rho >= 0) || math.IsInf(c.Rho, 1) {
		return c, badField("Rho", "is %v, want a finite number that isn't negative", c.Rho)
	}
	if most := mostSamples(model); c.Batch < 1 || c.Batch > most {
		return c, badField("Batch", "is %d, want at least 1 and at most %d", c.Batch, most)
	}
	var err error
	if c.Shards, err = c.shards(); err != nil {
		return c, err
	}
	if smallest := c.Batch / c.Shards; smallest < model.MinShard() {
		field, value := "Shards", c.Shards
		if c.ShardSize > 0 {
			field, value = "ShardSize", c.ShardSize
		}
		return c, badField(field, "is %d, which leaves %d of a batch's %d samples to a shard, and the model's normalization needs %d", value, smallest, c.Batch, model.MinShard())
	}
	if err := optim.ValidateSchedule(c.RhoSchedule); err != nil {
		return c, fmt.Errorf("sam: RhoSchedule: %w", err)
	}
	if err := c.Ascent.validate(c, model); err != nil {
		return c, err
	}
	if err := c.Teacher.validate(c, model); err != nil {
		return c, err
	}
	if err := c.Descent.validate(c); err != nil {
		return c, err
	}
	if err := c.Descent.validateSamples(c, model); err != nil {
		return c, err
	}
	if err := c.validateRhoWithLR(); err != nil {
		return c, err
	}
	c.Ascent = c.Ascent.resolved()
	if smallest := c.Batch / c.Shards; c.Ascent.Samples(smallest) < model.MinShard() {
		return c, badField("Ascent.Fraction", "is %v, which leaves %d of a shard's %d samples, and the model's normalization needs %d", c.Ascent.Fraction, c.Ascent.Samples(smallest), smallest, model.MinShard())
	}
	if c.Base == nil {
		return c, errors.New("sam: Base is missing, such as optim.SGD{LR: 0.1}")
	}
	if err := c.Base.Validate(); err != nil {
		return c, fmt.Errorf("sam: %w", err)
	}
	if err := optim.ValidateSchedule(c.LRSchedule); err != nil {
		return c, fmt.Errorf("sam: LRSchedule: %w", err)
	}
	if !(c.Clip >= 0) || math.IsInf(c.Clip, 1) {
		return c, badField("Clip", "is %v, want a finite number that isn't negative, 0 for no limit", c.Clip)
	}
	if c.Workers < 0 {
		return c, badField("Workers", "is %d, want at least 1, or 0 for the default", c.Workers)
	}
	if c.Workers == 0 {
		c.Workers = blas.DefaultWorkers()
	}
	if err := c.validateRanks(); err != nil {
		return c, err
	}
	c.Units = c.units()
	if c.MaxMemory < 0 {
		return c, badField("MaxMemory", "is %d bytes, want a positive number, or 0 for no limit", c.MaxMemory)
	}
	return c, nil
}

// validateRhoWithLR returns an error unless RhoWithLR and RhoMin go with the rest.
func (c Config) validateRhoWithLR() error {
	switch {
	case c.RhoMin != 0 && !c.RhoWithLR:
		return badField("RhoMin", "is %v without RhoWithLR", c.RhoMin)
	case !c.RhoWithLR:
		return nil
	case !(c.RhoMin >= 0 && c.RhoMin <= c.Rho):
		return badField("RhoMin", "is %v, want at least 0 and at most Rho, %v", c.RhoMin, c.Rho)
	case c.Rho == 0:
		return badField("RhoWithLR", "is true, and Rho is 0, which perturbs nothing")
	case c.RhoSchedule != nil:
		return errors.New("sam: both RhoWithLR and RhoSchedule are set, want one of them")
	}
	return nil
}

// shards returns the number of shards that Shards or ShardSize ask for.
func (c Config) shards() (int, error) {
	shards := max(1, c.Shards)
	switch {
	case c.Shards < 0:
		return 0, badField("Shards", "is %d, want at least 1", c.Shards)
	case c.ShardSize < 0:
		return 0, badField("ShardSize", "is %d, want at least 1", c.ShardSize)
	case c.Shards > 0 && c.ShardSize > 0:
		return 0, fmt.Errorf("sam: both Shards (%d) and ShardSize (%d) are given, want one of them", c.Shards, c.ShardSize)
	case c.ShardSize > 0:
		shards = num.CeilDiv(c.Batch, min(c.Batch, c.ShardSize))
	}
	if shards > c.Batch {
		return 0, fmt.Errorf("sam: %d shards of a batch of %d samples, want at least a sample each", shards, c.Batch)
	}
	return shards, nil
}

// badField returns the error of a field.
func badField(field, problem string, args ...any) error {
	return fmt.Errorf("sam: %w", &optim.FieldError{Field: field, Problem: fmt.Sprintf(problem, args...)})
}

// mostSamples returns the largest batch whose memory can be counted: the values and
// gradients of all samples, and the statistics of as many shards.
func mostSamples(model *net.Model) int {
	const slack = 16 // for sums of such sizes
	return math.MaxInt / slack / (model.Program().SampleBytes() + 4*model.NumState() + model.InputShape().Size() + 1)
}
