package sam

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/simd"
)

// worker takes tiles through a step's passes, in memory of its own.
type worker struct {
	o *Optimizer

	clean, descent *program.Workspace // clean is nil unless a tile goes through both passes
	pass           program.Pass       // the one under way
	leg            leg                // that tiles go
	parts          span               // of the tile
	phase          phase              // of the pass
	late           *program.Deferred  // a twin of the optimizer's

	// perturb is the tile's parameters, by op, where it goes through both passes. Formed
	// ones are, shard by shard, first the shard's gradient, then w + eps.
	perturb []program.Perturb
	keptAt  []int // by op: where what GradNormSq keeps of the next shard goes

	// formed is all parameters of a shard that goes pass by pass: first its gradient, then
	// w + eps. Nil in a worker that forms none.
	formed       []float32
	formedFloats int // of it, before it is allocated

	losses []float64
	stats  [][]float32
	vector vectors
}

// phase is what a pass is for.
type phase uint8

const (
	only         phase = iota // the gradient at w: nothing is perturbed
	ascent                    // the shards' gradients at w
	descent                   // the gradient at w + eps
	both                      // ascent and descent, tile by tile
	shardByShard              // ascent and descent, each of a shard
)

// newWorker returns the worker of a number, without its memory, which allocate brings.
func newWorker(o *Optimizer, number int) *worker {
	plan := o.plan
	size := program.Size{Shards: plan.largestTile(), Shard: largest(plan.Parts), Backward: true}
	size.Samples = min(o.cfg.Batch, size.Shards*size.Shard)
	w := &worker{
		o:       o,
		perturb: make([]program.Perturb, len(plan.ops)),
		keptAt:  make([]int, len(plan.ops)),
		losses:  make([]float64, size.Shards),
		stats:   make([][]float32, size.Shards),
		vector:  newVectors(o.program.NumParams()),
	}
	if plan.perturbs() && !plan.PassByPass {
		size.Keeps = make([]bool, len(plan.ops))
		for i, kind := range plan.Perturb {
			w.perturb[i].Kind = kind
			size.Keeps[i] = kind == program.Factored
		}
		w.clean = o.program.PlanWorkspace(size, nil)
		size.Keeps, size.Before = nil, w.clean
	}
	w.descent = o.program.PlanWorkspace(size, o.late)
	if plan.PassByPass && (number == 0 || plan.takesWhole()) {
		w.formedFloats = o.program.NumParams()
	}
	return w
}

// allocate takes the memory.
func (w *worker) allocate() {
	w.descent.Allocate()
	w.late = w.o.late.Twin()
	if w.formedFloats > 0 {
		w.formed = make([]float32, w.formedFloats)
	}
	for i := range w.perturb {
		p := &w.perturb[i]
		sets, params, kept := w.perturbed(i)
		for range sets {
			p.Params = append(p.Params, make([]float32, params))
		}
		p.Kept = make([]float32, kept)
	}
}

// perturbed is the memory of op i's perturbation: sets of parameters, and floats that
// GradNormSq keeps.
func (w *worker) perturbed(i int) (sets, params, kept int) {
	plan := w.o.plan
	op, tile := plan.ops[i], plan.largestTile()
	switch w.perturb[i].Kind {
	case program.Formed:
		return tile, op.Params, 0
	case program.Factored:
		return 0, 0, tile * op.Factorable.Kept(largest(plan.Parts))
	}
	return 0, 0, 0
}

// perturbBytes is the size of all parameters that are formed, and of what is kept.
func (w *worker) perturbBytes() (total int) {
	total = 4 * w.formedFloats
	for i := range w.perturb {
		sets, params, kept := w.perturbed(i)
		total += 4 * (sets*params + kept)
	}
	return total
}

// tiles runs tiles, in order, with the team: nil for this worker alone. It reports whether
// all was finite.
func (w *worker) tiles(tiles span, l leg, team *blas.Team) bool {
	w.leg = l
	for _, parts := range w.o.run.plan.Tiles[tiles.from:tiles.to] {
		w.parts = parts
		if l.phase == ascent {
			w.parts = w.o.run.plan.clean(parts)
		}
		if w.parts.len() > 0 && !w.tile(team) {
			return false
		}
	}
	return true
}

// tile runs a tile through the pass that it is time for, or through both. It reports
// whether all was finite.
func (w *worker) tile(team *blas.Team) bool {
	r := &w.o.run
	w.pass = program.Pass{
		Batch: r.batch,
		Team:  team, Params: w.leg.params, Packs: w.leg.packs,
		Train: true, Seed: w.o.cfg.Seed, Step: w.o.step,
		Gradients: w,
		Losses:    w.losses[:w.parts.len()],
	}
	for s := range w.parts.len() {
		w.stats[s] = w.o.stats[w.parts.from+s]
	}
	if w.leg.phase != both {
		return w.run(w.descent, w.leg.phase)
	}
	if !w.run(w.clean, ascent) || !w.ascend() {
		return false
	}
	w.pass.Perturb = w.perturb
	return w.run(w.descent, descent)
}

