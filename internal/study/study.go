// Package study compares training methods under equal conditions: for each seed
// all of them begin with the same weights and see the same batches, as often.
//
// A study has two stages. The first chooses what each method needs chosen, rho
// and the learning rate, by the accuracy on a part of the training set that is
// held back. The second trains on the whole training set with what was chosen,
// for other seeds, and tests once, after the last epoch. So the test set is
// looked at by no decision.
package study

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
)

// Recipe is what all runs of a study have in common. Together with a Run it
// decides every bit of that run's result, but for times.
type Recipe struct {
	Model       string   `json:"model"`
	Data        string   `json:"data"`
	DataSum     string   `json:"data_crc32"` // of both sets, as Sum returns it
	Samples     int      `json:"samples"`    // of the training set, validation samples among them
	Validation  int      `json:"validation"` // how many of them the first stage holds back
	Epochs      int      `json:"epochs"`
	Batch       int      `json:"batch"`
	Schedule    string   `json:"schedule"`
	Warmup      float64  `json:"warmup"` // epochs
	Augment     []string `json:"augment"`
	Standardize bool     `json:"standardise"` // the spelling is the store's
	Momentum    float64  `json:"momentum"`
	WeightDecay float64  `json:"weight_decay"`
	ISA         string   `json:"isa"` // instruction sets round differently
}

// Grid is what differs between runs. A study can be gone on with on another grid:
// the runs that both have are the same.
type Grid struct {
	Methods []string  `json:"methods"` // of sam.Methods
	Shards  []int     `json:"shards"`  // to try the methods with that have shards to choose
	Rhos    []float64 `json:"rhos"`    // to choose from, for the methods that perturb
	LRs     []float64 `json:"lrs"`     // to choose from
	// TuneLR chooses a learning rate for each method. Otherwise SGD's choice holds
	// for all, as is usual in the literature, and takes fewer runs.
	TuneLR bool `json:"tune_lr"`
	// Noise is the parts of the training labels that are drawn anew: a study each.
	// Labels that are held back for validation are no cleaner, since whoever has
	// wrong labels has no others to choose by; the test labels are.
	Noise          []float64 `json:"noise"`
	Seeds          int       `json:"seeds"`           // of the second stage: 1, 2, ...
	SelectionSeeds int       `json:"selection_seeds"` // of the first
}

// Study is a recipe and a grid with what their names stand for.
type Study struct {
	Recipe Recipe
	Grid   Grid

	Model    *net.Model
	Train    *dataset.Set // Recipe.Samples of them
	Test     *dataset.Set
	Augment  []dataset.Augmentation
	Schedule func(batches int) sam.Scheduler // of the learning rate, for epochs of so many batches

	entries []Entry // of the grid; Validate makes them
}

// Entry is a method with its shards: a row of the result.
type Entry struct {
	Method sam.Method
	Shards int
}

// String returns it in words, as in "mSAM with 8 shards".
func (e Entry) String() string { return e.Method.With(e.Shards) }

// entries returns the methods with the shards that they have, or with those to
// try. One shard is what SAM has, and has its row there.
func (g Grid) entries() (list []Entry, err error) {
	for _, name := range g.Methods {
		m, err := sam.LookupMethod(name)
		if err != nil {
			return nil, err
		}
		shards := []int{m.Preset.Shards}
		if m.Sharded() {
			shards = slices.DeleteFunc(slices.Clone(g.Shards), func(n int) bool { return n == 1 })
		}
		for _, n := range shards {
			list = append(list, Entry{m, n})
		}
	}
	return list, nil
}

// normalize sorts the lists of numbers and drops what is there twice, so that the
// order in which they are given changes nothing.
func (g *Grid) normalize() {
	g.Shards = distinct(g.Shards)
	g.Rhos, g.LRs, g.Noise = distinct(g.Rhos), distinct(g.LRs), distinct(g.Noise)
}

func distinct[T int | float64](list []T) []T {
	return slices.Compact(slices.Sorted(slices.Values(list)))
}

// Validate returns an error if anything is wrong with a study, before any training. It also
// returns what the optimizer refuses, such as more shards than samples.
func (s *Study) Validate() error {
	s.Grid.normalize()
	var err error
	if s.entries, err = s.Grid.entries(); err != nil {
		return err
	}
	if err := s.validateGrid(); err != nil {
		return err
	}
	if s.Recipe.Epochs < 1 {
		return fmt.Errorf("study: %d epochs, want at least 1", s.Recipe.Epochs)
	}
	loader := s.loader(s.Train, 0)
	if err := loader.Validate(); err != nil {
		return err
	}
	if s.selects() {
		rest, _, err := s.Train.Split(s.Recipe.Validation, splitSeed)
		if err != nil {
			return err
		}
		if s.Recipe.Batch > rest.Len() {
			return fmt.Errorf("study: batches of %d, and without the validation samples there are %d", s.Recipe.Batch, rest.Len())
		}
	}
	for _, e := range s.entries {
		rho, lr := s.rhos(e)[0], s.Grid.LRs[0]
		if _, err := sam.New(s.Model, s.Model.Init(0), s.config(Run{Method: e.Method.Name, Shards: e.Shards, Rho: rho, LR: lr}, e.Method, 1, 1)); err != nil {
			return fmt.Errorf("%v: %w", e, err)
		}
	}
	return nil
}

func (s *Study) validateGrid() error {
	g := s.Grid
	for _, list := range []struct {
		name string
		n    int
	}{{"methods", len(g.Methods)}, {"learning rates", len(g.LRs)}, {"parts of noise", len(g.Noise)}, {"seeds", g.Seeds}, {"seeds to select by", g.SelectionSeeds}} {
		if list.n < 1 {
			return fmt.Errorf("study: %d %s, want at least 1", list.n, list.name)
		}
	}
	if g.Seeds >= selectionSeeds || g.SelectionSeeds >= selectionSeeds {
		return fmt.Errorf("study: %d and %d seeds, want fewer than %d", g.Seeds, g.SelectionSeeds, selectionSeeds)
	}
	for i, e := range s.entries {
		if e.Method.Perturbs() && len(g.Rhos) == 0 {
			return fmt.Errorf("study: %v perturbs, want at least one rho", e)
		}
		for _, other := range s.entries[:i] {
			if other.Method.Name == e.Method.Name && other.Shards == e.Shards {
				return fmt.Errorf("study: %v is there twice", e)
			}
		}
	}
	for _, rho := range g.Rhos {
		if !(rho > 0) || math.IsInf(rho, 1) {
			return fmt.Errorf("study: rho %v, want a positive number", rho)
		}
	}
	for _, noise := range g.Noise {
		if !(noise >= 0 && noise <= 1) {
			return fmt.Errorf("study: %v of the labels drawn anew, want 0 to 1", noise)
		}
	}
	if len(g.LRs) > 1 && !g.TuneLR && !slices.Contains(g.Methods, sgd) {
		return errors.New("study: there are learning rates to choose from, and SGD, by which they are chosen for all, is not among the methods")
	}
	return nil
}

// The methods that others are compared to.
const (
	sgd     = "sgd"
	samName = "sam"
)

// rhos are those to try an entry with.
func (s *Study) rhos(e Entry) []float64 {
	if e.Method.Perturbs() {
		return s.Grid.Rhos
	}
	return []float64{0}
}

// selects reports whether there is anything to choose. If there is, all methods
// have their validation runs, for comparison.
func (s *Study) selects() bool {
	return len(s.Grid.LRs) > 1 || slices.ContainsFunc(s.entries, func(e Entry) bool { return len(s.rhos(e)) > 1 })
}
