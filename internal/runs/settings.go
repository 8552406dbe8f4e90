package runs

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/find"
)

// Settings are all that decides the result of a run. The key of each field in JSON is the name of
// the flag that sets it, and errors call it by that flag.
type Settings struct {
	Source
	Valid       float64  `json:"valid"` // fraction of the training set to hold back
	Standardize bool     `json:"standardize"`
	LabelNoise  float64  `json:"label-noise"` // fraction of relabeled training samples
	Augment     []string `json:"augment,omitempty"`

	Model   string  `json:"model"`
	Dropout float64 `json:"dropout,omitempty"` // rate in the blocks of transformers
	Init    string  `json:"init,omitempty"`    // file or folder with the parameters to begin with
	Epochs  int     `json:"epochs"`
	Batch   int     `json:"batch"`
	Seed    uint64  `json:"seed"`

	Method         string  `json:"method"`
	Rho            float64 `json:"rho"`
	RhoSchedule    string  `json:"rho-schedule"`
	Shards         int     `json:"shards"`
	Eta            float64 `json:"eta,omitempty"`
	AscentFraction float64 `json:"ascent-fraction,omitempty"`
	AscentEvery    int     `json:"ascent-every,omitempty"`
	Ascent         string  `json:"ascent,omitempty"` // a row of Ascents; "" is the first
	// Options has the values of the method's own options that aren't its preset's, by flag.
	Options map[string]float64 `json:"options,omitempty"`

	Optimizer   string  `json:"optimizer"`
	LR          float64 `json:"lr"`
	Schedule    string  `json:"schedule"`
	Warmup      float64 `json:"warmup"` // epochs
	Momentum    float64 `json:"momentum"`
	Beta1       float64 `json:"beta1"`
	Beta2       float64 `json:"beta2"`
	Epsilon     float64 `json:"epsilon"`
	WeightDecay float64 `json:"weight-decay"`
	Clip        float64 `json:"clip"`

	Units int    `json:"units,omitempty"` // most pieces that ranks share a batch in; 0 for the usual
	Ranks string `json:"ranks,omitempty"` // how sums of ranks are made: a row of RankSums; "" for a run of one process

	Monitor   string `json:"monitor"`    // metric that finds the best epoch
	Patience  int    `json:"patience"`   // epochs without a better one that end the run; 0 for no end
	SaveEvery int    `json:"save-every"` // steps
	LogEvery  int    `json:"log-every"`  // steps

	kept []byte // the tokenizer of a run that goes on; nil to take or train another

	// Nobody gave these, so they adapt to the data: see adapt.
	ownBatch, ownShards, ownRho, ownLR bool
}

// Defaults returns settings that train a small network on the embedded digits with mSAM.
// [Settings.Complete] fills in what depends on other settings.
func Defaults() Settings {
	return Settings{
		Source: Source{Data: "digits", Task: "auto", Color: "auto", Stream: "auto", TokenizerKind: "auto"},
		Valid:  0.1, Model: "mlp", Epochs: 20, Batch: 64, Seed: 1,
		Method: "msam", RhoSchedule: "constant",
		Optimizer: "sgd", Schedule: "cosine", Momentum: 0.9, Beta1: 0.9, Beta2: 0.999, Epsilon: 1e-8,
		Monitor: "valid_loss",
	}
}

// Complete fills in the settings that weren't given and whose defaults depend on others: those of
// the method and of the optimizer. A given setting that doesn't go with the others is an error.
func (s *Settings) Complete(given func(flag string) bool) error {
	method, err := sam.Lookup(s.Method)
	if err != nil {
		return err
	}
	row, err := zoo.Lookup(s.Model)
	if err != nil {
		return err
	}
	if err := s.completeModel(row, given); err != nil {
		return err
	}
	optimizer, err := s.optimizer()
	if err != nil {
		return err
	}
	s.ownBatch, s.ownShards, s.ownRho, s.ownLR = !given("batch"), !given("shards"), !given("rho"), !given("lr")
	preset := method.Preset
	if !given("rho") {
		s.Rho = preset.Rho
	} else if !method.Perturbs() && s.Rho != 0 {
		return fmt.Errorf("--rho %v with --method %s, which perturbs nothing", s.Rho, s.Method)
	}
	if !given("shards") {
		s.Shards = min(preset.Shards, max(1, s.Batch))
	} else if !method.Sharded() && s.Shards != 1 {
		return fmt.Errorf("--shards %d with --method %s, which has 1 shard", s.Shards, s.Method)
	}
	if !given("ascent-fraction") {
		s.AscentFraction = cmp.Or(preset.Ascent.Fraction, 1)
	}
	if !given("ascent-every") {
		s.AscentEvery = cmp.Or(preset.Ascent.Every, 1)
	}
	if s.Ascent == Ascents[0].Name {
		s.Ascent = ""
	}
	if s.Ascent != "" && !method.Perturbs() {
		return fmt.Errorf("--ascent %s with --method %s, which has no ascent", s.Ascent, s.Method)
	}
	if !given("eta") {
		s.Eta = 0
		if preset.Ascent.Adaptive {
			s.Eta = cmp.Or(preset.Ascent.Eta, 0.01)
		}
	} else if !preset.Ascent.Adaptive {
		return fmt.Errorf("--eta %v with --method %s, which doesn't scale its perturbation", s.Eta, s.Method)
	} else if s.Eta == 0 { // which would be the default
		return fmt.Errorf("--eta is 0, want a positive number")
	}
	if !given("lr") {
		s.LR = UsualLR(row, optimizer)
	}
	if !given("weight-decay") {
		s.WeightDecay = optimizer.WeightDecay
	}
	for _, other := range Optimizers {
		for _, flag := range other.Own {
			if given(flag) && !slices.Contains(optimizer.Own, flag) {
				return fmt.Errorf("--%s with --optimizer %s, which has none", flag, s.Optimizer)
			}
		}
	}
	if s.Valid == 0 && !given("monitor") {
		s.Monitor = trainLoss
	}
	return s.Validate()
}

