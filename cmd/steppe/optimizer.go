package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/sam"
)

// optimizer is the base optimiser that the flags ask for.
type optimizer struct {
	name                string
	lr, momentum, decay float64
	clip                float64
}

// optimizers are those that the command knows, with the settings that flags leave.
// One without a momentum takes none.
var optimizers = []struct {
	name, title, about  string
	lr, momentum, decay float64
	base                func(o optimizer) sam.Base
}{
	{
		"sgd", "SGD", "stochastic gradient descent with momentum", 0.05, 0.9, 1e-4,
		func(o optimizer) sam.Base { return sam.SGD{LR: o.lr, Momentum: o.momentum, WeightDecay: o.decay} },
	},
	{
		"adamw", "AdamW", "Adam with decoupled weight decay (arXiv 1711.05101)", 0.001, 0, 0.01,
		func(o optimizer) sam.Base { return sam.AdamW{LR: o.lr, WeightDecay: o.decay} },
	},
}

func (o *optimizer) addFlags(flags *pflag.FlagSet) {
	var lrs, momenta, decays []string
	for _, row := range optimizers {
		lrs = append(lrs, fmt.Sprint(row.name, " ", row.lr))
		decays = append(decays, fmt.Sprint(row.name, " ", row.decay))
		if row.momentum != 0 {
			momenta = append(momenta, fmt.Sprint(row.name, " ", row.momentum))
		}
	}
	list := func(l []string) string { return " (default " + strings.Join(l, ", ") + ")" }
	flags.StringVar(&o.name, "optimizer", "sgd", "`name` of what applies the gradient")
	flags.Float64Var(&o.lr, "lr", 0, "learning rate"+list(lrs))
	flags.Float64Var(&o.momentum, "momentum", 0, "momentum"+list(momenta))
	flags.Float64Var(&o.decay, "weight-decay", 0, "decay, outside the perturbation"+list(decays))
	flags.Float64Var(&o.clip, "clip", 0, "largest norm of the gradient, 0 for no limit")
}

// aboutOptimizers lists them for the help text.
func aboutOptimizers() string {
	var b strings.Builder
	b.WriteString("Optimizers:\n")
	for _, row := range optimizers {
		about(&b, row.name, row.about)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// choose returns the base, after it has filled in what no flag has changed.
func (o *optimizer) choose(changed func(flag string) bool) (sam.Base, error) {
	var known []string
	for _, row := range optimizers {
		if row.name != o.name {
			known = append(known, row.name)
			continue
		}
		if !changed("lr") {
			o.lr = row.lr
		}
		if !changed("weight-decay") {
			o.decay = row.decay
		}
		if !changed("momentum") {
			o.momentum = row.momentum
		} else if row.momentum == 0 {
			return nil, fmt.Errorf("--momentum %v with --optimizer %s, which takes none", o.momentum, o.name)
		}
		return row.base(*o), nil
	}
	return nil, fmt.Errorf("unknown optimizer %q, want one of %s", o.name, strings.Join(known, ", "))
}

// title is its name as papers write it.
func (o *optimizer) title() string {
	for _, row := range optimizers {
		if row.name == o.name {
			return row.title
		}
	}
	return o.name
}

// describe says what is set, in a few words for the header; schedule is how the
// learning rate changes.
func (o *optimizer) describe(schedule string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lr %v%s", o.lr, schedule)
	if o.momentum != 0 {
		fmt.Fprintf(&b, ", momentum %v", o.momentum)
	}
	fmt.Fprintf(&b, ", decay %v", o.decay)
	if o.clip != 0 {
		fmt.Fprintf(&b, ", clipped to %v", o.clip)
	}
	return b.String()
}
