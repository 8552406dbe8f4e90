// Package study compares training methods under equal conditions: for each seed, all methods
// begin with the same weights and see the same batches equally often.
//
// A study has two stages. The first chooses rho and the learning rate of each method by the
// accuracy on a part of the training set that it holds back. The second trains on the whole
// training set with the chosen values, for other seeds, and tests once, after the last epoch. So
// no decision depends on the test set.
package study

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// Recipe has the settings that all runs of a study share. A Recipe and a Run decide every bit of
// that run's result, except for times.
type Recipe struct {
	Model       string   `json:"model"`
	Data        string   `json:"data"`
	DataSum     string   `json:"data_crc32"` // of both sets, as Sum returns it
	Samples     int      `json:"samples"`    // of the training set, validation samples included
	Validation  int      `json:"validation"` // samples of them that the first stage holds back
	Epochs      int      `json:"epochs"`
	Batch       int      `json:"batch"`
	Schedule    string   `json:"schedule"`
	Warmup      float64  `json:"warmup"` // epochs
	Augment     []string `json:"augment"`
	Standardize bool     `json:"standardise"`         // the key of stores from before the American spelling
	Optimizer   string   `json:"optimizer,omitempty"` // the name of Study.Base; "" for SGD, as in stores from before there was another
	Momentum    float64  `json:"momentum"`
	WeightDecay float64  `json:"weight_decay"`
	ISA         string   `json:"isa"` // instruction sets round differently
}

// Grid has the settings that differ between runs. A study may go on with another grid: the runs
// that both have are the same.
type Grid struct {
	Methods []string  `json:"methods"` // of sam.Methods
	Shards  []int     `json:"shards"`  // for the methods that have shards to choose
	Rhos    []float64 `json:"rhos"`    // candidates, for the methods that perturb
	LRs     []float64 `json:"lrs"`     // candidates
	// TuneLR chooses a learning rate for each method. Otherwise all methods take SGD's, which is
	// usual in the literature and needs fewer runs.
	TuneLR bool `json:"tune_lr"`
	// Variants are the methods with settings of their own; nil for those of Methods.
	Variants []Variant `json:"variants,omitempty"`
	// Extend is how often a grid of rhos is extended in each direction, each time by its own ratio,
	// where the best rho is at its edge. 0 leaves grids as they are.
	Extend int `json:"extend,omitempty"`
	// EqualTime also trains each method for the epochs that take as long as SAM's.
	EqualTime bool `json:"equal_time,omitempty"`
	// Noise has the fractions of the training samples that are relabeled at random. Each makes a
	// study of its own. Validation samples are relabeled, too: a user with wrong labels has no
	// others to choose by. Test samples keep their labels.
	Noise          []float64 `json:"noise"`
	Seeds          int       `json:"seeds"`           // of the second stage: 1, 2, ...
	SelectionSeeds int       `json:"selection_seeds"` // of the first
}

// Variant is a method with what it has of its own in a study.
type Variant struct {
	Method string    `json:"method"`
	Shards []int     `json:"shards,omitempty"` // in place of Grid.Shards; for methods that have shards to choose
	Rhos   []float64 `json:"rhos,omitempty"`   // in place of Grid.Rhos
	LRs    []float64 `json:"lrs,omitempty"`    // in place of Grid.LRs; the method chooses among them itself
	// Settings are those that differ from the method's row in sam.Methods, in one form that is part
	// of each Run, as in "ascent.every=2"; Preset is that row's with them.
	Settings string     `json:"settings,omitempty"`
	Preset   sam.Config `json:"-"` // used if there are Settings
}

// Study is a recipe and a grid, with the model, the data and the functions that they name.
type Study struct {
	Recipe Recipe
	Grid   Grid

	Model   *net.Model
	Train   *dataset.Set // Recipe.Samples of them
	Test    *dataset.Set
	Augment []dataset.Augmentation
	// Schedule makes the schedule of the learning rate, for epochs of so many batches each.
	Schedule func(epochs, batches int) optim.Schedule

	// Base returns the base optimizer of a learning rate; nil is SGD with Recipe.Momentum and
	// Recipe.WeightDecay. BaseTitle is what results call the method "sgd", which perturbs nothing,
	// with it, such as "AdamW"; "" for SGD.
	Base      func(lr float64) optim.Rule
	BaseTitle string

	// Full makes final runs measure and keep Details; those of a store that lack them are run again.
	Full bool
	// Flatness is what final runs measure of their models besides; nil for nothing.
	Flatness *FlatnessConfig

	entries []Entry // of the grid; Validate makes them
}

