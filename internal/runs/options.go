package runs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/sam"
)

// Option is a setting that some methods have beside rho, shards and those with fields of their own
// in Settings: a row of the table Options.
type Option struct {
	Flag  string // and the key in Settings.Options
	Field string // of sam.Config, in its errors
	About string

	get func(c *sam.Config) float64
	set func(c *sam.Config, x float64)
}

// Options lists the options of methods.
var Options = []Option{
	{
		"ascent-steps", "Ascent.Steps", "steps of ascent that make a perturbation",
		func(c *sam.Config) float64 { return float64(c.Ascent.Steps) },
		func(c *sam.Config, x float64) { c.Ascent.Steps = int(x) },
	},
	{
		"ascent-sigma", "Ascent.Sigma", "how much of the gradients' moving average is taken off",
		func(c *sam.Config) float64 { return c.Ascent.Sigma },
		func(c *sam.Config, x float64) { c.Ascent.Sigma = x },
	},
	{
		"ascent-lambda", "Ascent.Lambda", "how much of itself the moving average keeps",
		func(c *sam.Config) float64 { return c.Ascent.Lambda },
		func(c *sam.Config, x float64) { c.Ascent.Lambda = x },
	},
	{
		"ascent-tensors", "Ascent.Tensors", "probability that a tensor is perturbed; 1 is SAM",
		func(c *sam.Config) float64 { return c.Ascent.Tensors },
		func(c *sam.Config, x float64) { c.Ascent.Tensors = x },
	},
	{
		"descent-samples", "Descent.Samples", "part of the samples to descend on; 1 is SAM",
		func(c *sam.Config) float64 { return c.Descent.Samples },
		func(c *sam.Config, x float64) { c.Descent.Samples = x },
	},
	{
		"descent-orthogonal", "Descent.Orthogonal", "how much of the clean gradient's orthogonal part is subtracted",
		func(c *sam.Config) float64 { return c.Descent.Orthogonal },
		func(c *sam.Config, x float64) { c.Descent.Orthogonal = x },
	},
	{
		"descent-weight", "Descent.Weight", "weight of sharpness, below 1; 0.5 is SAM",
		func(c *sam.Config) float64 { return c.Descent.Weight },
		func(c *sam.Config, x float64) { c.Descent.Weight = x },
	},
	{
		"descent-look", "Descent.Look", "length of the kept part that steps between add, in gradients'",
		func(c *sam.Config) float64 { return c.Descent.Look },
		func(c *sam.Config, x float64) { c.Descent.Look = x },
	},
	{
		"teacher-weight", "Teacher.Weight", "weight of the divergence from the teacher",
		func(c *sam.Config) float64 { return c.Teacher.Weight },
		func(c *sam.Config, x float64) { c.Teacher.Weight = x },
	},
	{
		"teacher-noise", "Teacher.Noise", "standard deviation of the noise on the teacher's weights",
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
			return fmt.Errorf("--%s %v with --method %s, which has none; %s do", flag, x, m.Name, strings.Join(o.Methods(), ", "))
		case !(x > 0):
			return fmt.Errorf("--%s is %v, want a positive number", flag, x)
		case o.Flag == "ascent-steps" && (x != float64(int(x)) || x > 1000):
			return fmt.Errorf("--%s is %v, want a whole number, at most 1000", flag, x)
		}
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
