package main

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
)

// recipe is what train and compare do to the data and to the learning rate, beside the method.
type recipe struct {
	augment     []string
	standardize bool
	noise       float64
	schedule    string
	warmup      float64 // epochs

	by dataset.MeanStd // mean and deviation that samples were standardized by
}

// augmentations lists the augmentations that the command offers, with settings that suit images
// of some 30 pixels.
var augmentations = []struct {
	name, about string
	of          dataset.Augmentation
}{
	{"crop", "random crops of the image with 4 pixels of zeros around", dataset.Crop{Pad: 4}},
	{"flip", "left and right swapped, one time in two", dataset.Flip{}},
	{"cutout", "a square of 8 pixels of zeros somewhere", dataset.Cutout{Size: 8}},
}

// schedules lists the learning-rate schedules; nil leaves the rate as it is.
var schedules = []struct {
	name, about string
	of          func(steps int) optim.Schedule
}{
	{"constant", "the learning rate stays", func(int) optim.Schedule { return nil }},
	{"step", "it falls to a tenth after half of the steps, and again after three quarters", func(steps int) optim.Schedule {
		return optim.MultiStep{Milestones: slices.Compact([]int{(steps + 1) / 2, (3*steps + 3) / 4})}
	}},
	{"cosine", "it falls to 0 along half a cosine", func(steps int) optim.Schedule { return optim.Cosine{Steps: steps} }},
}

func (r *recipe) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&r.schedule, "schedule", "cosine", "`name` of the learning-rate schedule")
	flags.Float64Var(&r.warmup, "warmup", 0, "epochs in which the learning rate first rises evenly")
	flags.StringSliceVar(&r.augment, "augment", nil, "`names` of the augmentations of training images, in that order")
	flags.BoolVar(&r.standardize, "standardize", false, "scale channels to mean 0 and deviation 1 of the training set")
}

// aboutRecipe lists augmentations and schedules for the help text.
func aboutRecipe() string {
	var b strings.Builder
	b.WriteString("Augmentations:\n")
	for _, row := range augmentations {
		about(&b, row.name, row.about)
	}
	b.WriteString("\nSchedules:\n")
	for _, row := range schedules {
		about(&b, row.name, row.about)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// augmentations returns the augmentations that the flags ask for.
func (r *recipe) augmentations() (list []dataset.Augmentation, err error) {
	for _, name := range r.augment {
		found := false
		var known []string
		for _, row := range augmentations {
			known = append(known, row.name)
			if row.name == name {
				list, found = append(list, row.of), true
			}
		}
		if !found {
			return nil, fmt.Errorf("unknown augmentation %q, want some of %s", name, strings.Join(known, ", "))
		}
	}
	return list, nil
}

// lrSchedule returns the learning-rate schedule of a run of epochs of that many batches.
func (r *recipe) lrSchedule(epochs, batches int) (optim.Schedule, error) {
	var known []string
	steps := epochs * batches
	warmup := min(int(math.Round(r.warmup*float64(batches))), steps-1)
	for _, row := range schedules {
		if row.name == r.schedule {
			s := row.of(steps - warmup)
			if warmup > 0 {
				s = optim.Warmup{Steps: warmup, Then: s}
			}
			return s, nil
		}
		known = append(known, row.name)
	}
	return nil, fmt.Errorf("unknown schedule %q, want one of %s", r.schedule, strings.Join(known, ", "))
}

// ofLR describes the schedule, in words that follow the learning rate.
func (r *recipe) ofLR() (words string) {
	if r.schedule != "constant" {
		words = " " + r.schedule
	}
	if r.warmup != 0 {
		words += fmt.Sprintf(" after %v epochs of warm-up", r.warmup)
	}
	return words
}

// validate returns an error if the flags make no sense for a run of that many epochs.
func (r *recipe) validate(epochs int) error {
	if _, err := r.augmentations(); err != nil {
		return err
	}
	if !(r.warmup >= 0 && r.warmup < float64(epochs)) {
		return fmt.Errorf("--warmup is %v, want 0 or more and less than the %d epochs", r.warmup, epochs)
	}
	_, err := r.lrSchedule(1, 1)
	return err
}

// prepare returns the sets with noisy labels and standardization, as the flags ask.
func (r *recipe) prepare(train, test *dataset.Set, seed uint64) (*dataset.Set, *dataset.Set, error) {
	train, err := train.NoisyLabels(r.noise, seed)
	if err != nil || !r.standardize {
		return train, test, err
	}
	if r.by, err = train.MeanStd(); err != nil {
		return nil, nil, err
	}
	if train, err = train.Standardize(r.by); err != nil {
		return nil, nil, err
	}
	test, err = test.Standardize(r.by)
	return train, test, err
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
	if r.noise > 0 {
		list = append(list, fmt.Sprintf("%v%% of the labels drawn anew", 100*r.noise))
	}
	return strings.Join(list, "; ")
}
