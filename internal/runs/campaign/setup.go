package campaign

import (
	"math"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/simd"
)

// Setup is what a study of a model on data is made of. `steppe compare` and `steppe study` make
// their studies by it, so that each goes on from the other's results.
type Setup struct {
	ModelName   string
	Model       *net.Model
	Data        string // name of the data
	Train, Test *dataset.Set
	Validation  float64 // fraction of Train that the first stage holds back

	Epochs, Batch int
	Schedule      string
	Warmup        float64 // epochs, of Epochs
	Augment       []string
	Standardize   bool

	Optimizer runs.Optimizer
	Base      runs.Settings // of the base optimizer, but for its learning rate

	Grid study.Grid
}

// Study returns the study, which its Validate hasn't seen yet.
func (s Setup) Study() (*study.Study, error) {
	augment, err := runs.Augment(s.Augment)
	if err != nil {
		return nil, err
	}
	if _, err := runs.LRSchedule(s.Schedule, 0, 1, 1); err != nil {
		return nil, err
	}
	sum, err := study.Sum(s.Train, s.Test)
	if err != nil {
		return nil, err
	}
	of := &study.Study{
		Recipe: study.Recipe{
			Model: s.ModelName, Data: s.Data, DataSum: sum,
			Samples: s.Train.Len(), Validation: int(math.Round(s.Validation * float64(s.Train.Len()))),
			Epochs: s.Epochs, Batch: s.Batch, Schedule: s.Schedule, Warmup: s.Warmup,
			Augment: append([]string{}, s.Augment...), Standardize: s.Standardize,
			WeightDecay: s.Base.WeightDecay, ISA: simd.Active().Arithmetic().String(),
		},
		Grid: s.Grid, Model: s.Model, Train: s.Train, Test: s.Test, Augment: augment, Schedule: s.lrSchedule,
	}
	// Of SGD it says what it said before there was another, so that older folders go on.
	if s.Optimizer.Name == "sgd" {
		of.Recipe.Momentum = s.Base.Momentum
	} else {
		of.Recipe.Optimizer, of.Base, of.BaseTitle = s.Optimizer.Name, s.Rule, s.Optimizer.Title
	}
	return of, nil
}

// lrSchedule is study.Study.Schedule. In runs of other epochs the warm-up has the same part.
func (s Setup) lrSchedule(epochs, batches int) optim.Schedule {
	warmup := s.Warmup
	if epochs != s.Epochs {
		warmup *= float64(epochs) / float64(s.Epochs)
	}
	schedule, _ := runs.LRSchedule(s.Schedule, warmup, epochs, batches) // Study has tried
	return schedule
}

// Rule returns the base optimizer of a learning rate.
func (s Setup) Rule(lr float64) optim.Rule {
	base := s.Base
	base.LR = lr
	return s.Optimizer.Rule(&base)
}
