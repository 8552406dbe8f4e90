// Package scaling computes how long a training step takes on several hosts: the cost model of
// docs/SCALING.md, whose tables of computed figures its test compares with the model.
package scaling

import (
	"math/bits"

	"github.com/steppe-ml/steppe/internal/num"
)

// Link connects ranks. A message takes Latency and PerByte for each of its bytes, both in seconds. A
// rank sends its messages one after the other, and receives as many meanwhile.
type Link struct{ Latency, PerByte float64 }

// Step is a training step as the model sees it. Times are in seconds.
type Step struct {
	Compute   float64 // of one rank for the whole batch: what ranks share
	Replicate float64 // what each rank computes for itself, such as the optimizer's update

	Params     int // floats of a gradient
	Trees      int // along which a gradient is added: 1, or 2 where only some ops are deferred
	Exchanges  int // of a gradient: 1, or 2 where all shards together are perturbed once, as by SAM
	Units      int // that the batch is cut into
	Parts      int // of the batch, each with a status
	Statistics int // floats of normalizations, by part
}

// Call is one exchange among all ranks, as the rank sees it that sends the most.
type Call struct {
	Messages int
	Bytes    int64
}

// statusBytes is what the others are told of a part.
const statusBytes = 32

// Calls returns the exchanges of a step in the exact mode, in order. Ranks and Step.Units are powers
// of two, so that each rank has one node of the tree of units, and Step.Units is at least ranks.
func (s Step) Calls(ranks int) (calls []Call) {
	others := int64(ranks - 1)
	if others == 0 {
		return nil
	}
	toAll := func(bytes int64) {
		calls = append(calls, Call{Messages: int(others), Bytes: others * bytes})
	}
	parts := int64(num.CeilDiv(s.Parts, ranks))
	for n := range s.Exchanges {
		toAll(parts * statusBytes)
		if n == s.Exchanges-1 && s.Statistics > 0 {
			toAll(parts * 4 * int64(s.Statistics))
		}
		for range s.Trees {
			// A segment to each rank, and then the sum of one's own to all.
			toAll(4 * int64(s.Params/s.Trees/ranks))
			toAll(4 * int64(s.Params/s.Trees/ranks))
		}
	}
	return calls
}

// Time returns how long a step takes in the exact mode, and what part of it is exchange.
func (s Step) Time(ranks int, l Link) (total, exchange float64) {
	for _, c := range s.Calls(ranks) {
		exchange += l.time(c)
	}
	return s.own(ranks) + exchange, exchange
}

// FastTime is Time in the fast mode, in which MPI adds the vectors. It assumes the best that an
// all-reduce can be: the bytes of a ring, and the messages of halving and doubling.
func (s Step) FastTime(ranks int, l Link) (total, exchange float64) {
	if ranks > 1 {
		status := s
		status.Trees = 0
		for _, c := range status.Calls(ranks) {
			exchange += l.time(c)
		}
		share := 1 - 1/float64(ranks)
		sum := Call{Messages: 2 * bits.Len(uint(ranks-1)), Bytes: int64(2 * 4 * share * float64(s.Params))}
		exchange += float64(s.Exchanges) * l.time(sum)
	}
	return s.own(ranks) + exchange, exchange
}

// own is what the rank computes that has most units.
func (s Step) own(ranks int) float64 {
	return s.Compute*float64(num.CeilDiv(s.Units, ranks))/float64(s.Units) + s.Replicate
}

func (l Link) time(c Call) float64 {
	return float64(c.Messages)*l.Latency + float64(c.Bytes)*l.PerByte
}
