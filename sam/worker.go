package sam

import (
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/simd"
)

// worker takes tiles through a step's passes, in memory of its own.
type worker struct {
	o *Optimizer

	clean, descent *net.Workspace // clean is nil if nothing is perturbed
	pass           net.Pass       // the one under way
	shards         span           // of the tile
	descending     bool

	// perturb is the tile's parameters, by op. Formed ones are, shard by shard,
	// first the shard's gradient, then w + eps.
	perturb []net.Perturb
	keptAt  []int // by op: where what GradNormSq keeps of the next shard goes

	losses []float64
	stats  [][]float32
	vector vectors
}

func newWorker(o *Optimizer) *worker {
	plan := o.plan
	size := net.Size{Shard: plan.largest(), Backward: true}
	size.Shards = plan.Tiles[0].to - plan.Tiles[0].from
	size.Samples = min(o.cfg.Batch, size.Shards*size.Shard)
	w := &worker{
		o:      o,
		losses: make([]float64, size.Shards),
		stats:  make([][]float32, size.Shards),
		vector: newVectors(o.model.NumParams()),
	}
	if !plan.perturbs() {
		w.descent = o.model.NewWorkspace(size, o.late)
		return w
	}
	size.Keeps = make([]bool, len(plan.ops))
	for i, kind := range plan.Perturb {
		size.Keeps[i] = kind == net.Factor
	}
	w.clean = o.model.NewWorkspace(size, nil)
	size.Keeps, size.Before = nil, w.clean
	w.descent = o.model.NewWorkspace(size, o.late)
	w.perturb = make([]net.Perturb, len(plan.ops))
	w.keptAt = make([]int, len(plan.ops))
	for i, op := range plan.ops {
		p := &w.perturb[i]
		switch p.Kind = plan.Perturb[i]; p.Kind {
		case net.Formed:
			for range size.Shards {
				p.Params = append(p.Params, make([]float32, op.Params))
			}
		case net.Factor:
			p.Kept = make([]float32, size.Shards*op.Factored.Kept(size.Shard))
		}
	}
	return w
}

func (w *worker) bytes() int {
	total := w.descent.Bytes()
	if w.clean != nil {
		total += w.clean.OwnBytes()
	}
	for _, p := range w.perturb {
		total += 4 * len(p.Kept)
		for _, params := range p.Params {
			total += 4 * len(params)
		}
	}
	return total
}

// task runs the tiles of a task, in order, with the team: nil for this worker
// alone.
func (w *worker) task(task int, team *blas.Team) {
	plan := w.o.run.plan
	for t := plan.Tasks[task].from; t < plan.Tasks[task].to; t++ {
		w.shards = plan.Tiles[t]
		if !w.tile(team) {
			return
		}
	}
}

// tile runs a tile through both passes. It reports whether all was finite.
func (w *worker) tile(team *blas.Team) bool {
	o, r := w.o, &w.o.run
	w.pass = net.Pass{
		Batch: r.batch, Shards: r.plan.Shards[w.shards.from:w.shards.to],
		Team: team, Params: o.params.Values, Packs: o.packs,
		Train: true, Seed: o.cfg.Seed, Step: o.step,
		Gradients: w,
		Losses:    w.losses[:w.shards.to-w.shards.from],
	}
	for s := range w.pass.Shards {
		w.stats[s] = o.stats[w.shards.from+s]
	}
	w.pass.Stats = w.stats
	if w.clean != nil {
		w.descending = false
		w.pass.Means = true
		w.clean.Forward(&w.pass)
		if !w.collect(r.before, "loss") {
			return false
		}
		w.clean.Backward(&w.pass)
		if !w.ascend() {
			return false
		}
		w.pass.Stats = nil
		w.pass.Perturb = w.perturb
	}
	w.descending = true
	w.pass.Means = false
	w.pass.Scale = 1 / float64(o.model.Loss().Terms(r.batch))
	w.descent.Forward(&w.pass)
	if !w.collect(r.after, "loss at the perturbed parameters") {
		return false
	}
	if w.clean == nil {
		copy(r.before[w.shards.from:], w.pass.Losses)
	}
	w.descent.Backward(&w.pass)
	return true
}

