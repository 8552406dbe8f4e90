package sam

import (
	"fmt"
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/simd"
)

// worker takes tiles through a step's passes, in memory of its own.
type worker struct {
	o *Optimizer

	clean, descent *program.Workspace // clean is nil unless tiles go through both passes; with a teacher, or if it resumes, they are one
	resumes        bool               // the descent begins at the first op that the step perturbs, behind what the clean pass has left
	teacher        *program.Workspace // of the teacher's forward pass; nil without one
	deferred       *program.Deferred  // a twin of the optimizer's

	parts num.Span     // of the tile under way
	leg   pass         // that it goes through
	pass  program.Pass // the same, as the program has it

	// perturb is the tile's parameters, by op, where it goes through both passes. Formed
	// parameters hold, shard by shard, first the shard's gradient, then w + eps.
	perturb []program.Perturb
	// again is by op and shard of the tile: gradients of an ascent that goes on from formed
	// parameters.
	again   [][][]float32
	squares [][]float64 // by op and shard of the tile: squared norms of T times its gradient

	// formed is all parameters of a shard that goes pass by pass: first its gradient, then
	// w + eps. It is nil in a worker that forms none.
	formed       []float32
	repeated     []float32 // gradients of an ascent that goes on from formed; nil unless Ascent.Steps asks for it
	formedFloats int       // its length, known before it is allocated

	sums   sumOfProducts // under way
	wanted []bool        // by op: its gradient is one of those of sums that are computed now
	levels [][]float32   // of its tree, each of all parameters

	picks   picks
	factors []float32 // by shard of the tile: of its gradient in its perturbation
	losses  []float64
	stats   [][]float32
	vector  vectors
}

// newWorker returns the worker of a number, without its memory, which allocate takes.
func newWorker(o *Optimizer, number int) *worker {
	plan := o.plan
	size := program.Size{Shards: plan.largestTile(), Shard: largest(plan.parts), Backward: true}
	size.Samples = plan.tileSamples()
	if plan.selects() {
		size.Chunk = simd.Processor().L2
	}
	for _, kind := range plan.perturb {
		size.Factored = append(size.Factored, kind == program.Factored)
	}
	w := &worker{
		o:       o,
		perturb: make([]program.Perturb, len(plan.ops)),
		again:   make([][][]float32, len(plan.ops)),
		squares: make([][]float64, len(plan.ops)),
		factors: make([]float32, size.Shards),
		losses:  make([]float64, size.Shards),
		stats:   make([][]float32, size.Shards),
		vector:  newVectors(o.program.NumParams()),
	}
	both := plan.perturbs() && !plan.passByPass // passes, by this worker
	w.resumes = both && (plan.ascent.draws() || plan.selects()) && !plan.sumsClean && !plan.ascent.part() && !plan.ascent.rounds()
	if both && !w.resumes {
		clean := size
		clean.Keeps = size.Factored
		if plan.distills() {
			size.Keeps, size.Again = clean.Keeps, true
		} else {
			w.clean = o.program.PlanWorkspace(clean, o.cleanDeferred)
			size.Before = w.clean
		}
	}
	w.descent = o.program.PlanWorkspace(size, o.deferred)
	if plan.teaches() {
		w.teacher = o.program.PlanWorkspace(teacherSize(size), nil)
	}
	if plan.distills() || w.resumes {
		w.clean = w.descent
	}
	if plan.selects() {
		w.picks = newPicks(size.Samples, size.Shards)
	}
	if plan.passByPass && (number == 0 || plan.takesWhole()) {
		w.formedFloats = o.program.NumParams()
	}
	return w
}

