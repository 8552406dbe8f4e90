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
	beside bool          // of the step's goroutine
	queue  chan parcel   // to the relay's
	ended  chan struct{} // the relay's has taken all
	err    error

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

// newRelay returns the relay of o, whose steps put in at most so many parcels.
func newRelay(o *Optimizer, parcels int) relay {
	r := relay{beside: o.overlaps(), add: newVectors(o.program.NumParams())}
	if r.beside {
		r.queue, r.ended = make(chan parcel, parcels), make(chan struct{})
	} else {
		r.team = o.team
	}
	return r
}

// open begins a sum. Until close, no one else may use the communicator.
func (t *rankState) open() {
	t.own, t.relay.err = t.own[:0], nil
	if t.relay.beside {
		go t.serve()
	}
}

// put hands over a parcel. What it consists of must stay as it is until close.
func (t *rankState) put(p parcel) {
	switch {
	case t.Size() == 1: // there is nothing to add
	case t.relay.beside:
		t.relay.queue <- p
	default:
		t.addUp(p)
	}
}

// close returns when all has been added up that was put in, or after an error.
func (t *rankState) close() error {
	if t.relay.beside {
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

// bucket takes off the front of a run of parameters what ranks exchange at once: all of it, unless a
// part can leave before the next gradients are computed. Those begin with an op that d defers.
func (o *Optimizer) bucket(rest *num.Span, d *program.Deferred) num.Span {
	from, to := rest.From, rest.To
	least := cmp.Or(o.cfg.force.segment, segmentFloats) * o.plan.ranks
	for i, op := range o.plan.ops {
		if o.overlaps() && d.Defers(i) && op.Offset-from >= least && to-op.Offset >= least {
			to = op.Offset
			break
		}
	}
	rest.From = to
	return num.Range(from, to)
}
