package sam

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
)

// selects reports whether a step that perturbs goes down on some of its samples alone.
func (d Descent) selects() bool { return d.Samples > 0 && d.Samples < 1 }

// validateSamples returns an error unless Samples fits the rest of c, and the model.
func (d Descent) validateSamples(c Config, model *net.Model) error {
	switch {
	case !(d.Samples >= 0 && d.Samples <= 1):
		return badField("Descent.Samples", "is %v, want 0 < Samples <= 1, or 0 for all", d.Samples)
	case !d.selects():
		return nil
	case c.Rho == 0:
		return badField("Descent.Samples", "is %v, and Rho is 0, which perturbs nothing", d.Samples)
	case c.Ascent.part():
		return badField("Descent.Samples", "is %v, which compares the losses of all samples at w and at w + eps, and Ascent.Fraction is %v, which leaves some out at w", d.Samples, c.Ascent.Fraction)
	case c.Ascent.Momentum:
		return badField("Descent.Samples", "is %v, which compares losses at w and at w + eps, and Ascent.Momentum takes none at w", d.Samples)
	case d.combines():
		return badField("Descent.Samples", "is %v, and %s, which combines two gradients of the same samples", d.Samples, d.set()[0])
	case c.force.perturb == factored:
		return fmt.Errorf("sam: Descent.Samples is %v, which needs formed perturbations, and the test forces factored ones", d.Samples)
	}
	if smallest := c.Batch / c.Shards; d.of(smallest) < model.MinShard() {
		return badField("Descent.Samples", "is %v, which leaves %d of a shard's %d samples, and the model's normalization needs %d", d.Samples, d.of(smallest), smallest, model.MinShard())
	}
	for _, op := range model.Program().Ops() {
		if op.Traits.Couples && !op.Traits.Selects {
			return badField("Descent.Samples", "is %v, and layer %s couples samples: its gradient can't be taken over some of them (op.Traits.Selects)", d.Samples, op.Name)
		}
	}
	return nil
}

// of returns how many of a shard's n samples a step that perturbs goes down on: the fraction,
// rounded up.
func (d Descent) of(n int) int {
	if !d.selects() {
		return n
	}
	return fraction(d.Samples, n)
}

// fraction returns a fraction of n samples, rounded up.
func fraction(f float64, n int) int {
	const rounding = 1e-9 // 0.1*30 is more than 3 in float64
	return max(1, min(n, int(math.Ceil(f*float64(n)-rounding))))
}

// ofSamples describes Samples in a few words; "" if it changes nothing.
func (d Descent) ofSamples() string {
	if !d.selects() {
		return ""
	}
	return fmt.Sprintf("on the %v of a shard's samples whose loss the perturbation raises most", d.Samples)
}

// selection is a step's choice of samples, for all workers.
type selection struct {
	before, after []float64 // by sample: its loss at w, and at w + eps
	// batch has the selected samples of a tile in the tile's place, from its first sample on.
	// In the end, all lie one behind the other.
	batch net.Batch

	memory net.Batch // of the largest batch
}

// selectionBytes returns the size of a selection without labels and targets, which are as large as
// a batch's.
func (o *Optimizer) selectionBytes() int {
	if !o.plan.selects() {
		return 0
	}
	batch, inputs := o.cfg.Batch, o.cfg.Batch*o.model.InputShape().Size()
	if o.model.Vocabulary() > 0 {
		return 16*batch + 8*(batch+1) + 5*inputs // token ids, and a byte for the segment
	}
	return 16*batch + 4*inputs
}

// allocate takes the memory.
func (s *selection) allocate(o *Optimizer) {
	if !o.plan.selects() {
		return
	}
	batch, inputs := o.cfg.Batch, o.cfg.Batch*o.model.InputShape().Size()
	s.before, s.after = make([]float64, batch), make([]float64, batch)
	if o.model.Vocabulary() > 0 {
		s.memory.Tokens, s.memory.Segments, s.memory.Starts = make([]int32, inputs), make([]uint8, inputs), make([]int, batch+1)
		return
	}
	s.memory.X = make([]float32, inputs)
}

// begin makes room for the selected samples of a batch.
func (s *selection) begin(b net.Batch) {
	m := &s.memory
	m.Labels, m.Targets = room(m.Labels, len(b.Labels)), room(m.Targets, len(b.Targets))
	s.batch = net.Batch{N: b.N, X: part(m.X, b.X), Labels: part(m.Labels, b.Labels), Targets: part(m.Targets, b.Targets)}
	if b.Starts != nil {
		s.batch.Tokens, s.batch.Segments = part(m.Tokens, b.Tokens), part(m.Segments, b.Segments)
		s.batch.Starts = part(m.Starts, b.Starts)
		copy(s.batch.Starts, b.Starts)
	}
}

// room returns s, or a longer slice if it has fewer than n elements.
func room[T any](s []T, n int) []T {
	if len(s) < n {
		return make([]T, n)
	}
	return s
}

// part returns as much of s as like has; nil if that is nil.
func part[T any](s, like []T) []T {
	if like == nil {
		return nil
	}
	return s[:len(like)]
}

// copySample copies sample i of a batch to place j. All places from a tile's first sample up to j
// have been filled. A tile whose samples are all selected has its Starts already.
func (s *selection) copySample(b net.Batch, i, j int, all bool) {
	copyOf(s.batch.X, b.X, b.N, i, j)
	copyOf(s.batch.Labels, b.Labels, b.N, i, j)
	copyOf(s.batch.Targets, b.Targets, b.N, i, j)
	if b.Starts == nil {
		return
	}
	from, n := b.Starts[i]-b.Starts[0], b.Starts[i+1]-b.Starts[i]
	to := s.batch.Starts[j] - b.Starts[0]
	copy(s.batch.Tokens[to:], b.Tokens[from:][:n])
	if b.Segments != nil {
		copy(s.batch.Segments[to:], b.Segments[from:][:n])
	}
	if !all {
		s.batch.Starts[j+1] = s.batch.Starts[j] + n
	}
}