// collect hands the pass's losses on. It reports whether all are finite.
func (w *worker) collect(to []float64, what string) bool {
	if w.clean == nil {
		what = "loss"
	}
	for s, loss := range w.pass.Losses {
		to[w.shards.from+s] = loss
		if !finite(loss) {
			w.refuse(s, fmt.Sprintf("its %s is %v", what, loss))
			return false
		}
	}
	return true
}

// refuse has the step refused, for what shard s of the tile has met.
func (w *worker) refuse(s int, what string) {
	at := w.shards.from + s
	shard := w.pass.Shards[s]
	w.o.run.refused[at] = fmt.Errorf("sam: step refused: shard %d (samples %d to %d): %s%s", at, shard.First, shard.First+shard.N-1, what,
		w.spoilt(shard))
}

// spoilt says where the batch itself isn't finite, "" if it is.
func (w *worker) spoilt(shard net.Shard) string {
	b, size := w.pass.Batch, w.o.model.InputShape().Size()
	x := b.X[shard.First*size:][:shard.N*size]
	if i := firstNonFinite(x); !finite(float64(x[i])) {
		return fmt.Sprintf("; element %d of sample %d of the batch is %v", i%size, shard.First+i/size, x[i])
	}
	return ""
}

// ascend turns the clean pass's gradients into each shard's perturbation. It
// reports whether all are finite.
func (w *worker) ascend() bool {
	plan := w.o.run.plan
	for i, kind := range plan.Perturb {
		w.keptAt[i] = 0
		if kind == net.Factor {
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
		c := float32(0)
		if normSq > 0 {
			c = float32(w.o.cfg.Rho / math.Sqrt(normSq))
		}
		for i := range plan.ops {
			w.displace(i, s, c)
		}
	}
	return true
}

// normSq returns the squared norm of shard s's gradient of op i.
func (w *worker) normSq(i, s int) float64 {
	p := &w.perturb[i]
	switch p.Kind {
	case net.Formed:
		return w.vector.sumSquares(w.pass.Team, p.Params[s])
	case net.Factor:
		kept := w.o.plan.ops[i].Factored.Kept(w.pass.Shards[s].N)
		from := w.keptAt[i]
		w.keptAt[i] += kept
		return w.clean.GradNormSq(&w.pass, i, s, p.Kept[from:][:kept])
	}
	return 0
}

// displace moves op i's parameters for shard s to w + c*g: in memory, or by
// multiplying the output gradients that make up g.
func (w *worker) displace(i, s int, c float32) {
	p := &w.perturb[i]
	switch p.Kind {
	case net.Formed:
		op := w.o.plan.ops[i]
		w.vector.axpyTo(w.pass.Team, p.Params[s], c, p.Params[s], w.o.params.Values[op.Offset:][:op.Params])
	case net.Factor:
		shard := w.pass.Shards[s]
		simd.Scale(c, p.D.Slice(shard.First-w.pass.Shards[0].First, shard.N).Data)
	}
}

// nonFinite names what isn't finite in shard s's gradient of op i.
func (w *worker) nonFinite(i, s int) string {
	op := w.o.plan.ops[i]
	if w.perturb[i].Kind == net.Formed {
		return w.o.model.ParamAt(op.Offset + firstNonFinite(w.perturb[i].Params[s]))
	}
	return op.Name
}

// Of implements net.Gradients: in the clean pass the formed ops' gradients go
// to the shard's own memory, in the descent those that are summed by units to
// the shard's unit.
func (w *worker) Of(i, s int) (g []float32, add bool) {
	plan := w.o.run.plan
	switch {
	case !w.descending && plan.Perturb[i] == net.Formed:
		return w.perturb[i].Params[s], false
	case w.descending && plan.ByUnits[i]:
		at := w.shards.from + s
		u := slices.IndexFunc(plan.Units, func(u span) bool { return at < u.to })
		return w.o.unit(u, i), at > plan.Units[u].from
	}
	return nil, false
}
