package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/sam"
)

// History is the epochs of a run. Its JSON has all but the parameters.
type History struct {
	Epochs     []Epoch `json:"epochs"`
	Unfinished *Epoch  `json:"unfinished,omitempty"` // the epoch in which the run has ended, as far as it came; not in Epochs
	// BestEpoch is the number of the best epoch by Run.Monitor; 0 if none is finished. A Resume
	// with another Monitor compares the epochs whose parameters are still there: the best one
	// before, and the last one if the run stopped right after it. Later epochs compete with the
	// better of the two by the new Monitor.
	BestEpoch int    `json:"best_epoch"`
	Stopped   string `json:"stopped,omitempty"` // why a hook ended the run; "" if none did

	Params *net.Params `json:"-"` // as the last step left them
	Best   *net.Params `json:"-"` // a copy of those at the end of BestEpoch; nil if none is finished
}

// Epoch is what a run has seen in one pass over the training set.
type Epoch struct {
	Epoch     int     `json:"epoch"` // from 1 on
	Steps     int     `json:"steps"`
	Samples   int     `json:"samples"`
	Loss      float64 `json:"loss"`      // mean over the samples, each before the step that it is in
	Sharpness float64 `json:"sharpness"` // mean of sam.Stats.Sharpness over the samples
	Seconds   float64 `json:"seconds"`   // of training, without the validation
	Valid     Scores  `json:"valid,omitempty"`
}

// Scores are metrics by name. In JSON, values that aren't finite are the strings "NaN", "+Inf"
// and "-Inf", for which JSON has no numbers.
type Scores map[string]float64

// MarshalJSON implements json.Marshaler.
func (s Scores) MarshalJSON() ([]byte, error) {
	all := make(map[string]number, len(s))
	for name, v := range s {
		all[name] = number(v)
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Scores) UnmarshalJSON(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	*s = nil
	if all != nil {
		*s = make(Scores, len(all))
	}
	for name, text := range all {
		var v number
		if err := json.Unmarshal(text, &v); err != nil {
			return fmt.Errorf("score %q is %w", name, err)
		}
		(*s)[name] = float64(v)
	}
	return nil
}

// clone copies h with all that it refers to, but for the parameters.
func (h *History) clone() *History {
	c := *h
	c.Epochs = slices.Clone(h.Epochs)
	for i := range c.Epochs {
		c.Epochs[i].Valid = maps.Clone(c.Epochs[i].Valid)
	}
	if h.Unfinished != nil {
		e := *h.Unfinished
		e.Valid = maps.Clone(e.Valid)
		c.Unfinished = &e
	}
	c.Params, c.Best = nil, nil
	return &c
}

// sums are over some steps: those of an epoch under way, or of a row under way.
type sums struct {
	Steps     int     `json:"steps"`
	Samples   int     `json:"samples"`
	Loss      float64 `json:"loss"`      // sum of losses times samples
	Sharpness float64 `json:"sharpness"` // the same
	GradNorm  float64 `json:"grad_norm"` // sum over the steps
	LR        float64 `json:"lr"`        // of the last step
	Rho       float64 `json:"rho"`       // of the last step that perturbed
	Seconds   float64 `json:"seconds"`
}

func (s *sums) add(n int, stats sam.Stats, seconds float64) {
	s.Steps++
	s.Samples += n
	s.Loss += stats.Loss * float64(n)
	s.Sharpness += stats.Sharpness * float64(n)
	s.GradNorm += stats.GradNorm
	s.LR = stats.LearningRate
	if stats.Rho > 0 {
		s.Rho = stats.Rho
	}
	s.Seconds += seconds
}

// loss returns the mean loss; 0 of no samples.
func (s *sums) loss() float64 { return s.Loss / float64(max(1, s.Samples)) }

// epoch returns the sums as an epoch of that number.
func (s *sums) epoch(number int) Epoch {
	return Epoch{
		Epoch: number, Steps: s.Steps, Samples: s.Samples, Seconds: s.Seconds,
		Loss: s.loss(), Sharpness: s.Sharpness / float64(max(1, s.Samples)),
	}
}

// row returns the sums as a row of the log, for the last of the run's steps so far.
func (s *sums) row(kind string, epoch int, step uint64) *Row {
	r := &Row{
		Kind: kind, Epoch: epoch, Step: step, TrainLoss: s.loss(), LR: s.LR, Rho: s.Rho,
		GradNorm: s.GradNorm / float64(max(1, s.Steps)), Sharpness: s.Sharpness / float64(max(1, s.Samples)), Seconds: s.Seconds,
	}
	if s.Seconds > 0 {
		r.ExamplesPerSecond = float64(s.Samples) / s.Seconds
	}
	return r
}
