package sam

import (
	"errors"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/num"
)

// What ranks tell each other of a step beside gradients: losses, refusals, and statistics.

// partStatus is what all ranks must know of a part.
type partStatus struct {
	before, after, divergence float64
	refused                   float64 // 1 if the part has met what makes the step fail
}

// floats is a run of statuses as an exchange has it.
func floats(s []partStatus) []float32 {
	if len(s) == 0 {
		return nil
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&s[0])), len(s)*int(unsafe.Sizeof(s[0])/4))
}

// leaveOwn takes this rank's own part out of an exchange in which all send their part of the same
// memory: it is there already, and others read it.
func (t *rankState) leaveOwn() { t.send[t.Rank()], t.receive[t.Rank()] = nil, nil }

// statusOf returns the statuses of some parts.
func (t *rankState) statusOf(parts num.Span) []float32 { return floats(t.status[parts.From:parts.To]) }

// agree tells all ranks what each part has met. If one has met what makes the step fail, it returns
// the error of the first of them, on all ranks.
func (o *Optimizer) agree() error {
	r, t := &o.run, &o.ranks
	mine := first(r.refused[:len(r.plan.parts)])
	if t.Communicator == nil || t.Size() == 1 {
		return mine
	}
	own := r.plan.ownParts()
	for part := own.From; part < own.To; part++ {
		s := partStatus{before: r.before[part], after: r.after[part], divergence: r.divergence[part]}
		if r.refused[part] != nil {
			s.refused = 1
		}
		t.status[part] = s
	}
	for rank := range t.send {
		t.send[rank] = t.statusOf(own)
		t.receive[rank] = t.statusOf(r.plan.partsOfRank(rank))
	}
	t.leaveOwn()
	if err := t.Exchange(t.send, t.receive); err != nil {
		return err
	}
	fails := false
	for part, s := range t.status[:len(r.plan.parts)] {
		r.before[part], r.after[part], r.divergence[part] = s.before, s.after, s.divergence
		fails = fails || s.refused != 0
	}
	if !fails {
		return nil
	}
	return o.sharedError(mine)
}

// kindsOfRefusal are what other ranks know of an error beside its words, the special ones first.
var kindsOfRefusal = []agree.Kind{
	agree.Like("batch", ErrBatch), agree.Like("vanishing", ErrVanishing), agree.Like("perturbed", ErrPerturbed), agree.Like("refused", ErrRefused),
}

// sharedError returns the error of the first rank that has one, in the words that it has alone.
func (o *Optimizer) sharedError(mine error) error {
	err := agree.Error(o.ranks, mine, kindsOfRefusal...)
	if failure := (*agree.Failure)(nil); errors.As(err, &failure) {
		return failure.Err
	}
	return err
}

// shareStatistics tells all ranks the parts' statistics of normalizations.
func (o *Optimizer) shareStatistics() error {
	t, plan, size := &o.ranks, o.run.plan, o.program.NumState()
	if t.Communicator == nil || t.Size() == 1 || size == 0 {
		return nil
	}
	of := func(rank int) []float32 {
		parts := plan.partsOfRank(rank)
		return o.allStats[parts.From*size : parts.To*size]
	}
	for rank := range t.send {
		t.send[rank], t.receive[rank] = of(plan.rank), of(rank)
	}
	t.leaveOwn()
	return t.Exchange(t.send, t.receive)
}
