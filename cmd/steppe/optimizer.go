package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net/optim"
)

// optimizer has the flags of the base optimizer.
type optimizer struct {
	name                string
	lr, momentum, decay float64
	beta1, beta2, eps   float64
	clip                float64
}

// optimizerRow is an optimizer that --optimizer can name.
type optimizerRow struct {
	name, title, about string
	lr, decay          float64  // used unless the flags are given
	own                []string // flags that not all optimizers have
	rule               func(o *optimizer) optim.Rule
}

var optimizers = []optimizerRow{
	{
		"sgd", "SGD", "stochastic gradient descent with momentum", 0.05, 1e-4, []string{"momentum"},
		func(o *optimizer) optim.Rule { return optim.SGD{LR: o.lr, Momentum: o.momentum, WeightDecay: o.decay} },
	},
	{
		"adamw", "AdamW", "Adam with decoupled weight decay (arXiv 1711.05101)", 0.001, 0.01, []string{"beta1", "beta2", "epsilon"},
		func(o *optimizer) optim.Rule {
			return optim.AdamW{LR: o.lr, Beta1: o.beta1, Beta2: o.beta2, Epsilon: o.eps, WeightDecay: o.decay}
		},
	},
}

func (o *optimizer) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.name, "optimizer", "sgd", "`name` of the base optimizer")
	flags.Float64Var(&o.lr, "lr", 0, "learning rate (default the optimizer's)")
	flags.Float64Var(&o.momentum, "momentum", 0.9, "sgd: momentum")
	flags.Float64Var(&o.beta1, "beta1", 0.9, "adamw: decay rate of the mean gradient")
	flags.Float64Var(&o.beta2, "beta2", 0.999, "adamw: decay rate of the mean squared gradient")
	flags.Float64Var(&o.eps, "epsilon", 1e-8, "adamw: added to the root of the mean square")
	flags.Float64Var(&o.decay, "weight-decay", 0, "weight decay, not in the ascent (default the optimizer's)")
	flags.Float64Var(&o.clip, "clip", 0, "clip the gradient to this `norm`; 0 for no limit")
}

func aboutOptimizers() string {
	return section("Optimizers", optimizers, func(row optimizerRow) (string, string) {
		return row.name, fmt.Sprintf("%s; learning rate %v, weight decay %v", row.about, row.lr, row.decay)
	})
}

// row returns the row that the flags name.
func (o *optimizer) row() (optimizerRow, error) {
	return lookup.Row("optimizer", optimizers, func(row optimizerRow) string { return row.name }, o.name)
}

// choose returns the rule. For flags that weren't given it fills in the defaults of the optimizer.
func (o *optimizer) choose(changed func(flag string) bool) (optim.Rule, error) {
	row, err := o.row()
	if err != nil {
		return nil, err
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
	if o.beta1 == 0 || o.beta2 == 0 || o.eps == 0 { // AdamW would take 0 for its default
		return nil, fmt.Errorf("--beta1 %v, --beta2 %v, --epsilon %v, want positive numbers", o.beta1, o.beta2, o.eps)
	}
	return row.rule(o), nil
}

// title returns the optimizer's name as papers write it.
func (o *optimizer) title() string {
	row, err := o.row()
	if err != nil {
		return o.name
	}
	return row.title
}

// describe lists the settings in a few words for the header. schedule follows the learning rate.
func (o *optimizer) describe(schedule string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lr %v%s", o.lr, schedule)
	if row, err := o.row(); err == nil {
		has := func(flag string) bool { return slices.Contains(row.own, flag) }
		ordinary := o.beta1 == 0.9 && o.beta2 == 0.999 && o.eps == 1e-8
		if has("momentum") {
			fmt.Fprintf(&b, ", momentum %v", o.momentum)
		}
		if has("beta1") && !ordinary {
			fmt.Fprintf(&b, ", betas %v and %v", o.beta1, o.beta2)
		}
		if has("epsilon") && !ordinary {
			fmt.Fprintf(&b, ", epsilon %v", o.eps)
		}
	}
	fmt.Fprintf(&b, ", decay %v", o.decay)
	if o.clip != 0 {
		fmt.Fprintf(&b, ", clipped to %v", o.clip)
	}
	return b.String()
}