// Entry is a method with a number of shards: a row of the result.
type Entry struct {
	Method   sam.Method // with the settings of its variant
	Shards   int
	Settings string
	own      Variant
	Index    int // of the method in Grid.Variants, or Methods
}

// String returns it in words, as in "mSAM with 8 shards".
func (e Entry) String() string {
	if e.Settings != "" {
		return fmt.Sprintf("%s, %s", e.Method.With(e.Shards), e.Settings)
	}
	return e.Method.With(e.Shards)
}

// variants returns the methods with what they have of their own.
func (g Grid) variants() []Variant {
	if g.Variants != nil {
		return g.Variants
	}
	var list []Variant
	for _, name := range g.Methods {
		list = append(list, Variant{Method: name})
	}
	return list
}

// entries returns the methods, each with its own number of shards or with every number to try.
// It leaves out mSAM with one shard, which is SAM and has a row there.
func (g Grid) entries() (list []Entry, err error) {
	for i, v := range g.variants() {
		m, err := sam.Lookup(v.Method)
		if err != nil {
			return nil, err
		}
		if v.Settings != "" {
			m.Preset = v.Preset
		}
		shards := []int{m.Preset.Shards}
		if m.Sharded() {
			shards = g.Shards
			if v.Shards != nil {
				shards = v.Shards
			}
			shards = slices.DeleteFunc(slices.Clone(shards), func(n int) bool { return n == 1 })
		}
		for _, n := range shards {
			list = append(list, Entry{m, n, v.Settings, v, i})
		}
	}
	return list, nil
}

// normalize sorts the lists of numbers and drops duplicates, so that their order changes nothing.
func (g *Grid) normalize() {
	g.Shards = sortedSet(g.Shards)
	g.Rhos, g.LRs, g.Noise = sortedSet(g.Rhos), sortedSet(g.LRs), sortedSet(g.Noise)
	g.Variants = slices.Clone(g.Variants)
	for i := range g.Variants {
		v := &g.Variants[i]
		v.Shards, v.Rhos, v.LRs = sortedSet(v.Shards), sortedSet(v.Rhos), sortedSet(v.LRs)
	}
}

