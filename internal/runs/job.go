package runs

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam/train"
)

// Job is the settings of a run with what they name: data, model and the run itself.
type Job struct {
	Settings *Settings
	Name     string       // of the data set
	Train    *dataset.Set // without the validation samples
	Valid    *dataset.Set // nil without a validation set
	Test     *dataset.Set
	Sum      string // checksum of the training data as it was read; "" if it isn't in memory

	Model *net.Model
	Run   *train.Run

	by dataset.MeanStd // that the samples are standardized by
}

// Read reads the data that valid settings name, compiles the model for it, adapts to both the
// settings that nobody gave, holds back the validation samples, and treats the samples as the
// settings ask. It fills in Settings.Path, unless a run that goes on has it already: Data may mean
// nothing in the working folder of today.
func (s *Settings) Read() (*Job, error) {
	if s.Path == "" && s.TokenizerPath == "" {
		if s.Tokenizer == "" {
			s.Tokenizer = s.initTokenizer()
		}
		if err := s.locate(); err != nil {
			return nil, err
		}
	}
	all, test, err := s.Source.openBy(s.kept)
	if err != nil {
		return nil, s.explain(err)
	}
	j := &Job{Settings: s, Name: strings.TrimSuffix(all.Name, "/train"), Train: all, Test: test}
	if !all.Streams() {
		if j.Sum, err = study.Sum(all); err != nil {
			return nil, err
		}
	}
	if j.Train.Labels != nil {
		if j.Train, err = j.Train.NoisyLabels(s.LabelNoise, s.Seed); err != nil {
			return nil, err
		}
	} else if s.LabelNoise != 0 {
		return nil, fmt.Errorf("--label-noise %v, but %s has %s, not classes", s.LabelNoise, j.Name, j.withoutClasses())
	}
	if err := j.checkText(); err != nil {
		return nil, err
	}
	if s.Valid > 0 {
		if err := j.holdBack(); err != nil {
			return nil, err
		}
	}
	if err := j.compile(); err != nil {
		return nil, err
	}
	n := j.Train.Len()
	if err := s.adapt(n, j.Model.MinShard(), j.Regression()); err != nil {
		return nil, err
	}
	if s.Batch > n {
		return nil, fmt.Errorf("--batch %d is more than the %d training samples of %s%s", s.Batch, n, j.Name, j.held())
	}
	if s.Standardize {
		return j, j.standardize()
	}
	return j, nil
}

// explain returns a better error where data can't be opened for a language model, since it is no
// text: nobody gave the option that the data has no use for.
func (s *Settings) explain(err error) error {
	row, unknown := zoo.Lookup(s.Model)
	if unknown != nil || !s.Language {
		return err
	}
	other := s.Source
	other.Language = false
	if set, _, failed := other.Open(); failed == nil {
		if unfit := CheckModel(row, s.Data, set); unfit != nil {
			return unfit
		}
	}
	return err
}

// held says how many samples are held back, for a message.
func (j *Job) held() string {
	if j.Valid == nil {
		return ""
	}
	return fmt.Sprintf(" (--valid %v holds back %d)", j.Settings.Valid, j.Valid.Len())
}

// holdBack splits the validation samples off the training set.
func (j *Job) holdBack() (err error) {
	all := j.Train.Len()
	n := max(1, int(math.Round(j.Settings.Valid*float64(all))))
	if n >= all {
		return fmt.Errorf("--valid %v leaves none of the %d training samples of %s, want less, or 0", j.Settings.Valid, all, j.Name)
	}
	j.Train, j.Valid, err = j.Train.Split(n, j.Settings.Seed)
	return err
}

// standardize standardizes all sets by the training set's mean and deviation.
func (j *Job) standardize() (err error) {
	if j.by, err = j.Train.MeanStd(); err != nil {
		return err
	}
	for _, set := range []**dataset.Set{&j.Train, &j.Valid, &j.Test} {
		if *set == nil {
			continue
		}
		if *set, err = (*set).Standardize(j.by); err != nil {
			return err
		}
	}
	return nil
}

// Language reports whether the run trains a language model, which predicts the text itself.
func (j *Job) Language() bool { return j.Settings.Language }

// Regression reports whether the run predicts numbers.
func (j *Job) Regression() bool { return j.Train.Labels == nil && !j.Language() }

// withoutClasses says what a set without classes has to predict.
func (j *Job) withoutClasses() string {
	if j.Language() {
		return "text to predict"
	}
	return "numbers to predict"
}

