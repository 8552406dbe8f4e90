package runs

import (
	"cmp"
	"slices"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
)

// Optimizer is a base optimizer that a setting can name.
type Optimizer struct {
	Name, Title, About string
	LR, WeightDecay    float64  // defaults
	Own                []string // settings that not all optimizers have
	Rule               func(s *Settings) optim.Rule
}

// Optimizers lists the base optimizers.
var Optimizers = []Optimizer{
	{
		"sgd", "SGD", "stochastic gradient descent with momentum", 0.05, 1e-4, []string{"momentum"},
		func(s *Settings) optim.Rule {
			return optim.SGD{LR: s.LR, Momentum: s.Momentum, WeightDecay: s.WeightDecay}
		},
	},
	{
		"adamw", "AdamW", "Adam with decoupled weight decay (arXiv 1711.05101)", 0.001, 0.01, []string{"beta1", "beta2", "epsilon"},
		func(s *Settings) optim.Rule {
			return optim.AdamW{LR: s.LR, Beta1: s.Beta1, Beta2: s.Beta2, Epsilon: s.Epsilon, WeightDecay: s.WeightDecay}
		},
	},
}

// LookupOptimizer returns the row of Optimizers with that name.
func LookupOptimizer(name string) (Optimizer, error) {
	return lookup.Row("optimizer", Optimizers, func(o Optimizer) string { return o.Name }, name)
}

// Augmentation is an augmentation that a setting can name.
type Augmentation struct {
	Name, About string
	Of          dataset.Augmentation
}

// Augmentations lists the augmentations, with settings that suit images of some 30 pixels.
var Augmentations = []Augmentation{
	{"crop", "crops the image at random, with 4 pixels of zeros around it", dataset.Crop{Pad: 4}},
	{"flip", "swaps left and right, one time in two", dataset.Flip{}},
	{"cutout", "sets a square of 8 pixels to zero, at random", dataset.Cutout{Size: 8}},
}

// Augment returns the augmentations of the given names.
func Augment(names []string) (list []dataset.Augmentation, err error) {
	for _, name := range names {
		row, err := lookup.Row("augmentation", Augmentations, func(a Augmentation) string { return a.Name }, name)
		if err != nil {
			return nil, err
		}
		list = append(list, row.Of)
	}
	return list, nil
}

// Schedule is a row of a table of schedules. Of makes the schedule of a run of that many steps;
// nil is a constant factor of 1.
type Schedule struct {
	Name, About string
	Of          func(steps int) optim.Schedule
}

func constant(int) optim.Schedule { return nil }

func cosine(steps int) optim.Schedule { return optim.Cosine{Steps: steps} }

// LRSchedules lists the learning-rate schedules.
var LRSchedules = []Schedule{
	{"constant", "the learning rate stays as it is", constant},
	{"step", "falls to a tenth after half of the steps, and again after three quarters", func(steps int) optim.Schedule {
		return optim.MultiStep{Milestones: slices.Compact([]int{(steps + 1) / 2, (3*steps + 3) / 4})}
	}},
	{"cosine", "falls to 0 along half a cosine", cosine},
}

// RhoSchedules lists the schedules of rho.
var RhoSchedules = []Schedule{
	{"constant", "rho stays as it is", constant},
	{"linear", "rises linearly from 0", func(steps int) optim.Schedule { return optim.Linear{Steps: steps, To: 1} }},
	{"cosine", "falls to 0 along half a cosine", cosine},
	{withLR, "goes with the learning rate, as GSAM's does", constant},
}

// withLR is the schedule of rho that is the learning rate's.
const withLR = "lr"

// Ascent is a precision of the ascent.
type Ascent struct {
	Name      string
	Precision blas.Precision
}

// Ascents lists the precisions, the default first.
var Ascents = []Ascent{
	{"f32", blas.Full},
	{"bf16", blas.BFloat16},
}

// FindAscent returns the row of Ascents with that name; "" is the default's.
func FindAscent(name string) (Ascent, error) {
	return lookup.Row("precision of the ascent", Ascents, func(a Ascent) string { return a.Name }, cmp.Or(name, Ascents[0].Name))
}

// RankSum is a way in which the ranks of a run add up their gradients.
type RankSum struct {
	Name, About string
	Fast        bool
}

// RankSums lists the ways.
var RankSums = []RankSum{
	{"exact", "in an order that doesn't depend on them: any number of ranks has the same bits", false},
	{"fast", "as each rank and MPI do it in the least time", true},
}

// FindRankSum returns the row of RankSums with that name.
func FindRankSum(name string) (RankSum, error) {
	return lookup.Row("sum of ranks", RankSums, func(s RankSum) string { return s.Name }, name)
}

// FindSchedule returns a row of one of the tables; kind is what the error calls it.
func FindSchedule(kind string, rows []Schedule, name string) (Schedule, error) {
	return lookup.Row(kind, rows, func(s Schedule) string { return s.Name }, name)
}
