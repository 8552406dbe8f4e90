package sam

import (
	"errors"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// The ranks of a run share the units of each batch. A rank takes a run of units through the passes,
// then all ranks add up their gradients, and each makes the whole step: all have all parameters and
// all of the optimizer's state.
//
// A unit's gradient is a sum of its own, that of deferred ops, too, and units are added along the
// tree of their numbers, between ranks as within one. So the bits depend on the units, and not on
// which rank has which. With Config.Fast, gradients are deferred over all of a rank's samples, and
// the communicator adds up the ranks' sums.

// Alone returns the communicator of one rank. A step with it has the bits that it has on several.
func Alone() Communicator { return alone{} }

type alone struct{}

func (alone) Rank() int                         { return 0 }
func (alone) Size() int                         { return 1 }
func (alone) Sum([]float32) error               { return nil }
func (alone) Broadcast([]byte, int) error       { return nil }
func (alone) Gather(x []byte) ([][]byte, error) { return [][]byte{x}, nil }
func (alone) Barrier() error                    { return nil }
func (alone) Abort(reason error)                { panic(reason) }

func (alone) Exchange(send, receive [][]float32) error {
	copy(receive[0], send[0])
	return nil
}

// rankState is what a step needs to be made by several ranks.
type rankState struct {
	Communicator
	tree  treeSum
	relay relay

	products [][]float32 // deferred gradients of this rank's nodes, each of all parameters
	sum      []float32   // of the ops that are summed by units, as they lie in a unit
	own      [][]float32 // this rank's nodes, for tree

	status        []partStatus // by part
	send, receive [][]float32
}

// unitsOf returns the units of a rank.
func (p *plan) unitsOf(rank int) num.Span {
	return num.Range(parallel.Cut(len(p.units), 1, p.ranks, rank))
}

// partsOfUnits returns the parts of a run of units.
func (p *plan) partsOfUnits(units num.Span) num.Span {
	if units.Len() == 0 {
		return num.Range(0, 0)
	}
	return num.Range(p.units[units.From].From, p.units[units.To-1].To)
}

// partsOfRank returns the parts of a rank.
func (p *plan) partsOfRank(rank int) num.Span { return p.partsOfUnits(p.unitsOf(rank)) }

// Own returns which samples of a batch of n this rank computes on, if the optimizer has a
// Communicator: those from from up to to. Step reads the inputs of no others. A batch that Step
// would refuse has none.
func (o *Optimizer) Own(n int) (from, to int) {
	o.enter()
	defer o.leave()
	if o.ranks.Communicator == nil {
		return 0, n
	}
	plan, err := o.planOf(n)
	if err != nil {
		return 0, 0
	}
	own := plan.ownParts()
	run := joined(plan.parts[own.From:own.To])
	return run.First, run.First + run.N
}

// cutUnits returns the units of each rank, of so many.
func cutUnits(units, ranks int) (runs []num.Span) {
	for rank := range ranks {
		runs = append(runs, num.Range(parallel.Cut(units, 1, ranks, rank)))
	}
	return runs
}

// ownUnits and ownParts return those of this process's rank.
func (p *plan) ownUnits() num.Span { return p.unitsOf(p.rank) }
func (p *plan) ownParts() num.Span { return p.partsOfRank(p.rank) }

// runs returns by rank what numbers of a tree a rank has, of those within a span that the tree's
// numbers begin with.
func (p *plan) runs(within num.Span, of func(rank int) num.Span) (runs []num.Span) {
	for rank := range p.ranks {
		run := within.Common(of(rank))
		runs = append(runs, num.Range(run.From-within.From, run.To-within.From))
	}
	return runs
}

// layForests finds out which nodes ranks have of the trees of a step.
func (p *plan) layForests() {
	p.unitForest = newForest(len(p.units), cutUnits(len(p.units), p.ranks))
	if p.sumsClean {
		sums := p.numCleanSums()
		p.cleanForest = newForest(sums, p.runs(num.Range(0, sums), p.cleanSumsOf))
	}
	p.shardForests = nil
	if p.passByPass {
		for shard := range p.shards {
			parts := p.cleanOf(shard) // a unit each
			p.shardForests = append(p.shardForests, newForest(parts.Len(), p.runs(parts, p.partsOfRank)))
		}
	}
}

// cleanSumsOf returns the sums of gradients at w that a rank has: its units, or the shards that
// begin in one of them.
func (p *plan) cleanSumsOf(rank int) num.Span {
	if !p.passByPass {
		return p.unitsOf(rank)
	}
	own := p.partsOfRank(rank)
	var sums num.Span
	for shard := range p.shards {
		if first := p.partsOf(shard).From; first >= own.From && first < own.To {
			if sums.Len() == 0 {
				sums.From = shard
			}
			sums.To = shard + 1
		}
	}
	return sums
}

// spreads reports whether several ranks have parts of a shard.
func (p *plan) spreads(shard int) bool {
	parts := p.partsOf(shard)
	for rank := range p.ranks {
		if own := p.partsOfRank(rank); own.From <= parts.From && parts.To <= own.To {
			return false
		}
	}
	return true
}

// units is the most units of a batch.
func (c Config) units() int {
	if c.Units == 0 {
		return defaultUnits
	}
	return c.Units
}

// validateRanks returns an error unless c can be shared by the communicator's ranks.
func (c Config) validateRanks() error {
	switch {
	case c.Fast && c.Communicator == nil:
		return errors.New("sam: Fast is set, and Communicator isn't, so that there is nothing to sum")
	case c.Overlap && c.Communicator == nil:
		return errors.New("sam: Overlap is set, and Communicator isn't, so that there is nothing to exchange")
	case c.Units < 0:
		return badField("Units", "is %d, want at least 1, or 0 for the default", c.Units)
	case c.Communicator == nil && c.Units > 0 && c.Units != defaultUnits:
		return badField("Units", "is %d without Communicator", c.Units)
	case c.Communicator == nil:
		return nil
	}
	if n := c.Communicator.Size(); n > c.units() {
		return badField("Communicator", "has %d ranks, want at most %d, since a batch is cut into so many units: set Units", n, c.units())
	}
	return nil
}

// validateRanks returns an error if a rank would have nothing to do.
func (p *plan) validateRanks() error {
	if p.ranks > len(p.units) {
		return badField("Communicator", "has %d ranks, and a batch of %d samples in %d shards can be cut into %d units: give a larger batch or more shards", p.ranks, p.samples(), len(p.shards), len(p.units))
	}
	return nil
}