// regressionLR divides a classifier's default learning rate for a regression. The gradient of a
// squared error grows with the error, and at SGD's default most runs diverge: on two made-up tables
// of 400 and 500 rows, the tenth was the best of 1, 0.4, 0.2 and 0.1 (test R2 of 0.996).
const regressionLR = 10

// adapt fits the settings that nobody gave to the data: a batch is no larger than a training set of
// n samples, and has no more shards than samples, nor more than leave each of them the samples that
// a normalization of the model needs, minShard; rho suits the samples of a shard; a regression's
// learning rate is smaller.
func (s *Settings) adapt(n, minShard int, regression bool) error {
	if s.ownBatch {
		s.Batch = min(s.Batch, n)
	}
	if s.ownShards {
		s.Shards = min(s.Shards, s.Batch)
		for s.Shards > 1 && !s.fits(s.Shards, minShard) {
			s.Shards--
		}
	}
	if s.Shards > s.Batch {
		return fmt.Errorf("--shards %d are more than a batch of %d has samples", s.Shards, s.Batch)
	}
	method, err := sam.Lookup(s.Method)
	if err != nil {
		return err
	}
	if ascent := method.Preset.Ascent; s.ownRho && method.Perturbs() {
		s.Rho = find.DefaultRho(num.CeilDiv(s.Batch, s.Shards))
		if row, err := zoo.Lookup(s.Model); err == nil && row.HasBlocks() {
			s.Rho /= transformerRho
		}
		if ascent.Adaptive || ascent.NormOnly || ascent.Momentum {
			s.Rho = method.Preset.Rho
		}
	}
	if optimizer, err := s.optimizer(); err == nil && s.ownLR && regression && s.Optimizer == "sgd" {
		s.LR = optimizer.LR / regressionLR
	}
	return nil
}

// fits reports whether so many shards leave each as many samples as a model needs.
func (s *Settings) fits(shards, minShard int) bool {
	return shards <= s.Batch && sam.Ascent{Fraction: s.AscentFraction}.Samples(s.Batch/shards) >= minShard
}

// Adopt takes over from the settings of a run that adapted to its data those that nobody gave to s,
// so that the two can be compared.
func (s *Settings) Adopt(adapted Settings) {
	for _, own := range []struct {
		is    bool
		adopt func()
	}{
		{s.ownBatch, func() { s.Batch = adapted.Batch }},
		{s.ownShards, func() { s.Shards = adapted.Shards }},
		{s.ownRho, func() { s.Rho = adapted.Rho }},
		{s.ownLR, func() { s.LR = adapted.LR }},
		{s.Init != "" && s.Tokenizer == "" && adapted.Tokenizer == s.Init, func() { s.Tokenizer = s.Init }}, // see initTokenizer
	} {
		if own.is {
			own.adopt()
		}
	}
}

// trainLoss is the Monitor of a run without a validation set.
const trainLoss = "train_loss"

func (s *Settings) optimizer() (Optimizer, error) { return LookupOptimizer(s.Optimizer) }

// number is a setting with the numbers that it may be.
type number struct {
	flag  string
	value float64
	fits  bool // besides being finite
	want  string
}

// Validate returns an error if a setting makes no sense, as far as that shows without the data.
func (s *Settings) Validate() error {
	method, err := sam.Lookup(s.Method)
	if err != nil {
		return err
	}
	if err := s.validateOptions(method); err != nil {
		return err
	}
	if _, err := zoo.Lookup(s.Model); err != nil {
		return err
	}
	if _, err := s.optimizer(); err != nil {
		return err
	}
	if _, err := Augment(s.Augment); err != nil {
		return err
	}
	if _, err := FindSchedule("schedule", LRSchedules, s.Schedule); err != nil {
		return err
	}
	if _, err := FindSchedule("schedule of rho", RhoSchedules, s.RhoSchedule); err != nil {
		return err
	}
	if _, err := FindAscent(s.Ascent); err != nil {
		return err
	}
	if s.Ranks != "" {
		if _, err := FindRankSum(s.Ranks); err != nil {
			return err
		}
	} else if s.Units != 0 {
		return fmt.Errorf("--units %d without --ranks or --mpi: ranks share a batch in units", s.Units)
	}
	for _, n := range s.numbers() {
		if x := float32(n.value); !n.fits || x-x != 0 { // steps compute in float32
			return fmt.Errorf("--%s is %v, want %s", n.flag, n.value, n.want)
		}
	}
	if s.Shards > s.Batch {
		return fmt.Errorf("--shards %d are more than --batch %d has samples", s.Shards, s.Batch)
	}
	if s.Valid == 0 && s.Monitor != trainLoss {
		return fmt.Errorf("--monitor %s with --valid 0: without validation samples only %s is measured", s.Monitor, trainLoss)
	}
	if s.Valid != 0 && s.Monitor == trainLoss {
		return fmt.Errorf("--monitor %s with --valid %v, want a metric of the validation samples such as valid_loss, or --valid 0", trainLoss, s.Valid)
	}
	return s.Source.Validate()
}

