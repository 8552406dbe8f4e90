package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// ascent has the flags that change how a method perturbs.
type ascent struct {
	eta         float64
	fraction    float64
	every       int
	rhoSchedule string
}

func (a *ascent) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&a.rhoSchedule, "rho-schedule", "constant", "`name` of the rho schedule")
	flags.Float64Var(&a.eta, "eta", 0, "added to the magnitudes of weights by asam and masam (default 0.01)")
	flags.Float64Var(&a.fraction, "ascent-fraction", 0, "fraction of each shard to ascend on (default 1; sam-quarter 0.25)")
	flags.IntVar(&a.every, "ascent-every", 0, "perturb only every `n`-th step (default 1; sam-5 5)")
}

// choose applies the flags that were given to cfg.
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

// schedule returns the rho schedule of a run of that many steps.
func (a *ascent) schedule(steps int) (optim.Schedule, error) {
	row, err := findSchedule("schedule of rho", rhoSchedules, a.rhoSchedule)
	if err != nil {
		return nil, err
	}
	return row.of(steps), nil
}
