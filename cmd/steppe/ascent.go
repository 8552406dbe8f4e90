package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// ascent is how perturbations are made, beside what the method says.
type ascent struct {
	eta         float64
	fraction    float64
	every       int
	rhoSchedule string
}

// rhoSchedules are those of rho; nil is none.
var rhoSchedules = []struct {
	name, about string
	of          func(steps int) optim.Schedule
}{
	{"constant", "rho stays", func(int) optim.Schedule { return nil }},
	{"linear", "it rises evenly, from 0", func(steps int) optim.Schedule { return optim.Linear{Steps: steps, To: 1} }},
	{"cosine", "it falls to 0 along half a cosine", func(steps int) optim.Schedule { return optim.Cosine{Steps: steps} }},
}

func (a *ascent) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&a.rhoSchedule, "rho-schedule", "constant", "rho's `name` of change")
	flags.Float64Var(&a.eta, "eta", 0, "what asam and masam add to weights' magnitudes (default 0.01)")
	flags.Float64Var(&a.fraction, "ascent-fraction", 0, "part of a shard that perturbs it (default 1; sam-quarter 0.25)")
	flags.IntVar(&a.every, "ascent-every", 0, "perturb in one step of so many (default 1; sam-5 5)")
}

// aboutRhoSchedules lists them for the help text.
func aboutRhoSchedules() string {
	var b strings.Builder
	b.WriteString("Schedules of rho:\n")
	for _, row := range rhoSchedules {
		about(&b, row.name, row.about)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// choose sets in cfg what flags have changed.
func (a *ascent) choose(cfg *sam.Config, changed func(flag string) bool) error {
	if changed("eta") {
		if !(a.eta > 0) { // 0 would be the default
			return fmt.Errorf("--eta is %v, want a positive number", a.eta)
		}
		cfg.Ascent.Eta = a.eta
	}
	if changed("ascent-fraction") {
		if !(a.fraction > 0 && a.fraction <= 1) {
			return fmt.Errorf("--ascent-fraction is %v, want more than 0, and 1 at the most", a.fraction)
		}
		cfg.Ascent.Fraction = a.fraction
	}
	if changed("ascent-every") {
		if a.every < 1 {
			return fmt.Errorf("--ascent-every is %d, want at least 1", a.every)
		}
		cfg.Ascent.Every = a.every
	}
	_, err := a.schedule(1)
	return err
}

// schedule returns rho's for a run of so many steps.
func (a *ascent) schedule(steps int) (optim.Schedule, error) {
	var known []string
	for _, row := range rhoSchedules {
		if row.name == a.rhoSchedule {
			return row.of(steps), nil
		}
		known = append(known, row.name)
	}
	return nil, fmt.Errorf("unknown schedule of rho %q, want one of %s", a.rhoSchedule, strings.Join(known, ", "))
}
