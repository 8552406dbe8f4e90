package main

import (
	"fmt"
	"math"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
)

// recipe has the flags of train and compare for the data and for the learning-rate schedule.
type recipe struct {
	augment     []string
	standardize bool
	noise       float64 // fraction of relabeled samples
	schedule    string
	warmup      float64 // epochs

	by dataset.MeanStd // mean and deviation that prepare has standardized the samples by
}

// augmentation is an augmentation that --augment can name.
type augmentation struct {
	name, about string
	of          dataset.Augmentation
}

// augmentations lists the augmentations, with settings that suit images of some 30 pixels.
var augmentations = []augmentation{
	{"crop", "crops the image at random, with 4 pixels of zeros around it", dataset.Crop{Pad: 4}},
	{"flip", "swaps left and right, one time in two", dataset.Flip{}},
	{"cutout", "sets a square of 8 pixels to zero, at random", dataset.Cutout{Size: 8}},
}

func (r *recipe) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&r.schedule, "schedule", "cosine", "`name` of the learning-rate schedule")
	flags.Float64Var(&r.warmup, "warmup", 0, "`epochs` of linear learning-rate warm-up before the schedule")
	flags.StringSliceVar(&r.augment, "augment", nil, "`names` of augmentations of training images, in this order")
	flags.BoolVar(&r.standardize, "standardize", false, "normalize each channel by the training set's mean and deviation")
}

// aboutRecipe lists augmentations and schedules for the help text.
func aboutRecipe() string {
	return sections(
		section("Augmentations", augmentations, func(a augmentation) (string, string) { return a.name, a.about }),
		aboutSchedules("Schedules", lrSchedules))
}

// augmentations returns the augmentations that the flags ask for.
func (r *recipe) augmentations() (list []dataset.Augmentation, err error) {
	for _, name := range r.augment {
		row, err := lookup.Row("augmentation", augmentations, func(a augmentation) string { return a.name }, name)
		if err != nil {
			return nil, err
		}
		list = append(list, row.of)
	}
	return list, nil
}

// lrSchedule returns the learning-rate schedule of a run. Each epoch has the given number of
// batches.
func (r *recipe) lrSchedule(epochs, batches int) (optim.Schedule, error) {
	row, err := findSchedule("schedule", lrSchedules, r.schedule)
	if err != nil {
		return nil, err
	}
	steps := epochs * batches
	warmup := min(int(math.Round(r.warmup*float64(batches))), steps-1)
	s := row.of(steps - warmup)
	if warmup > 0 {
		s = optim.Warmup{Steps: warmup, Then: s}
	}
	return s, nil
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

// prepare returns the sets with noisy labels and standardized, as the flags ask.
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
		list = append(list, relabeled(r.noise))
	}
	return strings.Join(list, "; ")
}

// relabeled describes label noise.
func relabeled(noise float64) string {
	return fmt.Sprintf("%v%% of the samples relabeled at random", percent(noise))
}

// percent returns 100 times a fraction, rounded to four decimals: 7, not 7.000000000000001.
func percent(fraction float64) float64 { return math.Round(fraction*1e6) / 1e4 }