func sortedSet[T int | float64](list []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// Validate returns an error if a setting makes no sense, or if the optimizer of an entry refuses
// it, such as more shards than samples. Several errors are joined; those of entries are
// *EntryError. Call it before any other method.
func (s *Study) Validate() error {
	s.Grid.normalize()
	var err error
	if s.entries, err = s.Grid.entries(); err != nil {
		return err
	}
	for i := range s.entries {
		if m := &s.entries[i].Method; m.Name == sgd {
			m.Title = cmp.Or(s.BaseTitle, m.Title)
		}
	}
	if err := s.validateGrid(); err != nil {
		return err
	}
	if s.Recipe.Epochs < 1 {
		return badField("Recipe.Epochs", "is %d, want at least 1", s.Recipe.Epochs)
	}
	errs := []error{s.validateBatch()}
	for _, e := range s.entries {
		if _, err := sam.NewPlan(s.Model, s.config(s.anyRun(e), e.Method, 1, 1)); err != nil {
			errs = append(errs, &EntryError{e, err})
		}
	}
	if s.Flatness != nil {
		errs = append(errs, s.Flatness.validate(s.Train.Len()))
	}
	return errors.Join(errs...)
}

// EntryError is the error of an entry that its optimizer refuses.
type EntryError struct {
	Entry Entry
	Err   error
}

func (e *EntryError) Error() string { return fmt.Sprintf("%v: %v", e.Entry, e.Err) }
func (e *EntryError) Unwrap() error { return e.Err }

// validateBatch returns an error unless there are the samples of a batch in both stages.
func (s *Study) validateBatch() error {
	loader := s.loader(s.Train, 0)
	if err := loader.Validate(); err != nil {
		return err
	}
	if !s.selects() {
		return nil
	}
	rest, _, err := s.Train.Split(s.Recipe.Validation, splitSeed)
	if err != nil {
		return err
	}
	if s.Recipe.Batch > rest.Len() {
		return badField("Recipe.Batch", "is %d, want at most the %d samples that are left without the validation samples", s.Recipe.Batch, rest.Len())
	}
	return nil
}

// anyRun returns a run of an entry, to plan its steps.
func (s *Study) anyRun(e Entry) Run { return e.run(Final, 0, s.rhos(e)[0], s.ownLRs(e)[0], 1) }

// MostBytes returns the memory of the largest step of a valid study's runs, each with the given
// number of workers.
func (s *Study) MostBytes(workers int) (most int, err error) {
	for _, e := range s.entries {
		plan, err := sam.NewPlan(s.Model, s.config(s.anyRun(e), e.Method, 1, workers))
		if err != nil {
			return 0, fmt.Errorf("%v: %w", e, err)
		}
		most = max(most, plan.Bytes)
	}
	return most, nil
}

// badField returns the error of a field of Recipe or Grid.
func badField(field, problem string, args ...any) error {
	return fmt.Errorf("study: %w", &optim.FieldError{Field: field, Problem: fmt.Sprintf(problem, args...)})
}

func (s *Study) validateGrid() error {
	g := s.Grid
	for _, list := range []struct {
		field string
		n     int
	}{{"Methods", len(g.variants())}, {"LRs", len(g.LRs)}, {"Noise", len(g.Noise)}} {
		if list.n < 1 {
			return badField("Grid."+list.field, "has no value, want at least 1")
		}
	}
	for _, seeds := range []struct {
		field string
		n     int
	}{{"Seeds", g.Seeds}, {"SelectionSeeds", g.SelectionSeeds}} {
		if seeds.n < 1 || seeds.n >= selectionSeeds {
			return badField("Grid."+seeds.field, "is %d, want at least 1, and less than %d", seeds.n, selectionSeeds)
		}
	}
	for i, e := range s.entries {
		if e.Method.Perturbs() && len(s.rhos(e)) == 0 {
			return badField("Grid.Rhos", "has no value, and %v perturbs, want at least 1", e)
		}
		for _, other := range s.entries[:i] {
			if other.Method.Name == e.Method.Name && other.Shards == e.Shards && other.Settings == e.Settings {
				return badField("Grid.Methods", "has %v twice", e)
			}
		}
	}
	for _, rho := range slices.Concat(g.Rhos, own(g, func(v Variant) []float64 { return v.Rhos })) {
		if !(rho > 0) || math.IsInf(rho, 1) {
			return badField("Grid.Rhos", "has %v, want positive numbers", rho)
		}
	}
	for _, lr := range slices.Concat(g.LRs, own(g, func(v Variant) []float64 { return v.LRs })) {
		if !num.Positive(lr) {
			return badField("Grid.LRs", "has %v, want positive numbers that a float32 can be", lr)
		}
	}
	for _, noise := range g.Noise {
		if !(noise >= 0 && noise <= 1) {
			return badField("Grid.Noise", "has %v, want fractions from 0 to 1", noise)
		}
	}
	if g.Extend < 0 {
		return badField("Grid.Extend", "is %d, want 0 or more", g.Extend)
	}
	if len(g.LRs) > 1 && !g.TuneLR && s.entry(sgd) == nil {
		return badField("Grid.Methods", "lacks sgd, which chooses the learning rate for all methods unless each chooses its own")
	}
	if g.EqualTime && s.entry(samName) == nil {
		return badField("Grid.EqualTime", "is set, and the methods lack sam, whose time is the measure")
	}
	return nil
}

// own returns what the variants of a grid have of their own.
func own(g Grid, of func(Variant) []float64) (list []float64) {
	for _, v := range g.Variants {
		list = append(list, of(v)...)
	}
	return list
}

// entry returns the first entry of a method, nil if there is none.
func (s *Study) entry(method string) *Entry {
	if i := slices.IndexFunc(s.entries, func(e Entry) bool { return e.Method.Name == method }); i >= 0 {
		return &s.entries[i]
	}
	return nil
}

// The methods that all others are compared with.
const (
	sgd     = "sgd"
	samName = "sam"
)

// rhos returns the values of rho to try an entry with.
func (s *Study) rhos(e Entry) []float64 {
	switch {
	case !e.Method.Perturbs():
		return []float64{0}
	case e.own.Rhos != nil:
		return e.own.Rhos
	}
	return s.Grid.Rhos
}

// ownLRs returns the learning rates that an entry would choose from if it chose itself.
func (s *Study) ownLRs(e Entry) []float64 {
	if e.own.LRs != nil {
		return e.own.LRs
	}
	return s.Grid.LRs
}

// selects reports whether there is anything to choose. If there is, all methods have validation
// runs, so that they can be compared.
func (s *Study) selects() bool {
	return slices.ContainsFunc(s.entries, func(e Entry) bool { return len(s.ownLRs(e)) > 1 || len(s.rhos(e)) > 1 })
}