// allocate takes the memory.
func (w *worker) allocate() {
	w.descent.Allocate()
	if w.teacher != nil {
		w.teacher.Allocate()
	}
	w.deferred = w.o.deferred.Twin()
	for range w.numLevels() {
		w.levels = append(w.levels, make([]float32, w.o.program.NumParams()))
	}
	if w.formedFloats > 0 {
		w.formed = make([]float32, w.formedFloats)
		if w.climbsAgain() {
			w.repeated = make([]float32, w.formedFloats)
		}
	}
	for i := range w.perturb {
		w.squares[i] = make([]float64, len(w.losses))
		p := &w.perturb[i]
		sets, params, kept := w.perturbed(i)
		for range sets {
			p.Params = append(p.Params, make([]float32, params))
			if w.climbsAgain() {
				w.again[i] = append(w.again[i], make([]float32, params))
			}
		}
		p.Kept = make([]float32, kept)
	}
}

// climbsAgain reports whether an ascent goes on where one before it has ended.
func (w *worker) climbsAgain() bool { return w.o.plan.ascent.Steps > 1 }

// perturbed is the memory of op i's perturbation: sets of parameters, and floats that
// GradNormSq keeps.
func (w *worker) perturbed(i int) (sets, params, kept int) {
	plan := w.o.plan
	op, tile := plan.ops[i], plan.largestTile()
	if plan.passByPass {
		return 0, 0, 0
	}
	switch plan.perturb[i] {
	case program.Formed:
		return tile, op.Params, 0
	case program.Factored:
		return 0, 0, tile * op.Factorable.Kept(largest(plan.parts), op.FirstInput)
	}
	return 0, 0, 0
}

// numLevels is how many sums of deferred gradients the worker has at once.
func (w *worker) numLevels() int {
	plan := w.o.plan
	switch {
	case !plan.unitwise || !slices.Contains(plan.deferred, true) && !slices.Contains(plan.deferredClean(), true):
		return 0
	case w == w.o.workers[0]:
		return levels(len(plan.units))
	case plan.takesWhole() && plan.deferredAscent():
		return levels(plan.partsOf(0).Len())
	}
	return 0
}

// perturbBytes is the size of all formed parameters, and of the floats that factored ones
// keep.
func (w *worker) perturbBytes() (total int) {
	formed, kept := w.formedFloats, 0
	for i := range w.perturb {
		sets, params, floats := w.perturbed(i)
		formed += sets * params
		kept += floats
	}
	if w.climbsAgain() {
		formed *= 2
	}
	return 4 * (formed + kept)
}

// release drops the references to the step's batch.
func (w *worker) release() {
	w.pass, w.sums = program.Pass{}, sumOfProducts{}
	for i := range w.perturb {
		w.perturb[i].In, w.perturb[i].D = op.Tensor{}, op.Tensor{}
	}
	w.descent.Release()
	if w.clean != nil {
		w.clean.Release()
	}
	if w.teacher != nil {
		w.teacher.Release()
	}
}

// tiles takes tiles along a route, in order, with the team: nil for this worker alone. It
// reports whether all was finite.
func (w *worker) tiles(tiles num.Span, route route, p pass, team *blas.Team) bool {
	plan := w.o.run.plan
	for _, parts := range plan.tiles[tiles.From:tiles.To] {
		if route == singlePass && p.kind == ascent {
			parts = plan.clean(parts)
		}
		if parts.Len() == 0 {
			continue
		}
		w.parts = parts
		ok := false
		switch {
		case route == tileByTile && plan.teaches():
			ok = w.distill(p, team)
		case route == tileByTile:
			second := p
			second.kind, second.packs = descent, w.o.packs
			ok = w.climb(p, team) && w.run(w.descent, second, w.perturb, team)
			if ok {
				w.weighClean()
			}
		case p.kind == taught:
			ok = w.taught(p, nil, team)
		default:
			ok = w.run(w.descent, p, nil, team)
		}
		if !ok {
			return false
		}
	}
	return true
}

// climb takes the tile through the ascent, as often as it is repeated. It reports whether all was
// finite.
func (w *worker) climb(p pass, team *blas.Team) bool {
	if !w.run(w.clean, p, nil, team) || !w.ascend() {
		return false
	}
	p.again = true
	for range w.o.plan.ascent.Steps - 1 {
		if !w.run(w.clean, p, w.perturb, team) || !w.ascend() {
			return false
		}
	}
	return true
}

