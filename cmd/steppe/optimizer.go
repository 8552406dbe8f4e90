package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"github.com/steppe-ml/steppe/net/optim"
)

// optimizer is the base optimiser that the flags ask for.
type optimizer struct {
	name                string
	lr, momentum, decay float64
	beta1, beta2, eps   float64
	clip                float64
}

// optimizers are those that the command knows, with the settings that flags leave, and
// the flags that not all of them have.
var optimizers = []struct {
	name, title, about string
	lr, decay          float64
	own                []string
	base               func(o optimizer) optim.Rule
}{
	{
		"sgd", "SGD", "stochastic gradient descent with momentum", 0.05, 1e-4, []string{"momentum"},
		func(o optimizer) optim.Rule { return optim.SGD{LR: o.lr, Momentum: o.momentum, WeightDecay: o.decay} },
	},
	{
		"adamw", "AdamW", "Adam with decoupled weight decay (arXiv 1711.05101)", 0.001, 0.01, []string{"beta1", "beta2", "epsilon"},
		func(o optimizer) optim.Rule {
			return optim.AdamW{LR: o.lr, Beta1: o.beta1, Beta2: o.beta2, Epsilon: o.eps, WeightDecay: o.decay}
		},
	},
}

func (o *optimizer) addFlags(flags *pflag.FlagSet) {
	var lrs, decays []string
	for _, row := range optimizers {
		lrs = append(lrs, fmt.Sprint(row.name, " ", row.lr))
		decays = append(decays, fmt.Sprint(row.name, " ", row.decay))
	}
	list := func(l []string) string { return " (default " + strings.Join(l, ", ") + ")" }
	flags.StringVar(&o.name, "optimizer", "sgd", "`name` of what applies the gradient")
	flags.Float64Var(&o.lr, "lr", 0, "learning rate"+list(lrs))
	flags.Float64Var(&o.momentum, "momentum", 0.9, "sgd: momentum")
	flags.Float64Var(&o.beta1, "beta1", 0.9, "adamw: how much of its mean gradient is kept")
	flags.Float64Var(&o.beta2, "beta2", 0.999, "adamw: how much of its mean squares is kept")
	flags.Float64Var(&o.eps, "epsilon", 1e-8, "adamw: what is added to their root")
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
func (o *optimizer) choose(changed func(flag string) bool) (optim.Rule, error) {
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
		for _, other := range optimizers {
			for _, flag := range other.own {
				if changed(flag) && !slices.Contains(row.own, flag) {
					return nil, fmt.Errorf("--%s with --optimizer %s, which has none", flag, o.name)
				}
			}
		}
		if o.beta1 == 0 || o.beta2 == 0 || o.eps == 0 { // which AdamW takes for its defaults
			return nil, fmt.Errorf("--beta1 %v, --beta2 %v, --epsilon %v, want positive numbers", o.beta1, o.beta2, o.eps)
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
	if o.name == "sgd" {
		fmt.Fprintf(&b, ", momentum %v", o.momentum)
	} else if o.beta1 != 0.9 || o.beta2 != 0.999 || o.eps != 1e-8 {
		fmt.Fprintf(&b, ", betas %v and %v, epsilon %v", o.beta1, o.beta2, o.eps)
	}
	fmt.Fprintf(&b, ", decay %v", o.decay)
	if o.clip != 0 {
		fmt.Fprintf(&b, ", clipped to %v", o.clip)
	}
	return b.String()
}
