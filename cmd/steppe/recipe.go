package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/runs"
)

// recipe has the flags of compare for the data and for the learning-rate schedule.
type recipe struct {
	augment     []string
	standardize bool
	schedule    string
	warmup      float64 // epochs
}

func (r *recipe) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&r.schedule, "schedule", "cosine", "`name` of the learning-rate schedule")
	flags.Float64Var(&r.warmup, "warmup", 0, "`epochs` of linear warm-up before (transformers: a tenth)")
	flags.StringSliceVar(&r.augment, "augment", nil, "`names` of augmentations of training images, in this order")
	flags.BoolVar(&r.standardize, "standardize", false, "normalize each channel by the training set's mean and deviation")
}

// aboutRecipe lists augmentations and schedules for the help text.
func aboutRecipe() string {
	return sections(
		section("Augmentations", runs.Augmentations, func(a runs.Augmentation) (string, string) { return a.Name, a.About }),
		aboutSchedules("Schedules", runs.LRSchedules))
}

func aboutSchedules(title string, rows []runs.Schedule) string {
	return section(title, rows, func(s runs.Schedule) (string, string) { return s.Name, s.About })
}

func aboutOptimizers() string {
	return section("Optimizers", runs.Optimizers, func(o runs.Optimizer) (string, string) {
		return o.Name, fmt.Sprintf("%s; learning rate %v, weight decay %v", o.About, o.LR, o.WeightDecay)
	})
}

// validate returns an error if the flags make no sense for a run of that many epochs.
func (r *recipe) validate(epochs int) error {
	if _, err := runs.Augment(r.augment); err != nil {
		return err
	}
	if !(r.warmup >= 0 && r.warmup < float64(epochs)) {
		return fmt.Errorf("--warmup is %v, want 0 or more and less than the %d epochs", r.warmup, epochs)
	}
	_, err := runs.LRSchedule(r.schedule, 0, 1, 1)
	return err
}

// String describes the changes to the data in a few words for the header; "" if there are none.
func (r *recipe) String() string {
	var list []string
	if r.standardize {
		list = append(list, "standardized")
	}
	if len(r.augment) > 0 {
		list = append(list, "augmented by "+strings.Join(r.augment, ", "))
	}
	return strings.Join(list, "; ")
}

// relabeled describes label noise.
func relabeled(noise float64) string {
	return fmt.Sprintf("%v%% of the samples relabeled at random", percent(noise))
}

// percent returns 100 times a fraction, rounded to four decimals: 7, not 7.000000000000001.
func percent(fraction float64) float64 { return math.Round(fraction*1e6) / 1e4 }