// run runs the tile through a pass, with perturbed parameters or nil. It reports whether
// all losses were finite.
func (w *worker) run(work *program.Workspace, p pass, perturb []program.Perturb, team *blas.Team) bool {
	r := &w.o.run
	w.leg, w.pass = p, w.describe(&p, perturb, team)
	losses, what, why := r.before, "loss", ErrRefused
	if !p.shares() || r.plan.ascent.Momentum && r.rho != 0 {
		what, why = "loss at the perturbed parameters", ErrPerturbed
	}
	if p.kind == descent {
		losses = r.after
	}
	selects := p.kind == descent && w.o.run.selects
	if selects {
		work.Infer(&w.pass)
		work.LossOnly(&w.pass)
	} else {
		work.Forward(&w.pass)
	}
	for s, loss := range w.pass.Losses {
		if !p.again {
			losses[w.parts.From+s] = loss
		}
		if !num.Finite(loss) {
			w.refuse(s, why, fmt.Sprintf("its %s is %v", what, loss))
			return false
		}
	}
	if selects {
		w.pick(work)
		work.Loss(&w.pass)
	}
	work.Backward(&w.pass)
	return true
}

// describe returns the program's pass over the tile.
func (w *worker) describe(p *pass, perturb []program.Perturb, team *blas.Team) program.Pass {
	r, loss := &w.o.run, w.o.model.Loss()
	d := program.Pass{
		Batch: r.batch, Shards: r.plan.parts[w.parts.From:w.parts.To],
		Scale: 1 / float64(loss.Terms(r.batch)),
		Team:  team, Params: p.params, Packs: p.packs, Perturb: perturb,
		Train: true, Seed: w.o.cfg.Seed, Step: w.o.base.Steps(),
		Gradients: w, Needs: w.o.needs[p.kind], Losses: w.losses[:w.parts.Len()],
	}
	if p.kind == ascent {
		d.Precision = r.plan.ascent.Precision
		shard := r.plan.shards[r.plan.shardOf(w.parts.From)]
		d.Shards = r.plan.cleanParts[w.parts.From:w.parts.To]
		d.Scale = 1 / float64(loss.Terms(r.batch.Slice(shard.First, r.plan.ascent.Samples(shard.N))))
		d.Means = !r.plan.passByPass // each part is a shard
		d.Only, d.Needs = r.perturbed.only, r.perturbed.needs
	}
	if r.selects && !p.again {
		from, last := d.Shards[0].First, d.Shards[len(d.Shards)-1]
		losses := w.o.selection.before
		if p.kind == descent {
			losses = w.o.selection.after
		}
		d.SampleLosses = losses[from : last.First+last.N]
	}
	if w.resumes && !p.shares() {
		d.From = w.descent.ResumeAt(r.perturbed.needs)
	}
	if p.shares() { // statistics are those at w
		for s := range w.parts.Len() {
			w.stats[s] = w.o.stats[w.parts.From+s]
		}
		d.Stats = w.stats
	}
	return d
}

// refuse records what part s of the tile has met that makes the step fail.
func (w *worker) refuse(s int, why error, what string) {
	w.o.run.refused[w.parts.From+s] = w.o.refusal(w.parts.From+s, why, what)
}

// ascend turns the gradients of an ascent into each shard's perturbation. It reports
// whether all are finite.
func (w *worker) ascend() bool {
	plan := w.o.run.plan
	for i, kind := range w.o.run.perturbed.kinds {
		if kind == program.Factored {
			w.perturb[i].In, w.perturb[i].D = w.clean.Operands(i)
		}
		w.prepareOp(i)
		w.normsSq(i)
	}
	for s := range w.pass.Shards {
		normSq := 0.0
		for i := range plan.ops {
			if !num.Finite(w.squares[i][s]) {
				w.refuse(s, ErrRefused, fmt.Sprintf("its gradient of %s is not finite", w.nonFinite(i, s)))
				return false
			}
			normSq += w.squares[i][s]
		}
		c, why, kind := w.o.climb(normSq)
		if kind != nil {
			w.refuse(s, kind, "its gradient "+why)
			return false
		}
		w.factors[s] = c
		for i := range plan.ops {
			w.displace(i, s, c)
		}
	}
	return true
}