// checkText returns an error for settings that change the values of samples, where those are texts.
func (j *Job) checkText() error {
	s := j.Settings
	switch {
	case !j.Train.IsText():
		return nil
	case s.Standardize:
		return fmt.Errorf("--standardize, but %s has texts, which have no values to normalize", j.Name)
	case len(s.Augment) > 0:
		return fmt.Errorf("--augment %s, but %s has texts, and augmentations change pictures", strings.Join(s.Augment, ","), j.Name)
	}
	return nil
}

// compile compiles the model for the data.
func (j *Job) compile() error {
	row, err := zoo.Lookup(j.Settings.Model)
	if err != nil {
		return err
	}
	if err := CheckModel(row, j.Settings.Data, j.Train); err != nil {
		return err
	}
	if row, err = row.WithDropout(j.Settings.Dropout); err != nil {
		return err
	}
	j.Model, err = CompileFor(row, j.Train)
	return err
}

// Build makes the run. dir is its folder, "" for none.
func (j *Job) Build(dir string, workers int) error {
	s := j.Settings
	augment, err := Augment(s.Augment)
	if err != nil {
		return err
	}
	j.Run = &train.Run{
		Model: j.Model, Seed: s.Seed, Epochs: s.Epochs,
		Train: dataset.Loader{Set: j.Train, Batch: s.Batch, Augment: augment},
		Valid: j.Valid, Dir: dir, SaveEvery: s.SaveEvery, LogEvery: s.LogEvery,
	}
	if j.Valid != nil {
		j.Run.Metrics = metrics(j.Train, j.Language())
	}
	if s.Patience > 0 {
		j.Run.Hooks = append(j.Run.Hooks, train.EarlyStopping{Patience: s.Patience})
	}
	if j.Run.Monitor, err = j.monitor(); err != nil {
		return err
	}
	// Loader looks at the shards, and decides on DropLast and with it on the number of batches.
	if j.Run.Optimizer, err = s.config(1, workers); err != nil {
		return err
	}
	loader := j.Run.Loader()
	if err := loader.Validate(); err != nil {
		return err
	}
	if j.Run.Optimizer, err = s.config(loader.Batches(), workers); err != nil {
		return err
	}
	j.Run.Meta, err = j.meta()
	return err
}

// metrics returns what is measured on the validation samples, besides the loss: the score that
// people look at first, and of texts those that GLUE's tasks have.
func metrics(set *dataset.Set, language bool) []train.Metric {
	switch {
	case language:
		return []train.Metric{&train.Perplexity{}, &train.TokenAccuracy{}}
	case set.Labels == nil && set.IsText():
		return []train.Metric{&train.R2{}, &train.Pearson{}, &train.Spearman{}}
	case set.Labels == nil:
		return []train.Metric{&train.R2{}}
	case set.IsText():
		return []train.Metric{&train.Accuracy{}, &train.F1{}, &train.Matthews{}}
	}
	return []train.Metric{&train.Accuracy{}}
}

// Fits reports whether a batch can be cut into so many shards: each needs a sample, and more than
// one where the model has a normalization over the batch.
func (j *Job) Fits(shards int) bool { return j.Settings.fits(shards, j.Model.MinShard()) }

// monitor returns the metric's name to train.Run.
func (j *Job) monitor() (string, error) {
	if j.Valid == nil {
		return "", nil
	}
	names := []string{"valid_loss"}
	for _, m := range j.Run.Metrics {
		names = append(names, "valid_"+strings.ReplaceAll(m.Name(), " ", "_"))
	}
	i := slices.Index(names, j.Settings.Monitor)
	if i < 0 {
		return "", fmt.Errorf("--monitor is %q, want one of %s", j.Settings.Monitor, strings.Join(names, ", "))
	}
	if i == 0 {
		return "", nil
	}
	return j.Run.Metrics[i-1].Name(), nil
}

// meta returns what the model's files say of it.
func (j *Job) meta() (checkpoint.Meta, error) {
	source, err := json.Marshal(j.Settings.Source)
	if err != nil {
		return checkpoint.Meta{}, err
	}
	meta := checkpoint.Meta{
		Model: j.Settings.Model, Input: j.Train.Shape, Classes: j.Train.Classes, ClassNames: j.Train.ClassNames, Data: j.Name,
		More: map[string]string{sourceKey: string(source)},
	}
	if j.Settings.Standardize {
		meta.Standardize = j.by.String()
	}
	if j.Train.Input != nil {
		if meta.Preprocess, err = json.Marshal(j.Train.Input); err != nil {
			return checkpoint.Meta{}, err
		}
	}
	return meta, nil
}
