package train

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// EarlyStopping is a Hook that ends a run when a metric hasn't improved for some epochs. It keeps
// nothing of its own: what it needs is in the history, so it survives resuming, and a run that it
// has ended isn't gone on with unless Patience has grown.
type EarlyStopping struct {
	Patience int     // epochs without an improvement, at least 1
	MinDelta float64 // changes of this size or less are no improvements
	Monitor  string  // metric of the validation set; "" is Run.Monitor
}

// Handle implements Hook.
func (e EarlyStopping) Handle(at Moment, s *Status) error {
	if at != AtStart && at != AfterEpoch {
		return nil
	}
	if e.Patience < 1 || !(e.MinDelta >= 0) {
		return fmt.Errorf("train: EarlyStopping.Patience is %d and MinDelta %v, want at least 1 and 0", e.Patience, e.MinDelta)
	}
	values, better, err := s.Series(e.Monitor)
	if err != nil {
		return fmt.Errorf("train: EarlyStopping.Monitor: %w", err)
	}
	best := 0
	for i, v := range values {
		if far := !(max(v-values[best], values[best]-v) <= e.MinDelta); far && improves(v, values[best], better) {
			best = i
		}
	}
	if len(values) > 0 && len(values)-1-best >= e.Patience {
		return Stop(fmt.Sprintf("no improvement on %.4g of epoch %d in %d epochs", values[best], best+1, len(values)-1-best))
	}
	return nil
}

// Progress returns a Hook that writes a line to w after each epoch, and one at the end if a hook
// has stopped the run. Errors of w end the run.
func Progress(w io.Writer) Hook { return progress{w} }

type progress struct{ io.Writer }

// Handle implements Hook.
func (p progress) Handle(at Moment, s *Status) (err error) {
	switch {
	case at == AtStart && s.Batch > 0:
		_, err = fmt.Fprintf(p, "going on in epoch %d after %d batches\n", s.Epoch, s.Batch)
	case at == AfterEpoch:
		e := s.History.Epochs[len(s.History.Epochs)-1]
		var b strings.Builder
		fmt.Fprintf(&b, "epoch %d of %d: loss %.4f", e.Epoch, s.Run.Epochs, e.Loss)
		for _, name := range slices.Sorted(maps.Keys(e.Valid)) {
			fmt.Fprintf(&b, ", valid %s %.4f", name, e.Valid[name])
		}
		_, err = fmt.Fprintf(p, "%s, %.3g s\n", &b, e.Seconds)
	case at == AtEnd && s.History.Stopped != "":
		_, err = fmt.Fprintf(p, "stopped: %s\n", s.History.Stopped)
	}
	return err
}
