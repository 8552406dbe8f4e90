package sam

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
)

// leg is a way of tiles through the model: a pass, or both, tile by tile.
type leg struct {
	phase  phase
	params []float32     // w, or pass by pass w + eps
	packs  program.Packs // of params, or nil

	// Of a shard's clean pass, where all parts of it come before the descent:
	shard int
	sum   []float32 // in which its units are summed
}

// atW returns a leg at w.
func (o *Optimizer) atW(p phase) leg { return leg{phase: p, params: o.params.Values, packs: o.packs} }

// passByPass takes the round's shard through the clean pass, forms w + eps, and takes it
// through the descent, on all workers.
func (o *Optimizer) passByPass() {
	w := o.workers[0]
	clean := w.cleanLeg(o.run.round.first())
	if o.pass(clean) && w.form(&clean, o.team) {
		o.pass(leg{phase: descent, params: w.formed, packs: o.packs})
	}
}

// shard is passByPass for tiles that are a shard, on this worker alone.
func (w *worker) shard(tiles span) {
	clean := w.cleanLeg(tiles.from)
	if w.tiles(tiles, clean, nil) && w.form(&clean, nil) {
		w.tiles(tiles, leg{phase: descent, params: w.formed}, nil)
	}
}

// cleanLeg returns the clean pass of the shard that a tile is of.
func (w *worker) cleanLeg(tile int) leg {
	plan := w.o.run.plan
	l := w.o.atW(ascent)
	l.shard, l.sum = plan.shardOf(plan.Tiles[tile].from), w.formed
	return l
}

// form turns the gradients of a shard's clean pass into w + eps, with the team or alone.
// It reports whether all are finite.
func (w *worker) form(clean *leg, team *blas.Team) bool {
	o, r := w.o, &w.o.run
	parts := r.plan.cleanOf(clean.shard) // a unit each
	o.addUnits(parts, clean, &w.vector, team)
	if r.plan.lateAscent() {
		shard := r.plan.Shards[clean.shard]
		shard.N = r.plan.Ascent.Samples(shard.N)
		w.late.Gradients(team, r.batch, shard, w.formed)
	}
	normSq := w.vector.ascentSquares(team, o.region, w.eta(), w.formed, o.params.Values)
	if !finite(normSq) {
		name := o.program.ParamAt(firstNonFinite(w.formed))
		r.refused[parts.from] = o.refusal(parts.from, fmt.Sprintf("its gradient of %s is not finite", name))
		return false
	}
	w.vector.climb(team, o.region, w.formed, o.climb(normSq), w.eta(), w.formed, o.params.Values)
	return true
}
