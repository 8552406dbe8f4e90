package campaign

import (
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/zoo"
)

// key is a key of a part.
type key struct {
	name, about string
	read        func(r *reader, p *Part, n *yaml.Node)
}

// Keys lists the keys of a part with what they mean, for a help text.
func Keys() (list [][2]string) {
	for _, k := range keys {
		list = append(list, [2]string{k.name, k.about})
	}
	return list
}

// keys are those of a part and of defaults. Their values are those of the flags of compare.
var keys []key

func init() { // methods refers to itself by its messages
	keys = []key{
		{"name", "of the part's folder (default data and model)", func(r *reader, p *Part, n *yaml.Node) {
			if p.Name = r.text("name", n); p.Name != "" && !names.MatchString(p.Name) {
				r.bad(n, "name is %q, want letters, digits, dots, dashes and underscores", p.Name)
			}
		}},
		{"title", "one line about the part", func(r *reader, p *Part, n *yaml.Node) { p.Title = r.text("title", n) }},
		{"data", "name, file or folder of the data", text(func(p *Part) *string { return &p.Source.Data })},
		{"samples", "training samples to use (default all)", whole(func(p *Part) *int { return &p.Samples }, 1)},
		{"test-samples", "test samples to use (default all)", whole(func(p *Part) *int { return &p.TestSamples }, 1)},
		{"label", "column of a table to predict", text(func(p *Part) *string { return &p.Source.Label })},
		{"text", "column of a table that has the text", text(func(p *Part) *string { return &p.Source.Text })},
		{"text2", "column with a second text", text(func(p *Part) *string { return &p.Source.Text2 })},
		{"length", "most tokens of a text", whole(func(p *Part) *int { return &p.Source.Length }, 2)},
		{"vocabulary", "most tokens of a tokenizer that is trained", whole(func(p *Part) *int { return &p.Source.Vocabulary }, 1)},
		{"tokenizer", "file of a tokenizer, or a run's folder", text(func(p *Part) *string { return &p.Source.Tokenizer })},
		{"tokenizer-kind", "kind of tokenizer to train", text(func(p *Part) *string { return &p.Source.TokenizerKind })},
		{"image-size", "side of pictures in pixels", whole(func(p *Part) *int { return &p.Source.ImageSize }, 1)},
		{"color", "of pictures: auto, gray or color", text(func(p *Part) *string { return &p.Source.Color })},
		{"standardize", "normalize by the training set's mean and deviation", func(r *reader, p *Part, n *yaml.Node) { p.Standardize = r.truth("standardize", n) }},
		{"augment", "names of augmentations of pictures", func(r *reader, p *Part, n *yaml.Node) {
			p.Augment = list(r, "augment", n, true, func(key string, n *yaml.Node) string {
				return r.oneOf(key, n, namesOf(runs.Augmentations, func(a runs.Augmentation) string { return a.Name }))
			})
		}},
		{"noise", "fractions of the training samples to relabel", func(r *reader, p *Part, n *yaml.Node) {
			p.Noise = list(r, "noise", n, false, func(key string, n *yaml.Node) float64 {
				return r.number(key, n, func(x float64) bool { return x >= 0 && x <= 1 }, "fractions from 0 to 1")
			})
		}},
		{"model", "name of the model", func(r *reader, p *Part, n *yaml.Node) {
			p.Model = r.oneOf("model", n, zoo.Names(func(zoo.Model) bool { return true }))
		}},
		{"epochs", "passes over the training set", whole(func(p *Part) *int { return &p.Epochs }, 1)},
		{"batch", "samples per batch", whole(func(p *Part) *int { return &p.Batch }, 1)},
		{"optimizer", "sgd or adamw (default the model's usual)", func(r *reader, p *Part, n *yaml.Node) {
			p.Base.Optimizer = r.oneOf("optimizer", n, namesOf(runs.Optimizers, func(o runs.Optimizer) string { return o.Name }))
		}},
		{"momentum", "of sgd", number(func(p *Part) *float64 { return &p.Base.Momentum }, func(x float64) bool { return x >= 0 && float32(x) < 1 }, "0 or more, and less than 1")},
		{"weight-decay", "not in the ascent (default the optimizer's)", number(func(p *Part) *float64 { return &p.Base.WeightDecay }, notNegative, "0 or a positive number")},
		{"schedule", "of the learning rate", func(r *reader, p *Part, n *yaml.Node) {
			p.Schedule = r.oneOf("schedule", n, namesOf(runs.LRSchedules, func(s runs.Schedule) string { return s.Name }))
		}},
		{"warmup", "epochs of linear warm-up (transformers: a tenth)", number(func(p *Part) *float64 { return &p.Warmup }, notNegative, "0 or a positive number")},
		{"methods", "names, or mappings with a method and settings", func(r *reader, p *Part, n *yaml.Node) { r.methods(p, n) }},
		{"shards", "shards per batch to try with sharded methods", func(r *reader, p *Part, n *yaml.Node) { p.Shards = r.shards(n) }},
		{"rhos", "values of rho to choose from", func(r *reader, p *Part, n *yaml.Node) { p.Rhos = r.positives("rhos", n) }},
		{"lrs", "learning rates to choose from", func(r *reader, p *Part, n *yaml.Node) { p.LRs = r.positives("lrs", n) }},
		{"tune-lr", "methods that choose a learning rate: sgd or all", func(r *reader, p *Part, n *yaml.Node) { p.TuneLR = r.oneOf("tune-lr", n, []string{"sgd", "all"}) }},
		{"extend", "how often rhos are extended each way (default 2)", whole(func(p *Part) *int { return &p.Extend }, 0)},
		{"validation", "fraction of the training set to choose by", number(func(p *Part) *float64 { return &p.Validation }, func(x float64) bool { return x > 0 && x < 1 }, "more than 0 and less than 1")},
		{"seeds", "number of seeds of the final runs", whole(func(p *Part) *int { return &p.Seeds }, 1)},
		{"selection-seeds", "number of seeds of the runs that choose", whole(func(p *Part) *int { return &p.SelectionSeeds }, 1)},
		{"equal-time", "compare at equal time, too (default true)", func(r *reader, p *Part, n *yaml.Node) { p.EqualTime = r.truth("equal-time", n) }},
		{"flatness", "samples, rho and labels to measure it with, or false", func(r *reader, p *Part, n *yaml.Node) { r.flatness(p, n) }},
	}
}

