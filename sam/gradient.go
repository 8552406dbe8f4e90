package sam

import (
	"fmt"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
)

// stepRun is the state of the step under way.
type stepRun struct {
	plan      *plan
	batch     net.Batch
	rho       float64    // 0 if nothing is perturbed
	perturbed *perturbed // what is
	selects   bool       // the descent is on some of the samples
	before    []float64  // by part: sum of its loss terms at w
	after     []float64  // the same at w + eps, or of the teacher
	refused   []error    // by part
	// By part: sum of its divergence from the teacher.
	divergence []float64

	round  *round
	pass   pass  // that the workers run, or the first of them
	route  route // that the workers take
	packed packed
	// between: only Ascent.Every keeps the step from perturbing.
	between bool

	combination
}

// gradient sets ghat to the batch's gradient.
func (o *Optimizer) gradient(batch net.Batch) (Stats, error) {
	if err := o.model.ValidateBatch(batch); err != nil {
		return Stats{}, err
	}
	if batch.N > o.cfg.Batch {
		return Stats{}, fmt.Errorf("sam: batch of %d samples, and Config.Batch is %d", batch.N, o.cfg.Batch)
	}
	plan, err := o.planOf(batch.N)
	if err != nil {
		return Stats{}, err
	}
	rho, err := o.rho(plan)
	if err != nil {
		return Stats{}, err
	}
	if _, err := optim.Factor(o.cfg.LRSchedule, o.base.Steps()); err != nil {
		return Stats{}, fmt.Errorf("sam: LRSchedule: %w", err)
	}
	r := &o.run
	r.plan, r.batch, r.rho, r.packed = plan, batch, rho, packed{}
	clear(r.refused)
	o.begin()
	only := o.passAtW(plain)
	if o.cfg.Ascent.Momentum && r.rho != 0 {
		if only.params, err = o.lookAhead(); err != nil {
			return Stats{}, err
		}
	}

	for i := range plan.rounds {
		r.round = &plan.rounds[i]
		switch {
		case plan.teacher.noisy():
			o.runRound(singlePass, o.passWithNoise())
		case r.rho == 0 || o.cfg.Ascent.Momentum:
			o.runRound(singlePass, only)
		case r.round.whole:
			o.runRound(wholeShards, o.passAtW(ascent))
		case plan.passByPass:
			if err := o.passByPass(); err != nil {
				return Stats{}, err
			}
		default:
			o.runRound(tileByTile, o.passAtW(ascent))
		}
		if first(r.refused[:len(plan.parts)]) != nil {
			break
		}
	}
	if err := o.agree(); err != nil {
		return Stats{}, err
	}
	if err := o.shareStatistics(); err != nil {
		return Stats{}, err
	}
	if err := o.addGradients(); err != nil {
		return Stats{}, err
	}
	if r.rho != 0 {
		if err := o.addCleanSums(); err != nil {
			return Stats{}, err
		}
	}
	return o.lossStats(), nil
}

// addGradients sets ghat to the sum of the units' gradients.
func (o *Optimizer) addGradients() error {
	r := &o.run
	batch := r.batch
	if r.selects {
		batch = o.gatherSelection()
	}
	if o.ranks.Communicator != nil {
		return o.addRanks(batch)
	}
	all := num.Range(0, len(r.plan.units))
	o.addUnits(all, &pass{kind: descent}, &o.vector, o.team)
	o.deferred.Gradients(o.team, batch, o.runOf(all), nil, nil, blas.Full, o.ghat)
	return nil
}

// runOf returns the samples of a run of units, as deferred gradients have them: where the step goes
// down on some of them, those lie one behind the other.
func (o *Optimizer) runOf(units num.Span) (run program.Shard) {
	r := &o.run
	parts := r.plan.partsOfUnits(units)
	if !r.selects {
		return joined(r.plan.parts[parts.From:parts.To])
	}
	own := r.plan.ownParts()
	for part := own.From; part < parts.To; part++ {
		n := r.plan.descent.of(r.plan.parts[part].N)
		if part < parts.From {
			run.First += n
		} else {
			run.N += n
		}
	}
	return run
}

// begin decides what the step perturbs, and on which samples it goes down.
func (o *Optimizer) begin() {
	r := &o.run
	r.perturbed = &o.all
	if r.rho != 0 && r.plan.ascent.draws() {
		if r.perturbed = o.draw(o.base.Steps()); r.perturbed == nil {
			r.rho = 0
		}
	}
	if r.selects = r.rho != 0 && r.plan.selects(); r.selects {
		o.selection.begin(r.batch)
	}
	if r.rho != 0 && !r.plan.passByPass {
		for _, w := range o.workers {
			for i, kind := range r.perturbed.kinds {
				w.perturb[i].Kind = kind
			}
		}
	}
}

// rho returns the radius of the step to come, 0 if it perturbs nothing.
func (o *Optimizer) rho(plan *plan) (float64, error) {
	step := o.base.Steps()
	o.run.between = false
	factor, err := optim.Factor(o.cfg.RhoSchedule, step)
	if err != nil {
		return 0, fmt.Errorf("sam: RhoSchedule: %w", err)
	}
	if !plan.perturbs() && !(o.cfg.Ascent.Momentum && o.cfg.Rho > 0) {
		return 0, nil
	}
	rho := factor * o.cfg.Rho
	if o.cfg.RhoWithLR {
		if factor, err = optim.Factor(o.cfg.LRSchedule, step); err != nil {
			return 0, fmt.Errorf("sam: LRSchedule: %w", err)
		}
		rho = o.cfg.RhoMin + (o.cfg.Rho-o.cfg.RhoMin)*factor
	}
	if step%uint64(o.cfg.Ascent.Every) != 0 {
		o.run.between = rho != 0
		return 0, nil
	}
	return rho, nil
}