func (s *Settings) numbers() []number {
	whole := func(flag string, value, least int) number {
		return number{flag, float64(value), value >= least, fmt.Sprintf("at least %d", least)}
	}
	notNegative := func(flag string, value float64) number {
		return number{flag, value, value >= 0, "a finite number that isn't negative"}
	}
	positive := func(flag string, value float64) number {
		return number{flag, value, float32(value) > 0, "a positive number"}
	}
	below1 := func(flag string, value float64) number {
		return number{flag, value, value >= 0 && float32(value) < 1, "0 or more, and less than 1"}
	}
	return []number{
		whole("epochs", s.Epochs, 1), whole("batch", s.Batch, 1), whole("shards", s.Shards, 1),
		whole("patience", s.Patience, 0), whole("save-every", s.SaveEvery, 0), whole("log-every", s.LogEvery, 0),
		whole("ascent-every", s.AscentEvery, 1), whole("units", s.Units, 0),
		below1("valid", s.Valid), below1("dropout", s.Dropout), {"label-noise", s.LabelNoise, s.LabelNoise >= 0 && s.LabelNoise <= 1, "0 to 1"},
		notNegative("rho", s.Rho), notNegative("eta", s.Eta),
		{"ascent-fraction", s.AscentFraction, s.AscentFraction > 0 && s.AscentFraction <= 1, "more than 0, and 1 at the most"},
		positive("lr", s.LR), below1("momentum", s.Momentum), notNegative("weight-decay", s.WeightDecay), notNegative("clip", s.Clip),
		{"beta1", s.Beta1, s.Beta1 > 0 && float32(s.Beta1) < 1, "more than 0, and less than 1"},
		{"beta2", s.Beta2, s.Beta2 > 0 && float32(s.Beta2) < 1, "more than 0, and less than 1"},
		positive("epsilon", s.Epsilon),
		{"warmup", s.Warmup, s.Warmup >= 0 && s.Warmup < float64(s.Epochs), fmt.Sprintf("0 or more and less than the %d epochs", s.Epochs)},
	}
}

// config returns the step's configuration of a run of that many steps an epoch.
func (s *Settings) config(batches, workers int) (sam.Config, error) {
	method, err := sam.Lookup(s.Method)
	if err != nil {
		return sam.Config{}, err
	}
	optimizer, err := s.optimizer()
	if err != nil {
		return sam.Config{}, err
	}
	c := method.Preset
	c.Rho, c.Shards, c.Clip, c.Workers = s.Rho, s.Shards, s.Clip, workers
	c.Ascent.Eta, c.Ascent.Fraction, c.Ascent.Every = s.Eta, s.AscentFraction, s.AscentEvery
	ascent, err := FindAscent(s.Ascent)
	if err != nil {
		return sam.Config{}, err
	}
	c.Ascent.Precision = ascent.Precision
	s.setOptions(&c)
	c.Base = optimizer.Rule(s)
	if s.Ranks != "" {
		sum, err := FindRankSum(s.Ranks)
		if err != nil {
			return sam.Config{}, err
		}
		c.Communicator, c.Fast, c.Units = sam.Alone(), sum.Fast, s.Units
	}
	rho, err := FindSchedule("schedule of rho", RhoSchedules, s.RhoSchedule)
	if err != nil {
		return sam.Config{}, err
	}
	c.RhoSchedule, c.RhoWithLR = rho.Of(s.Epochs*batches), s.RhoSchedule == withLR
	c.LRSchedule, err = LRSchedule(s.Schedule, s.Warmup, s.Epochs, batches)
	return c, err
}

// LRSchedule returns the learning-rate schedule of a name, after warmup epochs of linear warm-up,
// for a run of epochs with so many batches each.
func LRSchedule(name string, warmup float64, epochs, batches int) (optim.Schedule, error) {
	row, err := FindSchedule("schedule", LRSchedules, name)
	if err != nil {
		return nil, err
	}
	steps := epochs * batches
	first := min(int(math.Round(warmup*float64(batches))), steps-1)
	schedule := row.Of(steps - first)
	if first > 0 {
		schedule = optim.Warmup{Steps: first, Then: schedule}
	}
	return schedule, nil
}