// prepareOp sums the shards' gradients of op i, and takes the moving average off, before they
// perturb.
func (w *worker) prepareOp(i int) {
	if w.perturb[i].Kind != program.Formed {
		return
	}
	o, op := w.o, w.o.plan.ops[i]
	for s := range w.pass.Shards {
		g, shard := w.gradient(i, s), w.parts.From+s
		if o.run.plan.sumsClean && !w.leg.again {
			sum, first := o.run.plan.cleanSum(shard)
			w.addClean(w.pass.Team, shard, o.cleanSum(sum, i), first, g)
		}
		w.subtractAverage(w.pass.Team, o.run.perturbed.regionOf[i], op.Offset, g)
	}
}

// gradient is where shard s of the tile has its gradient of op i, which is formed.
func (w *worker) gradient(i, s int) []float32 {
	if w.leg.again {
		return w.again[i][s]
	}
	return w.perturb[i].Params[s]
}

// from is where shard s of the tile ascends from: op i's parameters at w, or where it is by now.
func (w *worker) from(i, s int) []float32 {
	if w.leg.again {
		return w.perturb[i].Params[s]
	}
	op := w.o.plan.ops[i]
	return w.o.params.Values[op.Offset:][:op.Params]
}

// normsSq sets the squared norms of T times the shards' gradients of op i.
func (w *worker) normsSq(i int) {
	p, sq := &w.perturb[i], w.squares[i][:len(w.pass.Shards)]
	switch p.Kind {
	case program.Formed:
		for s := range sq {
			sq[s] = w.vector.squares(w.pass.Team, w.o.run.perturbed.regionOf[i], w.eta(), w.gradient(i, s), w.from(i, s))
		}
	case program.Factored:
		w.clean.GradNormSq(&w.pass, i, p.Kept, sq)
	default:
		clear(sq) // another step may have perturbed the op
	}
}

func (w *worker) eta() float32 { return float32(w.o.plan.ascent.Eta) }

// displace moves op i's parameters for shard s by c*T^2*g: in memory, or by
// multiplying the output gradients that make up g.
func (w *worker) displace(i, s int, c float32) {
	p := &w.perturb[i]
	switch p.Kind {
	case program.Formed:
		w.vector.climb(w.pass.Team, w.o.run.perturbed.regionOf[i], p.Params[s], c, w.eta(), w.gradient(i, s), w.from(i, s))
	case program.Factored:
		shard := w.pass.Shards[s]
		simd.Scale(c, p.D.Slice(shard.First-w.pass.Shards[0].First, shard.N).Data)
	}
}

// nonFinite names the parameter whose gradient, or the op whose gradient's norm, isn't
// finite in shard s.
func (w *worker) nonFinite(i, s int) string {
	op := w.o.plan.ops[i]
	if w.perturb[i].Kind == program.Formed {
		return w.o.program.ParamAt(op.Offset + firstNonFiniteIn(w.o.run.perturbed.regionOf[i], w.gradient(i, s)))
	}
	return op.Name
}

// Of implements program.Gradients. Where a tile goes through both passes, the gradients
// that perturb go to the shard's own memory. Others are summed by units, in the unit of
// the part.
func (w *worker) Of(i, s int) (g []float32, add bool) {
	plan := w.o.run.plan
	switch {
	case w.o.leftOut(i, w.leg.kind):
	case w.leg.kind == ascent && w.clean != nil:
		if w.perturb[i].Kind == program.Formed {
			return w.gradient(i, s), false
		}
	case plan.byUnits[i]:
		part := w.parts.From + s
		u := plan.unitOf(part)
		return w.o.unit(u, i, &w.leg), part > plan.units[u].From
	}
	return nil, false
}
