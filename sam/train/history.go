package train

import (
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

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
	all := make(map[string]any, len(s))
	for name, v := range s {
		all[name] = v
		if math.IsNaN(v) || math.IsInf(v, 0) {
			all[name] = strconv.FormatFloat(v, 'g', -1, 64)
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Scores) UnmarshalJSON(data []byte) error {
	var all map[string]any
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	if all == nil {
		*s = nil
		return nil
	}
	*s = make(Scores, len(all))
	for name, v := range all {
		switch v := v.(type) {
		case float64:
			(*s)[name] = v
		case string:
			x, err := strconv.ParseFloat(v, 64)
			if err != nil {
				return fmt.Errorf("score %q is %q, want a number", name, v)
			}
			(*s)[name] = x
		default:
			return fmt.Errorf("score %q is %v, want a number", name, v)
		}
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

// sums are over the batches of an epoch under way.
type sums struct {
	Steps     int     `json:"steps"`
	Samples   int     `json:"samples"`
	Loss      float64 `json:"loss"`      // sum of losses times samples
	Sharpness float64 `json:"sharpness"` // the same
	Seconds   float64 `json:"seconds"`
}

func (s *sums) add(n int, stats sam.Stats, seconds float64) {
	s.Steps++
	s.Samples += n
	s.Loss += stats.Loss * float64(n)
	s.Sharpness += stats.Sharpness * float64(n)
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