// copyOf copies sample i of src to place j of dst, of total samples.
func copyOf[T any](dst, src []T, total, i, j int) {
	size := len(src) / total
	copy(dst[j*size:], src[i*size:][:size])
}

// picks is a worker's choice of samples of a tile.
type picks struct {
	ranking []int  // a shard's samples
	taken   []bool // by sample of a shard
	order   []int  // as program.Selection has it
	samples []int
	shards  []program.Shard
	scales  []float64 // by shard of the tile
}

func newPicks(samples, shards int) picks {
	return picks{
		ranking: make([]int, 0, samples), taken: make([]bool, samples), order: make([]int, 0, samples), samples: make([]int, 0, samples),
		shards: make([]program.Shard, 0, shards), scales: make([]float64, 0, shards),
	}
}

// pick chooses, of each shard of the tile, the samples whose loss the perturbation has raised
// most, and makes the pass one over them.
func (w *worker) pick(work *program.Workspace) {
	o, r, p := w.o, &w.o.run, &w.picks
	p.order, p.samples, p.shards, p.scales = p.order[:0], p.samples[:0], p.shards[:0], p.scales[:0]
	first := w.pass.Shards[0].First
	at := first
	last := w.pass.Shards[len(w.pass.Shards)-1]
	n := last.First + last.N - first
	chosen := 0
	for _, shard := range w.pass.Shards {
		chosen += r.plan.descent.of(shard.N)
	}
	loss := o.model.Loss()
	for _, shard := range w.pass.Shards {
		p.rank(o.selection.before[shard.First:][:shard.N], o.selection.after[shard.First:][:shard.N], r.plan.descent.of(shard.N), o.model.Vocabulary() > 0)
		from := at
		for _, i := range p.ranking {
			p.order = append(p.order, shard.First-first+i)
			p.samples = append(p.samples, shard.First+i)
			o.selection.copySample(r.batch, shard.First+i, at, chosen == n)
			at++
		}
		p.shards = append(p.shards, program.Shard{First: from, N: at - from})
		// Each shard weighs what it does without a selection.
		scale := 0.0
		if terms := loss.Terms(o.selection.batch.Slice(from, at-from)); terms > 0 {
			scale = w.pass.Scale * float64(loss.Terms(r.batch.Slice(shard.First, shard.N))) / float64(terms)
		}
		p.scales = append(p.scales, scale)
	}
	w.pass.SampleLosses, w.pass.Scales = nil, p.scales
	work.Select(&w.pass, program.Selection{Order: p.order, Samples: p.samples, Batch: o.selection.batch, Shards: p.shards})
}

// rank sets ranking to the k samples of a shard whose loss rises most from before to after, of
// equal ones those that come first. They are in ascending order, or, if they needn't be, in one
// that moves few of them: a sample among the first k stays in its place.
func (p *picks) rank(before, after []float64, k int, ascending bool) {
	n := len(before)
	p.ranking = p.ranking[:0]
	for i := range n {
		p.ranking = append(p.ranking, i)
	}
	slices.SortFunc(p.ranking, func(i, j int) int {
		return cmp.Or(cmp.Compare(after[j]-before[j], after[i]-before[i]), cmp.Compare(i, j))
	})
	clear(p.taken[:n])
	for _, i := range p.ranking[:k] {
		p.taken[i] = true
	}
	p.ranking = p.ranking[:0]
	if ascending {
		for i, taken := range p.taken[:n] {
			if taken {
				p.ranking = append(p.ranking, i)
			}
		}
		return
	}
	next := k
	for i := range k {
		if !p.taken[i] {
			for !p.taken[next] {
				next++
			}
			i = next
			next++
		}
		p.ranking = append(p.ranking, i)
	}
}

// gatherSelection moves the selected samples of all tiles one behind the other, for deferred
// gradients.
func (o *Optimizer) gatherSelection() (batch net.Batch) {
	plan, s := o.run.plan, &o.selection
	to := 0
	for _, t := range plan.tiles {
		from := program.Shard{First: plan.parts[t.From].First}
		for _, part := range plan.parts[t.From:t.To] {
			from.N += plan.descent.of(part.N)
		}
		if from.First > to {
			toRow := 0
			if s.batch.Starts != nil {
				toRow = s.batch.Starts[to] - s.batch.Starts[0]
			}
			o.deferred.Move(s.batch, from, to, toRow)
			s.move(from, to)
		}
		to += from.N
	}
	return s.batch
}

// move moves a run of selected samples towards the front.
func (s *selection) move(from program.Shard, to int) {
	b := &s.batch
	if b.Starts == nil {
		size := len(b.X) / b.N
		copy(b.X[to*size:], b.X[from.First*size:][:from.N*size])
		return
	}
	row := b.Starts[from.First] - b.Starts[0]
	rows := b.Starts[from.First+from.N] - b.Starts[0] - row
	at := b.Starts[to] - b.Starts[0]
	copy(b.Tokens[at:], b.Tokens[row:][:rows])
	if b.Segments != nil {
		copy(b.Segments[at:], b.Segments[row:][:rows])
	}
	start := b.Starts[from.First]
	for i := range from.N {
		next := b.Starts[from.First+i+1]
		b.Starts[to+i+1] = b.Starts[to+i] + next - start
		start = next
	}
}
