package campaign

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
)

// subsetSeed chooses the samples of a part of the data. It is compare's.
const subsetSeed = 1

// Study is a part with its data read and its model compiled.
type Study struct {
	Part *Part
	*study.Study
	AllSamples int   // of the training set before Part.Samples
	LeftOut    []int // numbers of shards that nobody gave, and that the batch can't have
}

// Open reads the data of all parts and makes their studies. The error is a *Problems, with what
// shows only now. Parts with the same data share it.
func (f *File) Open() ([]*Study, error) {
	problems := &Problems{File: f.Path}
	type sets struct{ train, test *dataset.Set }
	read := map[runs.Source]sets{}
	var studies []*Study
	for _, p := range f.Parts {
		data, ok := read[p.Source]
		if !ok {
			var err error
			if data.train, data.test, err = p.Source.Open(); err != nil {
				problems.add(p.at("data"), "%s", inFileWords(err))
				continue
			}
			read[p.Source] = data
		}
		if s := p.open(data.train, data.test, problems); s != nil {
			studies = append(studies, s)
		}
	}
	if err := problems.orNil(); err != nil {
		return nil, err
	}
	return studies, nil
}

// open makes the study of a part; nil if there is a problem.
func (p *Part) open(train, test *dataset.Set, problems *Problems) *Study {
	before := len(problems.List)
	bad := func(key, format string, args ...any) *Study {
		problems.add(p.at(key), format, args...)
		return nil
	}
	s := &Study{Part: p, AllSamples: train.Len()}
	name := strings.TrimSuffix(train.Name, "/train")
	if train.Labels == nil || test == nil {
		return bad("data", "data %s has no classes, and a study compares accuracies of classifiers", p.Source.Data)
	}
	for _, part := range []struct {
		set  **dataset.Set
		key  string
		n    int
		kind string
	}{{&train, "samples", p.Samples, "training"}, {&test, "test-samples", p.TestSamples, "test"}} {
		all := (*part.set).Len()
		switch {
		case part.n > all:
			bad(part.key, "%s is %d, more than the %d %s samples of %s", part.key, part.n, all, part.kind, name)
		case part.n > 0 && part.n < all:
			chosen, err := (*part.set).Subset(part.n, subsetSeed)
			if err != nil {
				bad(part.key, "%v", err)
				continue
			}
			*part.set = chosen
		}
	}
	row, err := zoo.Lookup(p.Model)
	if err == nil {
		err = runs.CheckModel(row, p.Source.Data, train)
	}
	if err != nil {
		return bad("model", "%s", inFileWords(err))
	}
	model, err := runs.CompileFor(row, train)
	if err != nil {
		return bad("model", "%s", inFileWords(err))
	}
	if len(problems.List) > before {
		return nil
	}
	if !p.given("shards") {
		most := max(1, p.Batch/max(1, model.MinShard()))
		s.LeftOut = slices.DeleteFunc(slices.Clone(p.Shards), func(n int) bool { return n <= most })
		p.Shards = fitting(p.Shards, most)
	}
	setup := Setup{
		ModelName: p.Model, Model: model, Data: name, Train: train, Test: test, Validation: p.Validation,
		Epochs: p.Epochs, Batch: p.Batch, Schedule: p.Schedule, Warmup: p.Warmup, Augment: p.Augment, Standardize: p.Standardize,
		Optimizer: p.optimizer, Base: p.Base, Grid: p.grid(),
	}
	if s.Study, err = setup.Study(); err != nil {
		return bad("data", "%s", inFileWords(err))
	}
	s.Full = true
	if p.Flatness != nil {
		f := *p.Flatness
		if !p.given("flatness.samples") {
			f.Samples = min(f.Samples, train.Len())
		}
		s.Flatness = &f
	}
	if err := s.Validate(); err != nil {
		for _, err := range separate(err) {
			problems.add(p.lineOf(err), "%s", inFileWords(err))
		}
		return nil
	}
	return s
}

// separate returns the errors that one joins.
func separate(err error) []error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return joined.Unwrap()
	}
	return []error{err}
}

// lineOf returns the line of what an error of study.Study.Validate is about.
func (p *Part) lineOf(err error) int {
	if entry := new(study.EntryError); errors.As(err, &entry) {
		return p.methodLines[entry.Entry.Index]
	}
	if field := new(optim.FieldError); errors.As(err, &field) {
		switch field.Field {
		case "Recipe.Batch":
			return p.at("batch")
		case "Flatness.Samples":
			return p.at("flatness.samples")
		}
	}
	return p.line
}

// grid returns the part's grid.
func (p *Part) grid() study.Grid {
	g := study.Grid{
		Shards: p.Shards, Rhos: p.Rhos, LRs: p.LRs, TuneLR: p.TuneLR == "all", Noise: p.Noise,
		Seeds: p.Seeds, SelectionSeeds: p.SelectionSeeds, Extend: p.Extend, EqualTime: p.EqualTime,
	}
	for _, v := range p.Methods {
		g.Methods, g.Variants = append(g.Methods, v.Method), append(g.Variants, v)
	}
	return g
}

// Heading returns what a part is about: its title, or the model and the data.
func (s *Study) Heading() string {
	if s.Part.Title != "" {
		return s.Part.Title
	}
	of := ""
	if s.Train.Len() < s.AllSamples {
		of = fmt.Sprintf(", %d of %d training samples", s.Train.Len(), s.AllSamples)
	}
	return fmt.Sprintf("%s on %s%s", s.Recipe.Model, s.Recipe.Data, of)
}