func text(of func(p *Part) *string) func(*reader, *Part, *yaml.Node) {
	return func(r *reader, p *Part, n *yaml.Node) { *of(p) = r.text(r.key, n) }
}

func whole(of func(p *Part) *int, least int) func(*reader, *Part, *yaml.Node) {
	return func(r *reader, p *Part, n *yaml.Node) { *of(p) = r.whole(r.key, n, least) }
}

func number(of func(p *Part) *float64, fits func(float64) bool, want string) func(*reader, *Part, *yaml.Node) {
	return func(r *reader, p *Part, n *yaml.Node) { *of(p) = r.number(r.key, n, fits, want) }
}

func namesOf[T any](rows []T, name func(T) string) (list []string) {
	for _, row := range rows {
		list = append(list, name(row))
	}
	return list
}

// part reads a part, or the defaults.
func (r *reader) part(p *Part, n *yaml.Node, what string) {
	r.mapping(n, what, namesOf(keys, func(k key) string { return k.name }), func(name string, value *yaml.Node) {
		if what == "defaults" && name == "name" {
			r.bad(value, "defaults have no name: parts have")
			return
		}
		for _, k := range keys {
			if k.name == name {
				r.key = name
				k.read(r, p, value)
				p.lines[name] = value.Line
			}
		}
	})
}

// positives reads a list of positive numbers.
func (r *reader) positives(key string, n *yaml.Node) []float64 {
	return list(r, key, n, false, func(key string, n *yaml.Node) float64 {
		return r.number(key, n, positive, "positive numbers")
	})
}

// shards reads a list of numbers of shards.
func (r *reader) shards(n *yaml.Node) []int {
	return list(r, "shards", n, false, func(key string, n *yaml.Node) int { return r.whole(key, n, 1) })
}

// join joins names for a message.
func join(names []string) string { return strings.Join(names, ", ") }
