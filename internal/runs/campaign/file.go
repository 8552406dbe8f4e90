// Package campaign reads study files: several studies at once, each of a model on data, for
// `steppe study`. It finds everything that is wrong in a file before anything runs.
package campaign

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/study"
)

// File is a study file.
type File struct {
	Path  string // or the name of a preset with ".yaml", for messages
	Name  string // of the folder for its results, unless another is given
	Title string // one line
	About string // paragraphs
	Parts []*Part
}

// Part is one study of a file: a model on data.
type Part struct {
	Name  string
	Title string

	Source      runs.Source
	Samples     int // training samples to use; 0 for all
	TestSamples int // test samples to use; 0 for all
	Standardize bool
	Augment     []string
	Noise       []float64

	Model     string
	Epochs    int
	Batch     int
	Base      runs.Settings // Optimizer, Momentum and WeightDecay
	optimizer runs.Optimizer
	Schedule  string
	Warmup    float64 // epochs

	Methods []study.Variant
	Shards  []int
	Rhos    []float64
	LRs     []float64
	TuneLR  string // "sgd" or "all"
	Extend  int

	Validation     float64
	Seeds          int
	SelectionSeeds int

	EqualTime bool
	Flatness  *study.FlatnessConfig // nil for none; its Samples may be more than there are

	line        int // where the part begins
	lines       map[string]int
	methodLines []int
}

// newPart returns a part with the defaults of every file.
func newPart() *Part {
	base := runs.Defaults()
	return &Part{
		Source: base.Source, Base: base, Noise: []float64{0}, Epochs: 20, Batch: 64, Schedule: base.Schedule,
		Rhos: []float64{0.01, 0.02, 0.05, 0.1, 0.2}, Shards: []int{4, 8, 16, 32}, TuneLR: "sgd", Extend: 2,
		Validation: 0.2, Seeds: 5, SelectionSeeds: 2, EqualTime: true,
		Flatness: &study.FlatnessConfig{Samples: 500, Rho: 0.05, Labels: study.TrainedLabels},
		lines:    map[string]int{},
	}
}

// inherit returns a copy of p to read a part into.
func (p *Part) inherit() *Part {
	c := *p
	c.lines = map[string]int{}
	for key, line := range p.lines {
		c.lines[key] = line
	}
	if p.Flatness != nil {
		f := *p.Flatness
		c.Flatness = &f
	}
	return &c
}

// at returns the line that gave a key, or that where the part begins.
func (p *Part) at(key string) int {
	if line, ok := p.lines[key]; ok {
		return line
	}
	return p.line
}

func (p *Part) given(key string) bool { _, ok := p.lines[key]; return ok }

// Parse reads a study file. The error is a *Problems. path is what messages call the file.
func Parse(path string, text []byte) (*File, error) {
	r := &reader{problems: &Problems{File: path}}
	f := &File{Path: path}
	var document yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		r.problems.add(0, "is empty, want a study with parts (steppe study --print digits shows one)")
		return nil, r.problems
	case err != nil:
		line, message := yamlError(err)
		r.problems.add(line, "%s", message)
		return nil, r.problems
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		r.problems.add(0, "has several documents, want one study")
	}
	r.file(f, document.Content[0])
	f.check(r.problems)
	if err := r.problems.orNil(); err != nil {
		return nil, err
	}
	return f, nil
}

// yamlError takes the line out of an error of the YAML package.
func yamlError(err error) (line int, message string) {
	message = strings.TrimPrefix(err.Error(), "yaml: ")
	if _, err := fmt.Sscanf(message, "line %d:", &line); err == nil {
		_, message, _ = strings.Cut(message, ": ")
	}
	if line > 0 {
		return line, fmt.Sprintf("not YAML in or after line %d: %s", line, message) // often the line before the culprit
	}
	return line, "not YAML: " + message
}

// names are those of folders.
var names = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

// file reads the top of a file.
func (r *reader) file(f *File, top *yaml.Node) {
	defaults := newPart()
	var parts *yaml.Node
	r.mapping(top, "the file", []string{"name", "title", "about", "defaults", "parts"}, func(key string, value *yaml.Node) {
		switch key {
		case "name":
			f.Name = r.text(key, value)
			if f.Name != "" && !names.MatchString(f.Name) {
				r.bad(value, "name is %q, want letters, digits, dots, dashes and underscores", f.Name)
			}
		case "title":
			f.Title = r.text(key, value)
		case "about":
			f.About = strings.TrimSpace(r.text(key, value))
		case "defaults":
			r.part(defaults, value, "defaults")
		case "parts":
			parts = value
		}
	})
	switch parts = deref(parts); {
	case parts == nil:
		r.bad(top, "there are no parts, want a list of them, each with data and model")
	case parts.Kind != yaml.SequenceNode || len(parts.Content) == 0:
		r.bad(parts, "parts is %s, want a list of parts, each with data and model", kindOf(parts))
	default:
		for _, node := range parts.Content {
			p := defaults.inherit()
			p.line = node.Line
			r.part(p, node, "a part")
			f.Parts = append(f.Parts, p)
		}
	}
	if f.Name == "" {
		f.Name = strings.TrimSuffix(strings.TrimSuffix(base(f.Path), ".yaml"), ".yml")
	}
	if f.Title == "" {
		f.Title = f.Name
	}
}

// base returns the last part of a path, with slashes of either kind.
func base(path string) string { return path[strings.LastIndexAny(path, `/\`)+1:] }

// distinctNames gives each part that has no name one of its model and its data, and finds doubles.
func (f *File) distinctNames(problems *Problems) {
	lines := map[string]int{}
	for _, p := range f.Parts {
		if p.Name == "" {
			p.Name = strings.Trim(regexp.MustCompile(`[^A-Za-z0-9._-]+`).ReplaceAllString(base(p.Source.Data)+"-"+p.Model, "-"), "-.")
		}
		if first, ok := lines[strings.ToLower(p.Name)]; ok {
			problems.add(p.line, "this part is called %s, as that of line %d: give it another name", p.Name, first)
		}
		lines[strings.ToLower(p.Name)] = p.line
	}
}

// check finds what is wrong with a file whose values are of the right kinds.
func (f *File) check(problems *Problems) {
	f.distinctNames(problems)
	for _, p := range f.Parts {
		p.check(problems)
	}
	// What is wrong in the defaults is wrong in each part: say it once.
	var list []Problem
	for _, problem := range problems.List {
		if !slices.Contains(list, problem) {
			list = append(list, problem)
		}
	}
	problems.List = list
}
