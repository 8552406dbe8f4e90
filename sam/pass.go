package sam

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
)

// passKind is what a pass over a tile computes.
type passKind uint8

const (
	plain   passKind = iota // the batch's gradient at w: nothing is perturbed
	ascent                  // the shards' gradients that perturb: at w, or again further up
	descent                 // the batch's gradient at w + eps
	taught                  // the batch's gradient at w, of the loss and the divergence from a teacher
)

// route is how the tiles of a round go through the passes of a step.
type route uint8

const (
	singlePass  route = iota // through one pass
	tileByTile               // each through the ascent and then the descent, before the next
	wholeShards              // each worker takes whole shards through both passes alone
)

// pass describes one pass of a step, for all tiles that go through it alike.
type pass struct {
	kind   passKind
	params []float32     // w, or w + eps where that is formed as a whole
	packs  program.Packs // of params, or nil; of an ascent that rounds, those of it

	// Of a taught pass: the teacher's parameters, and packs of them, or nil.
	teacher      []float32
	teacherPacks program.Packs

	// Of an ascent that ends before the descent begins:
	shard  int       // that the tiles are of
	sum    []float32 // in which its gradient is summed; nil otherwise
	spread bool      // several ranks have parts of the shard

	again bool // an ascent that goes on where one before it has ended
}

// passAtW returns a pass at w.
func (o *Optimizer) passAtW(kind passKind) pass {
	p := pass{kind: kind, params: o.params.Values, packs: o.packs}
	if kind == ascent && o.plan.ascent.rounds() {
		p.packs = o.ascentPacks
	}
	return p
}

// shares reports whether the pass is at parameters that all passes of its kind share in the step: w,
// or w + eps where the momentum perturbs.
func (p *pass) shares() bool { return p.kind != descent && !p.again }

// runRound takes the round's tiles along a route, which begins with a pass. It reports
// whether all was finite.
func (o *Optimizer) runRound(route route, p pass) bool {
	r := &o.run
	r.pass, r.route = p, route
	o.pack(&p)
	if p.teacherPacks != nil {
		o.program.Pack(o.team, p.teacher, p.teacherPacks)
	}
	if len(r.round.tasks) > 0 {
		o.team.Run(len(r.round.tasks), &o.job)
	}
	if r.round.shared.Len() > 0 {
		o.workers[0].tiles(r.round.shared, route, p, o.team)
	}
	return first(r.refused[:len(r.plan.parts)]) == nil
}

// roundJob is the team's job of a round.
type roundJob struct{ o *Optimizer }

// Do runs one task of the round on one worker.
func (j *roundJob) Do(task, worker int) {
	r, w := &j.o.run, j.o.workers[worker]
	if tiles := r.round.tasks[task]; r.route == wholeShards {
		w.shard(tiles)
	} else {
		w.tiles(tiles, r.route, r.pass, nil)
	}
}

// passByPass takes the round's shard through the ascent, forms w + eps, and takes it
// through the descent, on all workers.
func (o *Optimizer) passByPass() error {
	w := o.workers[0]
	climb := w.shardAscent(o.run.round.shard)
	climb.spread = o.run.round.spread
	for range o.run.plan.ascent.Steps {
		finite := o.runRound(singlePass, climb)
		if climb.spread {
			if err := o.addSpread(w, &climb); err != nil {
				return err
			}
		} else if !finite {
			return nil
		}
		if !w.form(&climb, o.team) {
			return nil
		}
		climb.params, climb.sum, climb.again = w.formed, w.repeated, true
	}
	o.runRound(singlePass, o.secondPass(w.formed, o.team))
	return nil
}

// shard is passByPass for tiles that are a shard, on this worker alone.
func (w *worker) shard(tiles num.Span) {
	plan := w.o.run.plan
	climb := w.shardAscent(plan.shardOf(plan.tiles[tiles.From].From))
	for range plan.ascent.Steps {
		if !w.tiles(tiles, singlePass, climb, nil) || !w.form(&climb, nil) {
			return
		}
		climb.params, climb.sum, climb.packs, climb.again = w.formed, w.repeated, nil, true
	}
	w.tiles(tiles, singlePass, w.o.secondPass(w.formed, nil), nil)
}

// shardAscent returns the clean pass of a shard.
func (w *worker) shardAscent(shard int) pass {
	p := w.o.passAtW(ascent)
	p.shard, p.sum = shard, w.formed
	return p
}

// form turns the gradients of a shard's ascent into w + eps, with the team or alone. It
// reports whether all are finite.
func (w *worker) form(climb *pass, team *blas.Team) bool {
	o, r := w.o, &w.o.run
	parts := r.plan.cleanOf(climb.shard) // a unit each
	if !climb.spread {
		o.addUnits(parts, climb, &w.vector, team)
		w.sumDeferredAscent(parts, climb.sum, team)
	}
	if r.plan.sumsClean && !climb.again {
		if sum, first := r.plan.cleanSum(climb.shard); o.hasCleanSum(sum) {
			w.addClean(team, climb.shard, o.wholeCleanSum(sum), first, climb.sum) // no op is factored
		}
	}
	w.subtractAverage(team, r.perturbed.regions, 0, climb.sum)
	normSq := w.vector.squares(team, r.perturbed.regions, w.eta(), climb.sum, climb.params)
	if !num.Finite(normSq) {
		name := o.program.ParamAt(firstNonFiniteIn(r.perturbed.regions, climb.sum))
		r.refused[parts.From] = o.refusal(parts.From, ErrRefused, fmt.Sprintf("its gradient of %s is not finite", name))
		return false
	}
	c, why, kind := o.climb(normSq)
	if kind != nil {
		r.refused[parts.From] = o.refusal(parts.From, kind, "its gradient "+why)
		return false
	}
	w.vector.climb(team, r.perturbed.regions, w.formed, c, w.eta(), climb.sum, climb.params)
	return true
}

// climb returns the factor that turns a shard's gradient into eps, from ||T g||^2. If there is none
// in float32, it says why, and returns the kind of the refusal.
func (o *Optimizer) climb(normSq float64) (c float32, why string, kind error) {
	if normSq == 0 {
		return 0, "", nil
	}
	norm, rho := math.Sqrt(normSq), o.run.rho/float64(o.cfg.Ascent.Steps)
	c = float32(rho / o.cfg.Ascent.Tensors / norm)
	switch {
	case math.IsInf(float64(c), 0):
		kind = ErrVanishing
	case c == 0 || c < smallestNormal && o.plan.sumsClean: // which divides by it
		kind = ErrPerturbed
	default:
		return c, "", nil
	}
	return 0, fmt.Sprintf("has norm %.3g, and rho, %v, over it is beyond float32", norm, rho), kind
}

const smallestNormal = 0x1p-126 // of float32
