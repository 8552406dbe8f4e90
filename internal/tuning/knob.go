package tuning

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"
)

// Knob is a number in a variable that measurements decide on.
type Knob struct {
	Name   string
	Field  *int
	Bits   string // whose bits another value would change; "" for none
	Shapes string // how its pieces of work are written
	Unit   string // of speeds, 1e9 amounts a second
	Series []Series

	// Of a threshold: what it is compared with, and the two things that it chooses between. It
	// chooses the first for what is below it.
	Axis         string
	Below, Above Side
	// IsBelow says on which side a piece of work is now; nil compares its X with the field.
	IsBelow func(w Work) bool
}

// Side is one of the two things that a threshold chooses between. Set makes the fields of knobs
// choose it.
type Side struct {
	Name string
	Set  func()
}

// Never and Always are values of a threshold that everything is below, and nothing.
const (
	Never  = math.MaxInt / 2
	Always = 0
)

// Series is pieces of work that have something in common, smallest first, and with which the knob
// matters.
type Series struct {
	Name   string
	Works  []Work
	Values []int // of the knob, to be compared; nil for the threshold's two sides
}

// Work is a piece of work.
type Work struct {
	Name   string
	X      int     // on the axis of a threshold
	Amount float64 // of what speeds count
	Rested bool    // after a pause, in which workers go to sleep
	// Prepare makes the operands. What it returns is called once for each candidate, while the
	// knobs are set to it, and returns a function that does the work for the i-th time.
	Prepare func() func() func(i int)
}

// Around returns a value and some from a quarter to twice of it, which are multiples of grain.
func Around(value, grain int) (values []int) {
	for _, quarters := range []int{1, 2, 3, 4, 6, 8} {
		v := value
		if quarters != 4 {
			v = max(1, value*quarters/4/grain) * grain
		}
		values = append(values, v)
	}
	slices.Sort(values)
	return slices.Compact(values)
}

// Run measures those knobs that the job names, and writes a point a line. Knobs have their values
// back in the end. reset, unless it is nil, is called after each change of knobs.
func (j Job) Run(knobs []Knob, reset func(), w io.Writer) error {
	r := runner{job: j, knobs: knobs, changed: reset, out: json.NewEncoder(w)}
	for _, k := range knobs {
		r.values = append(r.values, *k.Field)
	}
	for _, k := range knobs {
		if !slices.Contains(j.Knobs, k.Name) {
			continue
		}
		for _, s := range k.Series {
			works := s.Works
			if j.Quick {
				works = works[:min(2, len(works))]
			}
			for _, work := range works {
				if err := r.measure(&k, &s, work); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

type runner struct {
	job     Job
	knobs   []Knob
	values  []int // of the knobs, as they were
	changed func()
	out     *json.Encoder
}

// candidate is a setting of the knobs.
type candidate struct {
	set  func()
	work func(i int) // nil before the first time
}

func (r *runner) set(c *candidate) {
	r.restore()
	c.set()
	if r.changed != nil {
		r.changed()
	}
}

func (r *runner) restore() {
	for i, k := range r.knobs {
		*k.Field = r.values[i]
	}
	if r.changed != nil {
		r.changed()
	}
}

// measure measures a piece of work under each candidate.
func (r *runner) measure(k *Knob, s *Series, work Work) error {
	defer r.restore()
	point := Point{Knob: k.Name, Value: *k.Field, Bits: k.Bits, Series: s.Name, Work: work.Name, Shapes: k.Shapes, Unit: k.Unit}
	var candidates []candidate
	add := func(name string, now bool, set func()) {
		candidates = append(candidates, candidate{set: set})
		point.Candidates = append(point.Candidates, Candidate{Name: name, Table: now})
	}
	if s.Values == nil {
		point.Axis, point.X = k.Axis, work.X
		below := work.X < *k.Field
		if k.IsBelow != nil {
			below = k.IsBelow(work)
		}
		add(k.Below.Name, below, k.Below.Set)
		add(k.Above.Name, !below, k.Above.Set)
	}
	for _, v := range s.Values {
		add(fmt.Sprint(v), v == point.Value, func() { *k.Field = v })
	}

	make, last := work.Prepare(), -1
	speeds := r.job.Measure(len(candidates), work.Amount, func(i, first, times int) time.Duration {
		c := &candidates[i]
		if i != last {
			r.set(c)
			if c.work == nil {
				c.work = make()
			}
			c.work(first) // makes plans and fills caches, which the other candidates have displaced
			last = i
		}
		return Timed(work.Rested, first, times, c.work)
	})
	for i := range speeds {
		point.Candidates[i].Speeds = speeds[i]
	}
	return r.out.Encode(point)
}

// Validate returns an error if knobs can't be measured: it is for tests of packages that have some.
func Validate(knobs []Knob) error {
	for _, k := range knobs {
		switch {
		case k.Field == nil || len(k.Series) == 0 || k.Shapes == "" || k.Unit == "":
			return fmt.Errorf("tuning: %s lacks a field, series, shapes or a unit", k.Name)
		case (k.Axis == "") != (k.Below.Set == nil) || (k.Axis == "") != (k.Above.Set == nil):
			return fmt.Errorf("tuning: %s has an axis without two sides, or sides without an axis", k.Name)
		}
		for _, s := range k.Series {
			switch {
			case len(s.Works) == 0:
				return fmt.Errorf("tuning: %s, %s: there is no work", k.Name, s.Name)
			case (k.Axis == "") != (s.Values != nil):
				return fmt.Errorf("tuning: %s, %s: want values of a size, and none of a threshold", k.Name, s.Name)
			case s.Values != nil && !slices.Contains(s.Values, *k.Field):
				return fmt.Errorf("tuning: %s, %s: %d, which is in use, is not among %v", k.Name, s.Name, *k.Field, s.Values)
			case s.Values == nil && !slices.IsSortedFunc(s.Works, func(a, b Work) int { return a.X - b.X }):
				return fmt.Errorf("tuning: %s, %s: work isn't in the order of %s", k.Name, s.Name, k.Axis)
			}
			for _, w := range s.Works {
				if w.Amount <= 0 || w.Prepare == nil {
					return fmt.Errorf("tuning: %s, %s, %s: there is nothing to do", k.Name, s.Name, w.Name)
				}
			}
		}
	}
	return nil
}
