package sam

import (
	"math"
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
	shard  int        // pass by pass, unless the round is of whole shards: the one it is of
	spread bool       // several ranks have parts of the shard
}

// sharing says what a worker may take alone. Each value takes less memory than the one
// before it.
type sharing uint8

const (
	shardsApart sharing = iota // tiles, and whole shards where they go pass by pass
	tilesApart                 // tiles
	together                   // nothing: all workers share every tile
)

// newSchedule decides how a plan's arithmetic is carried out, with tiles of at most perTile
// parts.
func newSchedule(p *plan, workers, perTile int, how sharing) schedule {
	s := schedule{workers: workers, sharing: how}
	if p.ascent.part() && !p.passByPass {
		perTile = 1 // the samples that a tile has in the clean pass must be consecutive
	}
	own := p.ownParts()
	if !p.passByPass {
		s.addRound(p, own, perTile)
		return s
	}
	var mine, spread []int // shards
	for shard := range p.shards {
		switch parts := p.partsOf(shard); {
		case p.spreads(shard):
			spread = append(spread, shard)
		case own.From <= parts.From && parts.To <= own.To:
			mine = append(mine, shard)
		}
	}
	whole := 0
	if how == shardsApart && workers > 1 {
		whole = len(mine) / workers * workers // so that all workers have the same number
	}
	if whole > 0 {
		s.addWholeShards(&p.arithmetic, mine[:whole], perTile)
	}
	for _, shard := range append(mine[whole:], spread...) {
		s.addRound(p, p.partsOf(shard).Common(own), perTile)
		r := &s.rounds[len(s.rounds)-1]
		r.shard, r.spread = shard, slices.Contains(spread, shard)
	}
	return s
}

// addRound adds the round of a run of parts. Workers take grains of parts alone, in equal numbers
// as far as there are enough, and share the rest: none, what an even division leaves over, or all,
// whichever takes the least time.
func (s *schedule) addRound(p *plan, parts num.Span, perTile int) {
	grains := p.grains(parts)
	alone := 0
	if s.sharing < together && s.workers > 1 {
		least := int64(math.MaxInt64)
		for _, n := range []int{len(grains) / s.workers * s.workers, len(grains), 0} {
			if time := s.roundTime(p, grains, n, perTile); time < least {
				alone, least = n, time
			}
		}
	}
	var r round
	for worker := range min(alone, s.workers) {
		from, to := parallel.Cut(alone, 1, min(alone, s.workers), worker)
		s.addTasks(&r, grains[from:to], perTile)
	}
	if r.shared = num.Range(len(s.tiles), len(s.tiles)); alone < len(grains) {
		s.addTiles(num.Range(grains[alone].From, parts.To), perTile)
		r.shared.To = len(s.tiles)
	}
	s.rounds = append(s.rounds, r)
}

// addTasks adds a worker's grains to a round: as many grains to a tile, a task each, as it holds,
// or several tiles to a task where a grain is larger than a tile.
func (s *schedule) addTasks(r *round, grains []num.Span, perTile int) {
	most := 1
	for _, g := range grains {
		most = max(most, g.Len())
	}
	tasks := num.CeilDiv(len(grains), max(1, perTile/most))
	for i := range tasks {
		from, to := parallel.Cut(len(grains), 1, tasks, i)
		first := len(s.tiles)
		s.addTiles(num.Range(grains[from].From, grains[to-1].To), perTile)
		r.tasks = append(r.tasks, num.Range(first, len(s.tiles)))
	}
}

// roundTime estimates the time of a round in which workers take the first grains alone and share
// the rest.
func (s *schedule) roundTime(p *plan, grains []num.Span, alone, perTile int) (time int64) {
	workers := min(alone, s.workers)
	for worker := range workers {
		from, to := parallel.Cut(alone, 1, workers, worker)
		own := num.Range(grains[from].From, grains[to-1].To)
		time = max(time, p.time(own, num.CeilDiv(own.Len(), perTile), 1))
	}
	if alone < len(grains) {
		rest := num.Range(grains[alone].From, grains[len(grains)-1].To)
		time += p.time(rest, num.CeilDiv(rest.Len(), perTile), s.workers)
	}
	return time
}

// addWholeShards adds the round of some shards, in which each shard is a task.
func (s *schedule) addWholeShards(a *arithmetic, shards []int, perTile int) {
	r := round{whole: true}
	for _, shard := range shards {
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

// tileSamples returns the most samples of a tile.
func (p *plan) tileSamples() (samples int) {
	for _, t := range p.tiles {
		samples = max(samples, joined(p.parts[t.From:t.To]).N)
	}
	return samples
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

// grains cuts parts into runs that one worker must take alone: the parts of a unit, which are
// summed in order, or a part each where no gradient is summed by units.
func (a *arithmetic) grains(parts num.Span) (grains []num.Span) {
	if !slices.Contains(a.byUnits, true) && !a.sumsClean {
		for part := parts.From; part < parts.To; part++ {
			grains = append(grains, num.Range(part, part+1))
		}
		return grains
	}
	for _, u := range a.units {
		if g := u.Common(parts); g.Len() > 0 {
			grains = append(grains, g)
		}
	}
	return grains
}

// tileParts chooses how many parts go through the model together: as many as keep a
// tile's values and gradients in half of a core's L2, but enough samples to make reading
// the parameters worthwhile.
func tileParts(prog *program.Program, a *arithmetic) int {
	samples := max(simd.Processor().L2/2/max(1, prog.SampleBytes()), worthwhile(prog))
	return max(1, samples*len(a.parts)/a.samples())
}

// worthwhile returns the samples of a tile whose products take costs.reuse times as
// long as reading the parameters.
func worthwhile(prog *program.Program) int {
	flops, bytes := int64(0), int64(0)
	ops := prog.Ops()
	for _, op := range ops {
		if op.Traits.Flops.Forward > 0 { // otherwise it reads little, such as a few rows of a table
			flops += op.Traits.Flops.Forward
			bytes += 4 * int64(ops[op.Owner].Params)
		}
	}
	return int(bytes * costs.flopsPerByte * costs.reuse / max(1, flops))
}
