package protocol

import (
	"errors"
	"regexp"
	"strings"
)

// Work is a piece of work to measure, and a row of a table. Exactly one field is set.
type Work struct {
	Product       *Shape         `json:"product,omitempty"`
	Convolution   *Convolution   `json:"convolution,omitempty"`
	Step          *Step          `json:"step,omitempty"`
	Routine       *Routine       `json:"routine,omitempty"`
	Decomposition *Decomposition `json:"decomposition,omitempty"`
}

// Kind is a kind of work.
type Kind string

// The kinds of work.
const (
	KindProducts       Kind = "products"
	KindConvolutions   Kind = "convolutions"
	KindSteps          Kind = "steps"
	KindRoutines       Kind = "routines"
	KindDecompositions Kind = "decompositions"
)

// Kind returns the kind of the field that is set, "" unless it is exactly one.
func (w Work) Kind() (kind Kind) {
	for _, is := range []struct {
		kind Kind
		set  bool
	}{
		{KindProducts, w.Product != nil}, {KindConvolutions, w.Convolution != nil}, {KindSteps, w.Step != nil}, {KindRoutines, w.Routine != nil},
		{KindDecompositions, w.Decomposition != nil},
	} {
		if is.set && kind != "" {
			return ""
		}
		if is.set {
			kind = is.kind
		}
	}
	return kind
}

type work interface {
	String() string
	Flops() float64
	Validate() error
}

func (w Work) one() work {
	switch w.Kind() {
	case KindProducts:
		return w.Product
	case KindConvolutions:
		return w.Convolution
	case KindSteps:
		return w.Step
	case KindRoutines:
		return w.Routine
	case KindDecompositions:
		return w.Decomposition
	}
	return none{}
}

// String returns the work as ParseList reads it.
func (w Work) String() string { return w.one().String() }

// Flops returns the number of floating-point operations, 0 if they aren't counted.
func (w Work) Flops() float64 { return w.one().Flops() }

// Validate returns what is wrong with the work.
func (w Work) Validate() error { return w.one().Validate() }

// none stands for a Work that doesn't have exactly one field set.
type none struct{}

func (none) String() string { return "nothing" }
func (none) Flops() float64 { return 0 }
func (none) Validate() error {
	return errors.New("protocol: want one of a product, a convolution, a step, a routine and a decomposition")
}

// ParseList reads work of one kind, separated by commas: products as ParseShape does, convolutions
// as ParseConvolution, steps as ParseStep, routines as ParseRoutine, decompositions as
// ParseDecomposition.
func ParseList(list string) (all []Work, err error) {
	for _, text := range split(list) {
		some, err := parse(text)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
	}
	for _, w := range all[1:] {
		if w.Kind() != all[0].Kind() {
			return nil, errors.New("protocol: " + w.String() + " can't stand in a table with " + all[0].String())
		}
	}
	return all, nil
}

func parse(text string) (all []Work, err error) {
	switch {
	case strings.Contains(text, "->"):
		passes, err := ParseConvolution(text)
		for _, c := range passes {
			all = append(all, Work{Convolution: &c})
		}
		return all, err
	case strings.Contains(text, "batch"):
		s, err := ParseStep(text)
		return []Work{{Step: &s}}, err
	case decompositionFormat.MatchString(text):
		d, err := ParseDecomposition(text)
		return []Work{{Decomposition: &d}}, err
	case routineFormat.MatchString(text):
		r, err := ParseRoutine(text)
		return []Work{{Routine: &r}}, err
	default:
		s, err := ParseShape(text)
		return []Work{{Product: &s}}, err
	}
}

// Names of routines begin with a small letter, as in the BLAS; those of decompositions with a
// capital, as in gonum's mat.
var (
	routineFormat       = regexp.MustCompile(`^ *[a-z]\w* +\d+ *$`)
	decompositionFormat = regexp.MustCompile(`^ *[A-Z]\w* +\d+ *$`)
)

var commasOfPads = regexp.MustCompile(`(pad +\d+),(\d+),(\d+),(\d+)`)

// split cuts a list at its commas, except those within "pad 0,1,0,1".
func split(list string) (items []string) {
	const comma = "\x00"
	list = commasOfPads.ReplaceAllString(list, "$1"+comma+"$2"+comma+"$3"+comma+"$4")
	for item := range strings.SplitSeq(list, ",") {
		items = append(items, strings.ReplaceAll(item, comma, ","))
	}
	return items
}
