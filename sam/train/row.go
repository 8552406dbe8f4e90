package train

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// Row is a row of a run's log, metrics.jsonl in Run.Dir: a JSON object on a line of its own.
//
// A row sums up some steps. A row of RowEpoch has those of an epoch, and the scores of the
// validation set after it. A row of RowStep has those since the last such row, also if an epoch
// has ended in between. TrainLoss and Sharpness are means over the samples, GradNorm is the mean
// over the steps.
//
// The keys are kind, epoch, step, train_loss, valid_loss, valid_accuracy (and valid_NAME for any
// other metric, with a _ for each character of its name that is neither a letter nor a digit), lr,
// rho, grad_norm, sharpness, seconds and examples_per_second. Values that aren't finite are the
// strings "NaN", "+Inf" and "-Inf", for which JSON has no numbers.
type Row struct {
	Kind      string  // RowEpoch or RowStep
	Epoch     int     // of the row's last step, from 1 on
	Step      uint64  // steps that the run has made by then
	TrainLoss float64 // each sample's before the step that it is in
	Valid     Scores  // by the metric's name as it is in the key, behind valid_; nil in a row of RowStep
	LR        float64 // of the last step
	Rho       float64 // of the last step that perturbed the parameters; 0 if none did
	GradNorm  float64 // sam.Stats.GradNorm
	Sharpness float64 // sam.Stats.Sharpness
	Seconds   float64 // of training, without the validation

	ExamplesPerSecond float64 // trained on in these seconds
}

// The kinds of rows.
const (
	RowEpoch = "epoch" // after each epoch
	RowStep  = "step"  // after each Run.LogEvery steps
)

const validPrefix = "valid_"

// logName returns the name of a metric as a log has it.
func logName(metric string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsLetter(r) || unicode.IsDigit(r) {
			return r
		}
		return '_'
	}, metric)
}

// number is a float64 that may be infinite or NaN in JSON.
type number float64

// MarshalJSON implements json.Marshaler.
func (n number) MarshalJSON() ([]byte, error) {
	v := float64(n)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return strconv.AppendQuote(nil, strconv.FormatFloat(v, 'g', -1, 64)), nil
	}
	return json.Marshal(v)
}

// UnmarshalJSON implements json.Unmarshaler.
func (n *number) UnmarshalJSON(data []byte) error {
	text, err := string(data), error(nil)
	if text[0] == '"' {
		if text, err = strconv.Unquote(text); err != nil {
			return fmt.Errorf("%s, want a number", data)
		}
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return fmt.Errorf("%s, want a number", data)
	}
	*n = number(v)
	return nil
}

// field is a key of a row with its value.
type field struct {
	key   string
	value any // pointer
}

// fields returns the fields of a row, but for those of Valid, in the two parts before and after
// them.
func (r *Row) fields() (before, after []field) {
	before = []field{{"kind", &r.Kind}, {"epoch", &r.Epoch}, {"step", &r.Step}, {"train_loss", (*number)(&r.TrainLoss)}}
	return before, []field{
		{"lr", (*number)(&r.LR)}, {"rho", (*number)(&r.Rho)}, {"grad_norm", (*number)(&r.GradNorm)}, {"sharpness", (*number)(&r.Sharpness)},
		{"seconds", (*number)(&r.Seconds)}, {"examples_per_second", (*number)(&r.ExamplesPerSecond)},
	}
}

// MarshalJSON implements json.Marshaler. The keys have the order of Row's comment.
func (r Row) MarshalJSON() ([]byte, error) {
	fields, after := r.fields()
	names := slices.SortedFunc(maps.Keys(r.Valid), func(a, b string) int {
		if first := place(a) - place(b); first != 0 {
			return first
		}
		return strings.Compare(a, b)
	})
	for _, name := range names {
		score := number(r.Valid[name])
		fields = append(fields, field{validPrefix + name, &score})
	}
	text := []byte{'{'}
	for i, f := range append(fields, after...) {
		if i > 0 {
			text = append(text, ',')
		}
		key, err := json.Marshal(f.key)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		text = append(append(append(text, key...), ':'), value...)
	}
	return append(text, '}'), nil
}

// place puts the loss first and the accuracy second.
func place(metric string) int {
	switch metric {
	case lossName:
		return 0
	case "accuracy":
		return 1
	}
	return 2
}

// UnmarshalJSON implements json.Unmarshaler. A row must have its kind, epoch and step. Keys that
// it doesn't know are left out.
func (r *Row) UnmarshalJSON(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return fmt.Errorf("want an object of JSON: %w", err)
	}
	*r = Row{}
	before, after := r.fields()
	for i, f := range append(before, after...) {
		value, ok := all[f.key]
		if !ok && i < 3 {
			return fmt.Errorf("%q is missing", f.key)
		}
		if !ok {
			continue
		}
		if err := json.Unmarshal(value, f.value); err != nil {
			return fmt.Errorf("%q is %w", f.key, describe(value, err))
		}
	}
	for key, value := range all {
		name, ok := strings.CutPrefix(key, validPrefix)
		if !ok {
			continue
		}
		var score number
		if err := json.Unmarshal(value, &score); err != nil {
			return fmt.Errorf("%q is %w", key, describe(value, err))
		}
		if r.Valid == nil {
			r.Valid = Scores{}
		}
		r.Valid[name] = float64(score)
	}
	if r.Kind != RowEpoch && r.Kind != RowStep {
		return fmt.Errorf("%q is %q, want %q or %q", "kind", r.Kind, RowEpoch, RowStep)
	}
	if r.Epoch < 1 {
		return fmt.Errorf("%q is %d, want at least 1", "epoch", r.Epoch)
	}
	return nil
}

// describe says what a value is and what it should be, in the words of the log and not of Go.
func describe(value json.RawMessage, err error) error {
	wrong := new(json.UnmarshalTypeError)
	if !errors.As(err, &wrong) {
		return err
	}
	want := "a whole number that isn't negative"
	if wrong.Type.Kind().String() == "string" {
		want = "a string"
	}
	return fmt.Errorf("%s, want %s", value, want)
}