// run runs the tile through a pass.
func (w *worker) run(work *program.Workspace, phase phase) bool {
	r := &w.o.run
	w.phase = phase
	loss := w.o.model.Loss()
	w.pass.Shards = r.plan.Parts[w.parts.from:w.parts.to]
	w.pass.Scale = 1 / float64(loss.Terms(r.batch))
	w.pass.Only = ""
	losses, what := r.before, "loss"
	switch phase {
	case ascent:
		shard := r.plan.Shards[r.plan.shardOf(w.parts.from)]
		w.pass.Shards = r.plan.Clean[w.parts.from:w.parts.to]
		w.pass.Scale = 1 / float64(loss.Terms(r.batch.Slice(shard.First, r.plan.Ascent.Samples(shard.N))))
		w.pass.Only = r.plan.Ascent.role()
		w.pass.Means = !r.plan.PassByPass // each part is a shard
	case descent:
		losses, what = r.after, "loss at the perturbed parameters"
		w.pass.Means = false
	}
	w.pass.Stats = nil
	if phase != descent {
		w.pass.Stats = w.stats
	}
	work.Forward(&w.pass)
	for s, loss := range w.pass.Losses {
		losses[w.parts.from+s] = loss
		if !finite(loss) {
			w.refuse(s, fmt.Sprintf("its %s is %v", what, loss))
			return false
		}
	}
	work.Backward(&w.pass)
	return true
}

// refuse has the step refused, for what part s of the tile has met.
func (w *worker) refuse(s int, what string) {
	w.o.run.refused[w.parts.from+s] = w.o.refusal(w.parts.from+s, what)
}

// ascend turns the clean pass's gradients into each shard's perturbation. It
// reports whether all are finite.
func (w *worker) ascend() bool {
	plan := w.o.run.plan
	for i, kind := range plan.Perturb {
		w.keptAt[i] = 0
		if kind == program.Factored {
			w.perturb[i].In, w.perturb[i].D = w.clean.Operands(i)
		}
	}
	for s := range w.pass.Shards {
		normSq := 0.0
		for i := range plan.ops {
			n := w.normSq(i, s)
			if !finite(n) {
				w.refuse(s, fmt.Sprintf("its gradient of %s is not finite", w.nonFinite(i, s)))
				return false
			}
			normSq += n
		}
		c := w.o.climb(normSq)
		for i := range plan.ops {
			w.displace(i, s, c)
		}
	}
	return true
}

// climb returns what a shard's gradient is multiplied by to make eps, from ||T g||^2.
func (o *Optimizer) climb(normSq float64) float32 {
	if normSq == 0 {
		return 0
	}
	return float32(o.run.rho / math.Sqrt(normSq))
}

// normSq returns the squared norm of T times shard s's gradient of op i.
func (w *worker) normSq(i, s int) float64 {
	p := &w.perturb[i]
	switch p.Kind {
	case program.Formed:
		return w.vector.ascentSquares(w.pass.Team, w.o.regions[i], w.eta(), p.Params[s], w.at(i))
	case program.Factored:
		kept := w.o.plan.ops[i].Factorable.Kept(w.pass.Shards[s].N)
		from := w.keptAt[i]
		w.keptAt[i] += kept
		return w.clean.GradNormSq(&w.pass, i, s, p.Kept[from:][:kept])
	}
	return 0
}

// at returns op i's parameters as they are.
func (w *worker) at(i int) []float32 {
	op := w.o.plan.ops[i]
	return w.o.params.Values[op.Offset:][:op.Params]
}

func (w *worker) eta() float32 { return float32(w.o.plan.Ascent.Eta) }

// displace moves op i's parameters for shard s to w + c*T^2*g: in memory, or by
// multiplying the output gradients that make up g.
func (w *worker) displace(i, s int, c float32) {
	p := &w.perturb[i]
	switch p.Kind {
	case program.Formed:
		w.vector.climb(w.pass.Team, w.o.regions[i], p.Params[s], c, w.eta(), p.Params[s], w.at(i))
	case program.Factored:
		shard := w.pass.Shards[s]
		simd.Scale(c, p.D.Slice(shard.First-w.pass.Shards[0].First, shard.N).Data)
	}
}

// nonFinite names what isn't finite in shard s's gradient of op i.
func (w *worker) nonFinite(i, s int) string {
	op := w.o.plan.ops[i]
	if w.perturb[i].Kind == program.Formed {
		return w.o.program.ParamAt(op.Offset + firstNonFinite(w.perturb[i].Params[s]))
	}
	return op.Name
}

// Of implements program.Gradients: what perturbs a shard that goes through both passes in
// this tile goes to the shard's own memory; what else is summed by units, to the
// part's unit.
func (w *worker) Of(i, s int) (g []float32, add bool) {
	plan := w.o.run.plan
	switch {
	case w.o.leftOut(i, w.phase):
	case w.phase == ascent && w.clean != nil:
		if w.perturb[i].Kind == program.Formed {
			return w.perturb[i].Params[s], false
		}
	case plan.ByUnits[i]:
		part := w.parts.from + s
		u := plan.unitOf(part)
		return w.o.unit(u, i, &w.leg), part > plan.Units[u].from
	}
	return nil, false
}
