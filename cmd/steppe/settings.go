package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam"
)

// addSettingsFlags adds a flag for each setting of a run, with the value in s for its default.
// After parsing, Settings.Complete fills in the settings whose defaults depend on others.
func addSettingsFlags(flags *pflag.FlagSet, s *runs.Settings) {
	flags.StringVar(&s.Method, "method", s.Method, "`name` of the method")
	flags.Float64Var(&s.Rho, "rho", 0, "radius (default at most "+
		presets(sam.Method.Perturbs, func(m sam.Method) any { return m.Preset.Rho })+")")
	flags.IntVar(&s.Shards, "shards", 0, "shards per batch (default "+
		presets(sam.Method.Sharded, func(m sam.Method) any { return m.Preset.Shards })+"; at most --batch)")
	flags.StringVar(&s.RhoSchedule, "rho-schedule", s.RhoSchedule, "`name` of the rho schedule")
	flags.Float64Var(&s.Eta, "eta", 0, "added to the magnitudes of weights by asam and masam (default 0.01)")
	flags.StringVar(&s.Ascent, "ascent", s.Ascent, "`precision` of the ascent: f32, or bf16 for CPUs with AVX512_BF16 (default f32)")
	flags.Float64Var(&s.AscentFraction, "ascent-fraction", 0, "fraction of each shard to ascend on (default 1; sam-quarter 0.25)")
	flags.IntVar(&s.AscentEvery, "ascent-every", 0, "perturb only every `n`-th step (default 1; 5 for sam-5, looksam, mlooksam)")
	addOptionFlags(flags, s)

	flags.StringVar(&s.Model, "model", s.Model, "`name` of the model")
	flags.Float64Var(&s.Dropout, "dropout", 0, "`rate` of dropout in the blocks of transformers")
	flags.StringVar(&s.Init, "init", s.Init, "begin with the parameters of a run's `DIR`, a model or BERT's file")
	flags.IntVar(&s.Batch, "batch", s.Batch, "samples per batch")
	flags.IntVar(&s.Epochs, "epochs", s.Epochs, "passes over the training set")
	flags.Var((*seed)(&s.Seed), "seed", "seed of weights, order and validation split")

	addSourceFlags(flags, &s.Source)
	flags.Float64Var(&s.Valid, "valid", s.Valid, "fraction of the training samples to validate on")
	flags.BoolVar(&s.Standardize, "standardize", false, "normalize each channel by the training set's mean and deviation")
	flags.StringSliceVar(&s.Augment, "augment", nil, "`names` of augmentations of training images, in this order")
	flags.Float64Var(&s.LabelNoise, "label-noise", 0, "fraction of the training samples to relabel at random")

	flags.StringVar(&s.Optimizer, "optimizer", s.Optimizer, "`name` of the base optimizer; transformers have adamw")
	flags.Float64Var(&s.LR, "lr", 0, "learning rate (default the optimizer's, or transformers')")
	flags.StringVar(&s.Schedule, "schedule", s.Schedule, "`name` of the learning-rate schedule")
	flags.Float64Var(&s.Warmup, "warmup", 0, "`epochs` of linear warm-up before (transformers: a tenth)")
	flags.Float64Var(&s.Momentum, "momentum", s.Momentum, "sgd: momentum")
	flags.Float64Var(&s.Beta1, "beta1", s.Beta1, "adamw: decay rate of the mean gradient")
	flags.Float64Var(&s.Beta2, "beta2", s.Beta2, "adamw: decay rate of the mean squared gradient")
	flags.Float64Var(&s.Epsilon, "epsilon", s.Epsilon, "adamw: added to the root of the mean square")
	flags.Float64Var(&s.WeightDecay, "weight-decay", 0, "weight decay, not in the ascent (default the optimizer's)")
	flags.Float64Var(&s.Clip, "clip", 0, "clip the gradient to this `norm`; 0 for no limit")

	flags.StringVar(&s.Ranks, "ranks", s.Ranks, "sums of ranks: `exact` has the bits of any number of them, fast hasn't")
	flags.IntVar(&s.Units, "units", 0, "with --ranks: most pieces of a batch, and so the most ranks (default 16)")

	flags.StringVar(&s.Monitor, "monitor", s.Monitor, "`metric` that finds the best epoch")
	flags.IntVar(&s.Patience, "patience", 0, "stop after so many `epochs` without a better one")
	flags.IntVar(&s.SaveEvery, "save-every", 0, "save every so many `steps`, too, not only each epoch")
	flags.IntVar(&s.LogEvery, "log-every", 0, "log every so many `steps`, too")
}

// addOptionFlags adds a flag for each option that only some methods have.
func addOptionFlags(flags *pflag.FlagSet, s *runs.Settings) {
	for _, o := range runs.Options {
		flags.Var(&option{s, o.Flag}, o.Flag, o.About+" ("+presets(
			func(m sam.Method) bool { return o.Default(m) != 0 }, func(m sam.Method) any { return o.Default(m) })+" for "+strings.Join(o.Methods(), ", ")+")")
	}
}

// option is the value of a method's option.
type option struct {
	settings *runs.Settings
	flag     string
}

func (o *option) String() string {
	if o.settings == nil {
		return ""
	}
	if x, ok := o.settings.Options[o.flag]; ok {
		return fmt.Sprint(x)
	}
	return ""
}

