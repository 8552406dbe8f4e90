package sam

import (
	"errors"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net"
)

// Config says how to train. Batch and Base are needed; what is left zero takes
// the default that its comment names.
type Config struct {
	// Rho is the radius of the perturbation: the norm of eps. With 0 nothing
	// is perturbed, and the step is Base's.
	Rho float64

	// RhoSchedule changes it from step to step; nil leaves it as it is. A step for which
	// it makes it 0 is Base's.
	RhoSchedule Scheduler
	// Ascent says how perturbations are made, and when.
	Ascent Ascent

	// Shards is the number of shards of a full batch: 1, the default, is SAM.
	// Papers use the letter m for it, or for ShardSize.
	Shards int
	// ShardSize is the other way to say it: the most samples of a shard. Give
	// one of the two.
	ShardSize int

	// Base applies the gradient.
	Base Base
	// LRSchedule changes its learning rate from step to step; nil leaves it as it is.
	LRSchedule Scheduler
	// Clip is the largest norm of the gradient that Base is given: a longer one
	// is scaled down to it. 0 is no limit. The gradients that perturbations
	// are made of aren't clipped: their length makes no difference.
	Clip float64

	// Batch is the samples of a full batch. Shorter ones, such as the last of
	// an epoch, keep the shard size and have fewer shards.
	Batch int

	// Seed is that of the step's random bits.
	Seed uint64

	// Workers is how many goroutines compute; the default is the number of
	// physical cores that the program may use. It changes no result.
	Workers int

	// MaxMemory is the most bytes that a step may take for what it computes, which is
	// Plan.Bytes; 0 is no limit. Where it asks for it, tiles are smaller, or all workers
	// share them. It changes no result.
	MaxMemory int

	// Force overrules the plan, for tests and studies.
	Force Force
}

// Force overrules what the plan would choose. The zero value leaves all to the
// plan.
type Force struct {
	Perturb Perturbation // arithmetic: how shards' parameters come about
	Sum     Sum          // arithmetic: how their gradients are summed

	PartsPerTile int  // schedule: shards, or parts of them, that go through the model together; 0 leaves it
	Together     bool // schedule: all workers share every tile, even if there are enough for all
}

// Perturbation says how an op's perturbed parameters come about.
type Perturbation uint8

const (
	AutoPerturb Perturbation = iota // by cost, op by op
	Formed                          // the shard's gradient and w + eps are in memory
	Factored                        // neither is; where an op can't, it is formed
)

// Sum says how an op's gradients are summed over the batch.
type Sum uint8

const (
	AutoSum Sum = iota // as the op prefers
	Late               // by one call over the whole batch, after all tiles; where an op isn't made for it, by units
	Units              // shard by shard within units, units by a fixed tree
)

// Check returns what is wrong with c for a model, as New would.
func (c Config) Check(model *net.Model) error {
	_, err := c.resolved(model)
	return err
}

// resolved is a checked Config with its defaults filled in.
func (c Config) resolved(model *net.Model) (Config, error) {
	if !(c.Rho >= 0) || math.IsInf(c.Rho, 1) {
		return c, fmt.Errorf("sam: Rho is %v, want a number that isn't negative", c.Rho)
	}
	if c.Batch < 1 {
		return c, fmt.Errorf("sam: Batch is %d, want at least 1", c.Batch)
	}
	switch {
	case c.Shards < 0:
		return c, fmt.Errorf("sam: Shards is %d, want at least 1", c.Shards)
	case c.ShardSize < 0:
		return c, fmt.Errorf("sam: ShardSize is %d, want at least 1", c.ShardSize)
	case c.Shards > 0 && c.ShardSize > 0:
		return c, fmt.Errorf("sam: both Shards (%d) and ShardSize (%d) are given, want one of them", c.Shards, c.ShardSize)
	case c.ShardSize > 0:
		c.Shards = ceilDiv(c.Batch, c.ShardSize)
	case c.Shards == 0:
		c.Shards = 1
	}
	if c.Shards > c.Batch {
		return c, fmt.Errorf("sam: %d shards of a batch of %d samples, want at least a sample each", c.Shards, c.Batch)
	}
	if smallest := c.Batch / c.Shards; smallest < model.MinShard() {
		return c, fmt.Errorf("sam: %d shards of a batch of %d samples leave %d to a shard, and the model's normalization needs %d", c.Shards, c.Batch, smallest, model.MinShard())
	}
	if err := check(c.RhoSchedule); err != nil {
		return c, fmt.Errorf("sam: RhoSchedule: %w", err)
	}
	if err := c.Ascent.check(c, model); err != nil {
		return c, err
	}
	c.Ascent = c.Ascent.resolved()
	if smallest := c.Batch / c.Shards; c.Ascent.Samples(smallest) < model.MinShard() {
		return c, fmt.Errorf("sam: Ascent.Fraction is %v, which leaves %d of a shard's %d samples, and the model's normalization needs %d", c.Ascent.Fraction, c.Ascent.Samples(smallest), smallest, model.MinShard())
	}
	if c.Base == nil {
		return c, errors.New("sam: Base is missing, such as SGD{LR: 0.1}")
	}
	if err := c.Base.check(); err != nil {
		return c, err
	}
	if err := check(c.LRSchedule); err != nil {
		return c, fmt.Errorf("sam: LRSchedule: %w", err)
	}
	if !(c.Clip >= 0) || math.IsInf(c.Clip, 1) {
		return c, fmt.Errorf("sam: Clip is %v, want a number that isn't negative, 0 for no limit", c.Clip)
	}
	if c.Workers < 0 {
		return c, fmt.Errorf("sam: Workers is %d, want at least 1, or 0 for the default", c.Workers)
	}
	if c.Workers == 0 {
		c.Workers = blas.DefaultWorkers()
	}
	if c.MaxMemory < 0 {
		return c, fmt.Errorf("sam: MaxMemory is %d bytes, want a positive number, or 0 for no limit", c.MaxMemory)
	}
	if c.Force.PartsPerTile < 0 {
		return c, fmt.Errorf("sam: Force.PartsPerTile is %d, want at least 1, or 0 for the default", c.Force.PartsPerTile)
	}
	return c, nil
}

func ceilDiv(a, b int) int { return (a + b - 1) / b }
