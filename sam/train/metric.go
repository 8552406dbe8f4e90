package train

import (
	"fmt"

	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/op"
)

// Metric measures a model on a set, some samples after the other. It serves one evaluation at a
// time: a run and its hooks may share one, two runs at once may not.
type Metric interface {
	// Name is how scores and Monitor call it, such as "accuracy".
	Name() string
	// Reset begins an evaluation. An error means that the metric doesn't suit the model or the
	// set.
	Reset(model *net.Model, set *dataset.Set) error
	// Update adds the samples of a batch. outputs is [batch.N, Model.OutputShape...]: what the
	// model computes before the loss makes predictions of it, such as logits. Those of a
	// language model have a row for each token of the batch. Update must not keep either.
	Update(outputs []float32, batch net.Batch)
	// Value returns the score of all samples since Reset.
	Value() float64
	// Better reports whether score a is better than b.
	Better(a, b float64) bool
}

const lossName = "loss"

// Loss is the mean of the model's loss over its terms.
type Loss struct {
	Sum   float64 // of the terms
	Terms int

	model *net.Model
}

// Name implements Metric.
func (*Loss) Name() string { return lossName }

// Reset implements Metric.
func (l *Loss) Reset(model *net.Model, set *dataset.Set) error {
	*l = Loss{model: model}
	return model.Loss().Validate(model.OutputShape(), net.Batch{
		N: set.Len(), Labels: set.Labels, Targets: set.Targets, Tokens: set.Tokens, Starts: set.Starts, Segments: set.Segments,
	})
}

// Update implements Metric.
func (l *Loss) Update(outputs []float32, batch net.Batch) {
	out := op.Tensor{N: batch.N, Shape: l.model.OutputShape(), Data: outputs}
	if l.model.Program().OutputSequence() {
		out.Starts = batch.Starts
	}
	l.Sum += l.model.Loss().Apply(out, batch, 1, op.Tensor{})
	l.Terms += l.model.Loss().Terms(batch)
}

// Value implements Metric.
func (l *Loss) Value() float64 { return l.Sum / float64(l.Terms) }

// Better implements Metric.
func (*Loss) Better(a, b float64) bool { return a < b }

// validate returns an error if metrics can't be told apart.
func validate(metrics []Metric) error {
	seen := map[string]string{} // names by those in the log
	for i, m := range metrics {
		if m == nil {
			return fmt.Errorf("train: metric %d is nil", i)
		}
		name := m.Name()
		switch other, ok := seen[logName(name)]; {
		case name == "":
			return fmt.Errorf("train: metric %d, a %T, has no name", i, m)
		case ok && other == name:
			return fmt.Errorf("train: two metrics are called %q", name)
		case ok:
			return fmt.Errorf("train: metrics %q and %q are both %q in the log", other, name, validPrefix+logName(name))
		}
		seen[logName(name)] = name
	}
	return nil
}

// find returns the metric of a name; "" is the loss.
func find(metrics []Metric, name string) (Metric, error) {
	if name == "" {
		name = lossName
	}
	return lookup.Row("metric", metrics, Metric.Name, name)
}
