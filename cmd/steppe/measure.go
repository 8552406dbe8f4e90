package main

import (
	"context"
	"fmt"
	"iter"
	"time"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

// contender is a method to time.
type contender struct {
	method  sam.Method
	shards  int
	ascent  string // the precision; "" is the default
	cfg     sam.Config
	opt     *sam.Optimizer // nil unless its trial is being measured
	seconds []float64      // of a step, by round
}

func (c *contender) String() string { return c.method.With(c.shards) + ascentSuffix(c.ascent) }

// ascentSuffix is what follows a method's name, where its ascent has another precision than usual.
func ascentSuffix(ascent string) string {
	if ascent == "" {
		return ""
	}
	return " in " + ascent
}

// step trains on a batch and returns the time in seconds.
func (c *contender) step(batch net.Batch) (float64, error) {
	start := time.Now()
	_, err := c.opt.Step(batch)
	took := time.Since(start).Seconds()
	if err != nil {
		err = fmt.Errorf("%v: %w", c, err)
	}
	return took, err
}

// warmups is the number of rounds at the start that don't count.
const warmups = 2

// timeInTurn times a step of each contender on each batch until enough returns 1. It calls show
// after each contender's steps: with the part of the work that is done, and the number of rounds,
// which is not positive while rounds don't count. A round that ctx or an error cuts short counts
// for no contender, so every contender has a time for each round.
func timeInTurn(ctx context.Context, contenders []*contender, batches iter.Seq2[net.Batch, error], enough func(rounds int, elapsed time.Duration) float64, show func(done float64, round int)) error {
	seconds := make([]float64, len(contenders))
	var start time.Time
	done, round := 0.0, -warmups
	for batch, err := range batches {
		if err != nil {
			return err
		}
		if round == 0 {
			start = time.Now()
		}
		for i, c := range contenders {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			// An untimed step first: it brings the contender's memory back into the caches, where
			// training would find it. The other contenders' steps have pushed it out.
			if _, err = c.step(batch); err != nil {
				return err
			}
			if seconds[i], err = c.step(batch); err != nil {
				return err
			}
			show(done, round)
		}
		if round++; round <= 0 {
			continue
		}
		for i, c := range contenders {
			c.seconds = append(c.seconds, seconds[i])
		}
		if done = enough(round, time.Since(start)); done >= 1 {
			return nil
		}
	}
	return nil
}

// fullBatches yields batches of exactly the given size, epoch after epoch, without end but for a
// sample that can't be read.
func fullBatches(set *dataset.Set, size int, seed uint64) iter.Seq2[net.Batch, error] {
	return func(yield func(net.Batch, error) bool) {
		for epoch := uint64(0); ; epoch++ {
			for batch, err := range set.Batches(size, seed, epoch) {
				if err != nil {
					yield(batch, err)
					return
				}
				if batch.N == size && !yield(batch, nil) {
					return
				}
			}
		}
	}
}
