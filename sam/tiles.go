package sam

import (
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/simd"
)

// schedule decides who computes what, and when. It may depend on cores and caches.
type schedule struct {
	workers int
	sharing sharing
	tiles   []num.Span // runs of parts that go through the model together
	rounds  []round    // one after the other: one of all tiles; or, pass by pass, one of whole shards and one for each other shard
}

// round is the work between two points at which the workers wait for each other. First
// each worker takes tiles of its own, from end to end. Then all share the tiles that are
// left over, op by op.
type round struct {
	tasks  []num.Span // runs of tiles that one worker takes, in order
	shared num.Span   // tiles
	whole  bool       // pass by pass: a task is a shard, which its worker takes through both passes
}

// sharing says what a worker may take alone. Each value takes less memory than the one
// before it.
type sharing uint8

const (
	shardsApart sharing = iota // tiles, and whole shards where they go pass by pass
	tilesApart                 // tiles
	together                   // nothing: all workers share every tile
)

// newSchedule decides how an arithmetic is carried out, with tiles of at most perTile
// parts.
func newSchedule(a *arithmetic, workers, perTile int, how sharing) schedule {
	s := schedule{workers: workers, sharing: how}
	if a.ascent.part() && !a.passByPass {
		perTile = 1 // the samples that a tile has in the clean pass must be consecutive
	}
	if !a.passByPass {
		s.addRound(a, num.Range(0, len(a.parts)), perTile)
		return s
	}
	whole := 0
	if how == shardsApart && workers > 1 {
		whole = len(a.shards) / workers * workers // so that all workers have the same number
	}
	if whole > 0 {
		s.addWholeShards(a, whole, perTile)
	}
	for shard := whole; shard < len(a.shards); shard++ {
		s.addRound(a, a.partsOf(shard), perTile)
	}
	return s
}

// addRound adds the round of a run of parts. The workers have the same number of parts
// alone, and share the rest.
func (s *schedule) addRound(a *arithmetic, parts num.Span, perTile int) {
	alone := 0
	if s.sharing < together && s.workers > 1 {
		alone = parts.Len() / s.workers * s.workers
	}
	first := len(s.tiles)
	for worker := range min(alone, s.workers) {
		from, to := parallel.Cut(alone, 1, s.workers, worker)
		s.addTiles(num.Range(parts.From+from, parts.From+to), perTile)
	}
	var r round
	for t := first; t < len(s.tiles); t++ {
		if t == len(s.tiles)-1 || a.mayPart(s.tiles[t].To) {
			r.tasks = append(r.tasks, num.Range(first, t+1))
			first = t + 1
		}
	}
	s.addTiles(num.Range(parts.From+alone, parts.To), perTile)
	r.shared = num.Range(first, len(s.tiles))
	s.rounds = append(s.rounds, r)
}

// addWholeShards adds the round of the first shards, in which each shard is a task.
func (s *schedule) addWholeShards(a *arithmetic, shards, perTile int) {
	r := round{whole: true}
	for shard := range shards {
		from := len(s.tiles)
		s.addTiles(a.partsOf(shard), perTile)
		r.tasks = append(r.tasks, num.Range(from, len(s.tiles)))
	}
	r.shared = num.Range(len(s.tiles), len(s.tiles))
	s.rounds = append(s.rounds, r)
}

// addTiles cuts parts evenly into tiles of at most perTile parts.
func (s *schedule) addTiles(parts num.Span, perTile int) {
	n := num.CeilDiv(parts.Len(), perTile)
	for i := range n {
		from, to := parallel.Cut(parts.Len(), 1, n, i)
		s.tiles = append(s.tiles, num.Range(parts.From+from, parts.From+to))
	}
}

// largestTile returns the most parts of a tile.
func (s *schedule) largestTile() (parts int) {
	for _, t := range s.tiles {
		parts = max(parts, t.Len())
	}
	return parts
}

// apart reports whether workers take tiles of their own.
func (s *schedule) apart() bool {
	return slices.ContainsFunc(s.rounds, func(r round) bool { return len(r.tasks) > 0 })
}

// takesWhole reports whether workers take shards of their own, pass by pass.
func (s *schedule) takesWhole() bool {
	return slices.ContainsFunc(s.rounds, func(r round) bool { return r.whole })
}

// first returns the round's first tile.
func (r *round) first() int {
	if len(r.tasks) > 0 {
		return r.tasks[0].From
	}
	return r.shared.From
}

// numTiles returns how many tiles the round has.
func (r *round) numTiles() int { return r.shared.To - r.first() }

// tilesFor returns the most tiles that a worker takes in the round.
func (r *round) tilesFor(workers int) int {
	return num.CeilDiv(r.numTiles()-r.shared.Len(), workers) + r.shared.Len()
}

// mayPart reports whether one worker may take the parts before the given one while
// another takes those from it on. They may not within a unit, whose parts are summed in
// order.
func (a *arithmetic) mayPart(part int) bool {
	return !slices.Contains(a.byUnits, true) ||
		slices.ContainsFunc(a.units, func(u num.Span) bool { return u.To == part })
}

// tileParts chooses how many parts go through the model together: as many as keep a
// tile's values and gradients in half of a core's L2, but enough samples to make reading
// the parameters worthwhile.
func tileParts(prog *program.Program, a *arithmetic) int {
	samples := max(simd.Processor().L2/2/max(1, prog.SampleBytes()), worthwhile(prog))
	return max(1, samples/largest(a.parts))
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