func (o *option) Set(text string) error {
	x, err := strconv.ParseFloat(text, 64)
	if err != nil {
		return errors.New("want a number")
	}
	if o.settings.Options == nil {
		o.settings.Options = map[string]float64{}
	}
	o.settings.Options[o.flag] = x
	return nil
}

func (o *option) Type() string {
	if o.flag == "ascent-steps" {
		return "int"
	}
	return "float"
}

// addSourceFlags adds the flags that say where data is and how to read it.
func addSourceFlags(flags *pflag.FlagSet, s *runs.Source) {
	flags.StringVar(&s.Data, "data", s.Data, "`name`, file or folder of the data")
	flags.StringVar(&s.Label, "label", s.Label, "`column` of a table to predict")
	flags.StringVar(&s.Text, "text", s.Text, "`column` of a table that has the text")
	flags.StringVar(&s.Text2, "text2", s.Text2, "`column` with a second text")
	flags.StringVar(&s.Tokenizer, "tokenizer", s.Tokenizer, "tokenizer.json or vocab.txt `FILE`, or a run's (default a new one)")
	flags.StringVar(&s.TokenizerKind, "tokenizer-kind", s.TokenizerKind, "`kind` to train: auto, bpe, wordpiece or bytes")
	flags.IntVar(&s.Vocabulary, "vocabulary", s.Vocabulary, "most tokens of a trained tokenizer (default up to 8000)")
	flags.IntVar(&s.Length, "length", s.Length, "most `tokens` of a sample (default the data's usual)")
	flags.BoolVar(&s.Language, "language", s.Language, "samples for a language model (default as --model is)")
	flags.StringVar(&s.Task, "task", s.Task, "`what` to do with a table: auto, classify or regress")
	flags.IntVar(&s.ImageSize, "image-size", s.ImageSize, "side of pictures in `pixels` (default their own)")
	flags.StringVar(&s.Color, "color", s.Color, "`color` of pictures: auto, gray or color")
	flags.Float64Var(&s.Test, "test", s.Test, "`fraction` of pictures or rows to test on (default 0.2)")
	flags.StringVar(&s.Stream, "stream", s.Stream, "`when` to read samples as needed: auto, always, never")
}

// aboutSettings lists what the flags of a run can name, for a help text.
func aboutSettings() string {
	return sections(aboutMethods(), aboutModels(), aboutData(), aboutOptimizers(), aboutRecipe(),
		aboutSchedules("Schedules of rho", runs.RhoSchedules))
}

// describeMethod describes the method with its perturbation, the options that aren't its preset's,
// and the base optimizer if it isn't SGD. ascent is the plan's, in words, which has the ascent's
// options; "" for none.
func describeMethod(s *runs.Settings, ascent string) string {
	optimizer := titleOfOptimizer(s.Optimizer)
	method, err := sam.Lookup(s.Method)
	if err != nil || method.Plain() {
		return optimizer
	}
	words := method.With(s.Shards)
	if method.Perturbs() {
		words += fmt.Sprintf(", rho %v", s.Rho)
	}
	if s.RhoSchedule != "constant" {
		words += " " + s.RhoSchedule
	}
	if ascent != "" {
		words += ", " + ascent
	}
	for _, o := range runs.Options {
		x, given := s.Options[o.Flag]
		if given && x != o.Default(method) && !(ascent != "" && strings.HasPrefix(o.Flag, "ascent-")) {
			words += fmt.Sprintf(", %s %v", o.Flag, x)
		}
	}
	if s.Optimizer != "sgd" {
		words += ", " + optimizer
	}
	return words
}

func titleOfOptimizer(name string) string {
	for _, o := range runs.Optimizers {
		if o.Name == name {
			return o.Title
		}
	}
	return name
}

// describeOptimizer lists the settings of the base optimizer in a few words.
func describeOptimizer(s *runs.Settings) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lr %v", s.LR)
	if s.Schedule != "constant" {
		b.WriteString(" " + s.Schedule)
	}
	if s.Warmup != 0 {
		fmt.Fprintf(&b, " after %v epochs of warm-up", s.Warmup)
	}
	ordinary := s.Beta1 == 0.9 && s.Beta2 == 0.999 && s.Epsilon == 1e-8
	switch {
	case s.Optimizer == "sgd":
		fmt.Fprintf(&b, ", momentum %v", s.Momentum)
	case !ordinary:
		fmt.Fprintf(&b, ", betas %v and %v, epsilon %v", s.Beta1, s.Beta2, s.Epsilon)
	}
	fmt.Fprintf(&b, ", decay %v", s.WeightDecay)
	if s.Clip != 0 {
		fmt.Fprintf(&b, ", clipped to %v", s.Clip)
	}
	return b.String()
}

// describeChanges describes what is done to the training samples; "" for nothing.
func describeChanges(s *runs.Settings) string {
	var words []string
	add := func(what string) {
		if what != "" {
			words = append(words, what)
		}
	}
	add((&recipe{augment: s.Augment, standardize: s.Standardize}).String())
	if s.Dropout > 0 {
		add(fmt.Sprintf("dropout %v", s.Dropout))
	}
	if s.LabelNoise > 0 {
		add(relabeled(s.LabelNoise))
	}
	return strings.Join(words, "; ")
}
