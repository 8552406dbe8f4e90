package sam

import (
	"cmp"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/program"
)

// relay adds up this rank's gradients with the other ranks'. With Config.Overlap it does so while
// the step's goroutine computes those that follow. All ranks put in the same, in the same order, so
// that their exchanges meet.
type relay struct {
	// Beside the step's goroutine; nil in it.
	serve func()        // what the relay's goroutine runs
	queue chan parcel   // to it
	ended chan struct{} // it has taken all

	err error

	team *blas.Team // that adds; nil beside the step's goroutine, whose it is
	add  vectors
}

// parcel is what ranks add up at once.
type parcel struct {
	dst    []float32
	forest *forest     // nil if the communicator adds up dst
	own    [][]float32 // this rank's nodes of the forest
}

// overlaps reports whether ranks exchange gradients while they compute others.
func (o *Optimizer) overlaps() bool { return o.cfg.Overlap && o.plan.ranks > 1 }

// allocateRelay makes the relay. A step puts in what isn't deferred, and at most each op by itself.
func (o *Optimizer) allocateRelay() {
	t := &o.ranks
	if o.plan.unitwise {
		t.relay.add = newVectors(o.program.NumParams())
	}
	if o.overlaps() {
		t.relay.queue, t.relay.ended = make(chan parcel, len(o.plan.ops)+1), make(chan struct{})
		t.relay.serve = t.serve // once, since this allocates
	} else {
		t.relay.team = o.team
	}
}

// open begins a sum. Until close, no one else may use the communicator.
func (t *rankState) open() {
	t.own, t.relay.err = t.own[:0], nil
	if t.relay.serve != nil {
		go t.relay.serve()
	}
}

// put hands over a parcel. What it consists of must stay as it is until close.
func (t *rankState) put(p parcel) {
	switch {
	case t.Size() == 1: // there is nothing to add
	case t.relay.queue != nil:
		t.relay.queue <- p
	default:
		t.addUp(p)
	}
}

// close returns when all has been added up that was put in, or after an error.
func (t *rankState) close() error {
	if t.relay.queue != nil {
		t.relay.queue <- parcel{}
		<-t.relay.ended
	}
	return t.relay.err
}

// serve takes parcels until one has nothing to set.
func (t *rankState) serve() {
	for p := range t.relay.queue {
		if p.dst == nil {
			t.relay.ended <- struct{}{}
			return
		}
		t.addUp(p)
	}
}

// addUp adds up a parcel, unless one before it has failed.
func (t *rankState) addUp(p parcel) {
	r := &t.relay
	switch {
	case r.err != nil:
	case p.forest == nil:
		r.err = t.Sum(p.dst)
	default:
		r.err = t.tree.sum(t, r.team, &r.add, p.forest, p.own, p.dst)
	}
}

// segmentFloats is how many floats of a bucket each rank adds up, at least: as many as take longer
// on their way than a message takes to start.
const segmentFloats = 32 << 10

// leastBucket is the size from which on a bucket is exchanged by itself.
func (o *Optimizer) leastBucket() int {
	return cmp.Or(o.cfg.force.segment, segmentFloats) * o.plan.ranks
}

// nextDeferred takes off the front of a run of parameters the next bucket, which ranks exchange at
// once: deferred ops, and parameters of others between them if those are few. It is empty if no op is
// left. With overlap a bucket ends where the rest is large enough for another.
func (o *Optimizer) nextDeferred(rest *num.Span, d *program.Deferred) (bucket num.Span) {
	least := o.leastBucket()
	for i, op := range o.plan.ops {
		if !d.Defers(i) || op.Params == 0 || op.Offset < rest.From {
			continue
		}
		if bucket.Len() == 0 {
			bucket.From = op.Offset
		} else if op.Offset-bucket.To >= least || o.cuts(bucket.From, op.Offset, rest.To) {
			break
		}
		bucket.To = op.Offset + op.Params
	}
	rest.From = max(rest.From, bucket.To)
	return bucket
}

// nextOfAll takes off the front of a run of parameters the next bucket of all of them. With overlap it
// ends where a deferred op begins, before which it can leave.
func (o *Optimizer) nextOfAll(rest *num.Span, d *program.Deferred) num.Span {
	from, to := rest.From, rest.To
	for i, op := range o.plan.ops {
		if d.Defers(i) && op.Offset > from && o.cuts(from, op.Offset, rest.To) {
			to = op.Offset
			break
		}
	}
	rest.From = to
	return num.Range(from, to)
}

// cuts reports whether a run of parameters is exchanged in two parts.
func (o *Optimizer) cuts(from, at, to int) bool {
	return o.overlaps() && at-from >= o.leastBucket() && to-at >= o.leastBucket()
}
