package runs

import (
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/dustin/go-humanize/english"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/sam"
)

// Option is a setting that some methods have beside rho, shards and those with fields of their own
// in Settings: a row of the table Options.
type Option struct {
	Flag  string // and the key in Settings.Options
	Field string // of sam.Config, in its errors
	About string
	Range Range // of its value

	get func(c *sam.Config) float64
	set func(c *sam.Config, x float64)
}

// Range is the numbers that a setting may be.
type Range struct {
	Fits func(x float64) bool
	Want string // in words, for "want ..."
}

var (
	positive = Range{func(x float64) bool { return num.Positive(x) }, "a positive number"}
	below1   = Range{func(x float64) bool { return num.Positive(x) && float32(x) < 1 }, "more than 0 and less than 1"}
	upTo1    = Range{func(x float64) bool { return num.Positive(x) && x <= 1 }, "more than 0 and at most 1"}
)

// Options lists the options of methods.
var Options = []Option{
	{
		"ascent-steps", "Ascent.Steps", "steps of ascent that make a perturbation", Range{func(x float64) bool { return x == math.Trunc(x) && x >= 1 && x <= 1000 }, "a whole number from 1 to 1000"},
		func(c *sam.Config) float64 { return float64(c.Ascent.Steps) },
		func(c *sam.Config, x float64) { c.Ascent.Steps = int(x) },
	},
	{
		"ascent-sigma", "Ascent.Sigma", "how much of the gradients' moving average is taken off", positive,
		func(c *sam.Config) float64 { return c.Ascent.Sigma },
		func(c *sam.Config, x float64) { c.Ascent.Sigma = x },
	},
	{
		"ascent-lambda", "Ascent.Lambda", "how much of itself the moving average keeps", below1,
		func(c *sam.Config) float64 { return c.Ascent.Lambda },
		func(c *sam.Config, x float64) { c.Ascent.Lambda = x },
	},
	{
		"ascent-tensors", "Ascent.Tensors", "probability that a tensor is perturbed; 1 is SAM", upTo1,
		func(c *sam.Config) float64 { return c.Ascent.Tensors },
		func(c *sam.Config, x float64) { c.Ascent.Tensors = x },
	},
	{
		"descent-samples", "Descent.Samples", "part of the samples to descend on; 1 is SAM", upTo1,
		func(c *sam.Config) float64 { return c.Descent.Samples },
		func(c *sam.Config, x float64) { c.Descent.Samples = x },
	},
	{
		"descent-orthogonal", "Descent.Orthogonal", "how much of the clean gradient's orthogonal part is subtracted", positive,
		func(c *sam.Config) float64 { return c.Descent.Orthogonal },
		func(c *sam.Config, x float64) { c.Descent.Orthogonal = x },
	},
	{
		"descent-weight", "Descent.Weight", "weight of sharpness, below 1; 0.5 is SAM", below1,
		func(c *sam.Config) float64 { return c.Descent.Weight },
		func(c *sam.Config, x float64) { c.Descent.Weight = x },
	},
	{
		"descent-look", "Descent.Look", "length of the kept part that steps between add, in gradients'", positive,
		func(c *sam.Config) float64 { return c.Descent.Look },
		func(c *sam.Config, x float64) { c.Descent.Look = x },
	},
	{
		"teacher-weight", "Teacher.Weight", "weight of the divergence from the teacher", positive,
		func(c *sam.Config) float64 { return c.Teacher.Weight },
		func(c *sam.Config, x float64) { c.Teacher.Weight = x },
	},
	{
		"teacher-noise", "Teacher.Noise", "standard deviation of the noise on the teacher's weights", positive,
		func(c *sam.Config) float64 { return c.Teacher.Noise },
		func(c *sam.Config, x float64) { c.Teacher.Noise = x },
	},
}

// Default returns the option's value in a method's preset; 0 if the method doesn't have it.
func (o Option) Default(m sam.Method) float64 { return o.get(&m.Preset) }

// Methods returns the methods that have the option.
func (o Option) Methods() (names []string) {
	for _, m := range sam.Methods {
		if o.Default(m) != 0 {
			names = append(names, m.Name)
		}
	}
	return names
}

// LookupOption returns the option of a flag.
func LookupOption(flag string) (Option, bool) {
	i := slices.IndexFunc(Options, func(o Option) bool { return o.Flag == flag })
	if i < 0 {
		return Option{}, false
	}
	return Options[i], true
}

// validateOptions returns an error unless the method has all options that are set.
func (s *Settings) validateOptions(m sam.Method) error {
	for _, flag := range slices.Sorted(maps.Keys(s.Options)) {
		x := s.Options[flag]
		o, ok := LookupOption(flag)
		switch {
		case !ok:
			return fmt.Errorf("unknown option %q of a method", flag)
		case o.Default(m) == 0:
			return fmt.Errorf("--%s %v with --method %s, which doesn't use it; %s", flag, x, m.Name, do(o.Methods()))
		case !o.Range.Fits(x):
			return fmt.Errorf("--%s is %v, want %s", flag, x, o.Range.Want)
		}
	}
	if m.Preset.Descent.Look > 0 && s.AscentEvery < 2 {
		return fmt.Errorf("--ascent-every is %d, want at least 2 with %s", s.AscentEvery, m.Name)
	}
	return nil
}

// setOptions sets in c those that are given.
func (s *Settings) setOptions(c *sam.Config) {
	for flag, x := range s.Options {
		if o, ok := LookupOption(flag); ok {
			o.set(c, x)
		}
	}
}

// do lists methods that do something.
func do(methods []string) string {
	if len(methods) == 1 {
		return methods[0] + " does"
	}
	return english.WordSeries(methods, "and") + " do"
}
