package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/simd"
)

// Schedule is who computes what, and when. It may depend on cores and caches.
type Schedule struct {
	Workers int
	sharing sharing
	Tiles   []span  // runs of parts that go through the model together
	Rounds  []Round // one after the other: one of all tiles, or, pass by pass, one of whole shards and one for each of the others
}

// Round is what the workers do before they wait for each other: first each takes
// tiles of its own, from end to end, then all share what is left over, op by op.
type Round struct {
	Tasks  []span // runs of tiles that one worker takes, in order
	Shared span   // tiles
	Whole  bool   // pass by pass: a task is a shard, which its worker takes through both passes
}

// sharing is what workers may take of their own. Each way takes less memory than the one
// before it.
type sharing uint8

const (
	shardsApart sharing = iota // tiles, and whole shards where they go pass by pass
	tilesApart                 // tiles
	together                   // nothing: all share every tile
)

// newSchedule decides how an arithmetic is carried out, with tiles of at most perTile
// parts.
func newSchedule(a *Arithmetic, workers, perTile int, how sharing) Schedule {
	s := Schedule{Workers: workers, sharing: how}
	if a.Ascent.part() && !a.PassByPass {
		perTile = 1 // what a tile has in the clean pass must be consecutive
	}
	rounds := []span{{0, len(a.Parts)}}
	if a.PassByPass {
		rounds = nil
		whole := len(a.Shards) / workers * workers // so that all have as many
		if how > shardsApart || workers == 1 {
			whole = 0
		}
		if whole > 0 {
			s.Rounds = append(s.Rounds, s.whole(a, whole, perTile))
		}
		for shard := whole; shard < len(a.Shards); shard++ {
			rounds = append(rounds, a.partsOf(shard))
		}
	}
	for _, parts := range rounds {
		alone := parts.len() / workers * workers // so that all have as much
		if how == together || workers == 1 {
			alone = 0
		}
		var r Round
		from := len(s.Tiles)
		for worker := range min(alone, workers) {
			first, last := parallel.Cut(alone, 1, workers, worker)
			s.tile(span{parts.from + first, parts.from + last}, perTile)
		}
		for t := from; t < len(s.Tiles); t++ {
			if t == len(s.Tiles)-1 || a.mayPart(s.Tiles[t].to) {
				r.Tasks = append(r.Tasks, span{from, t + 1})
				from = t + 1
			}
		}
		s.tile(span{parts.from + alone, parts.to}, perTile)
		r.Shared = span{from, len(s.Tiles)}
		s.Rounds = append(s.Rounds, r)
	}
	return s
}

// whole returns the round of the first shards, each a task.
func (s *Schedule) whole(a *Arithmetic, shards, perTile int) Round {
	r := Round{Whole: true}
	for shard := range shards {
		from := len(s.Tiles)
		s.tile(a.partsOf(shard), perTile)
		r.Tasks = append(r.Tasks, span{from, len(s.Tiles)})
	}
	r.Shared = span{len(s.Tiles), len(s.Tiles)}
	return r
}

// tile cuts parts evenly into tiles of at most perTile of them.
func (s *Schedule) tile(parts span, perTile int) {
	n := ceilDiv(parts.len(), perTile)
	for i := range n {
		from, to := parallel.Cut(parts.len(), 1, n, i)
		s.Tiles = append(s.Tiles, span{parts.from + from, parts.from + to})
	}
}

// largestTile returns the most parts of a tile.
func (s *Schedule) largestTile() (parts int) {
	for _, t := range s.Tiles {
		parts = max(parts, t.len())
	}
	return parts
}

// apart reports whether workers take tiles of their own.
func (s *Schedule) apart() bool {
	return slices.ContainsFunc(s.Rounds, func(r Round) bool { return len(r.Tasks) > 0 })
}

// takesWhole reports whether workers take shards of their own, pass by pass.
func (s *Schedule) takesWhole() bool {
	return slices.ContainsFunc(s.Rounds, func(r Round) bool { return r.Whole })
}

// first returns the round's first tile.
func (r *Round) first() int {
	if len(r.Tasks) > 0 {
		return r.Tasks[0].from
	}
	return r.Shared.from
}

// tiles returns how many tiles the round has.
func (r *Round) tiles() int { return r.Shared.to - r.first() }

// tilesFor returns the most tiles that a worker takes in the round.
func (r *Round) tilesFor(workers int) int {
	return ceilDiv(r.tiles()-r.Shared.len(), workers) + r.Shared.len()
}

// mayPart reports whether different workers may take the parts before one and
// those from it on at the same time: not within a unit, whose parts are summed in
// order.
func (a *Arithmetic) mayPart(part int) bool {
	return !slices.Contains(a.ByUnits, true) ||
		slices.ContainsFunc(a.Units, func(u span) bool { return u.to == part })
}

// tileParts chooses how many parts go through the model together: as many as
// keep a tile's values and gradients in half of a core's L2, but enough samples
// for the parameters that their products read.
func tileParts(prog *program.Program, a *Arithmetic) int {
	samples := max(simd.Processor().L2/2/max(1, prog.SampleBytes()), worthwhile(prog))
	return max(1, samples/largest(a.Parts))
}

// worthwhile returns the samples of a tile whose products take costs.reuse times as
// long as reading the parameters.
func worthwhile(prog *program.Program) int {
	flops := int64(0)
	for _, op := range prog.Ops() {
		flops += op.Traits.Flops.Forward
	}
	bytes := 4 * int64(prog.NumParams())
	return int(bytes * costs.flopsPerByte * costs.reuse / max(1, flops))
}