// lossStats returns the statistics of the step's losses.
func (o *Optimizer) lossStats() (stats Stats) {
	r, loss := &o.run, o.model.Loss()
	terms, seen := float64(loss.Terms(r.batch)), 0.0 // of the batch, and of the first pass
	before, after, divergence := 0.0, 0.0, 0.0
	for part, clean := range r.plan.cleanParts {
		if r.rho == 0 {
			clean = r.plan.parts[part]
		}
		if clean.N > 0 {
			before += r.before[part]
			seen += float64(loss.Terms(r.batch.Slice(clean.First, clean.N)))
		}
		after += r.after[part]
		divergence += r.divergence[part]
	}
	stats.Loss, stats.Rho = before/seen, r.rho
	if seen == 0 { // no sample that perturbs has a term, so nothing was perturbed
		stats.Loss = after / terms
	}
	taught := r.plan.teaches() && (r.rho != 0 || r.plan.teacher.noisy())
	if taught {
		stats.Divergence = divergence / terms
	}
	if taught || r.rho != 0 && !r.plan.ascent.part() && !r.plan.ascent.Momentum {
		stats.Sharpness = (after - before) / terms
	}
	return stats
}

// refusal returns the error for a value that a part has met: why wraps ErrRefused, or a kind of it.
func (o *Optimizer) refusal(part int, why error, what string) error {
	r := &o.run
	at := r.plan.shardOf(part)
	shard := r.plan.shards[at]
	spoiled := o.spoiled(shard)
	if spoiled != "" {
		why = ErrBatch
	}
	return fmt.Errorf("sam: %w: shard %d (samples %d to %d): %s%s", why, at, shard.First, shard.First+shard.N-1, what, spoiled)
}

// spoiled says where the batch itself isn't finite, "" if it is.
func (o *Optimizer) spoiled(shard program.Shard) string {
	if o.model.Vocabulary() > 0 {
		return "" // token ids are finite
	}
	size := o.model.InputShape().Size()
	x := o.run.batch.X[shard.First*size:][:shard.N*size]
	if i := num.FirstNonFinite(x); i >= 0 {
		return fmt.Sprintf("; element %d of sample %d of the batch is %v", i%size, shard.First+i/size, x[i])
	}
	return ""
}

// planOf returns the plan for batches of n samples.
func (o *Optimizer) planOf(n int) (*plan, error) {
	if p, ok := o.plans[n]; ok {
		return p, nil
	}
	p := &plan{
		rank: o.plan.rank, ranks: o.plan.ranks, ops: o.plan.ops, arithmetic: o.plan.arithmetic.of(n), bytes: o.plan.bytes,
		cleanBackward: o.plan.cleanBackward, backward: o.plan.backward,
	}
	if shard := n / len(p.shards); min(p.ascent.Samples(shard), p.descent.of(shard)) < o.program.MinShard() {
		smallest := min(p.ascent.Samples(shard), p.descent.of(shard))
		return nil, fmt.Errorf("sam: a batch of %d samples leaves %d to a shard, and the model's normalization needs %d: leave such a batch out", n, smallest, o.program.MinShard())
	}
	p.layForests()
	how := o.plan.sharing
	if !o.plan.apart() {
		how = together // there is one worker's memory
	}
	perTile := min(o.plan.largestTile(), o.plan.tileSamples()/largest(p.parts)) // what there is memory for
	p.schedule = newSchedule(p, o.cfg.Workers, perTile, how)
	p.flops = p.countFlops()
	o.plans[n] = p
	return p, nil
}

// addUnits adds up units' sums, as a binary tree over their numbers, which only depends
// on how many there are. The result is in the first.
func (o *Optimizer) addUnits(units num.Span, p *pass, v *vectors, team *blas.Team) {
	for apart := 1; apart < units.Len(); apart *= 2 {
		for u := units.From; u+apart < units.To; u += 2 * apart {
			for i, by := range o.run.plan.byUnits {
				if by && !o.leftOut(i, p.kind) {
					v.add(team, o.unit(u, i, p), o.unit(u+apart, i, p))
				}
			}
		}
	}
}

// leftOut reports whether op i's gradient is not wanted in a kind of pass.
func (o *Optimizer) leftOut(i int, kind passKind) bool {
	return kind == ascent && o.run.perturbed.kinds[i] == program.Unperturbed
}

// unit returns where unit u sums the gradient of op i. The first unit is in its place in
// ghat, unless several ranks add up, or in a shard's own gradient where that is formed as a whole.
func (o *Optimizer) unit(u, i int, p *pass) []float32 {
	op := o.plan.ops[i]
	switch {
	case p.sum != nil && !p.spread && u == o.run.plan.partsOf(p.shard).From:
		return p.sum[op.Offset:][:op.Params]
	case o.ranks.Communicator != nil:
		return o.units[u-o.run.plan.ownUnits().From][o.unitAt[i]:][:op.Params]
	case u == 0:
		return o.ghat[op.Offset:][:op.Params]
	}
	return o.units[u-1][o.unitAt[i]:][:op.Params]
}

// first returns the first error, nil if there is none.
func first(errs []error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
