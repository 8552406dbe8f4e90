package train_test

import (
	"context"
	"fmt"
	"math"
	"os"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// Train on the handwritten digits with mSAM, stop early, keep the files, and classify a picture.
// If the program is stopped and called again, it goes on where it was.
func Example() {
	dir, err := os.MkdirTemp("", "digits")
	check(err)
	defer os.RemoveAll(dir)

	digits, test, err := dataset.Digits()
	check(err)
	data, held, err := digits.Split(200, 1)
	check(err)
	model, err := net.Compile(data.Shape, net.Flatten{}, net.Dense{Out: 64}, net.ReLU{}, net.Dense{Out: 10})
	check(err)
	run := train.Run{
		Model: model, Seed: 1, Epochs: 20,
		Train: dataset.Loader{Set: data, Batch: 64}, Valid: held,
		Optimizer: sam.Config{Rho: 0.05, Shards: 8, Base: optim.SGD{LR: 0.05, Momentum: 0.9}},
		Metrics:   []train.Metric{&train.Accuracy{}},
		Hooks:     []train.Hook{train.EarlyStopping{Patience: 3}}, // and train.Progress(os.Stderr)
		Dir:       dir,
	}
	history, err := run.Resume(context.Background())
	check(err)

	probabilities, err := model.Predict(history.Best, test.Range(0, 1).X)
	check(err)
	fmt.Println("a", slices.Index(probabilities, slices.Max(probabilities)), "is a", test.Labels[0])
	// Output: a 0 is a 0
}

// A run that was stopped goes on in another Run, without files.
func ExampleRun_ResumeFrom() {
	set := dataset.Synthetic(net.Shape{4}, 3, 100, 1)
	model, err := net.Compile(set.Shape, net.Dense{Out: 3})
	check(err)
	newRun := func() *train.Run {
		return &train.Run{
			Model: model, Seed: 1, Epochs: 2, Train: dataset.Loader{Set: set, Batch: 10},
			Optimizer: sam.Config{Base: optim.AdamW{LR: 0.01}},
		}
	}
	whole := newRun()
	_, err = whole.Start(context.Background())
	check(err)

	first := newRun()
	first.Hooks = []train.Hook{train.HookFunc(func(at train.Moment, s *train.Status) error {
		if at == train.AfterStep && s.Epoch == 2 && s.Batch == 3 {
			return train.Stop("lunch")
		}
		return nil
	})}
	history, err := first.Start(context.Background())
	check(err)
	fmt.Printf("stopped for %s in epoch %d after %d steps\n", history.Stopped, history.Unfinished.Epoch, history.Unfinished.Steps)

	second := newRun()
	_, err = second.ResumeFrom(context.Background(), first.State())
	check(err)
	fmt.Println("the same parameters:", slices.Equal(whole.State().Params.Values, second.State().Params.Values))
	// Output:
	// stopped for lunch in epoch 2 after 3 steps
	// the same parameters: true
}

// Metrics of a test set: the accuracy, and which digits are taken for which.
func ExampleEvaluate() {
	digits, test, err := dataset.Digits()
	check(err)
	model, err := net.Compile(digits.Shape, net.Flatten{}, net.Dense{Out: 10})
	check(err)
	run := train.Run{
		Model: model, Seed: 1, Epochs: 5, Train: dataset.Loader{Set: digits, Batch: 64},
		Optimizer: sam.Config{Base: optim.SGD{LR: 0.05, Momentum: 0.9}},
	}
	history, err := run.Start(context.Background())
	check(err)
	confusion := &train.Confusion{}
	scores, err := train.Evaluate(model, history.Params, test, &train.Loss{}, &train.Accuracy{}, &train.TopK{K: 3}, confusion)
	check(err)
	fmt.Println("more than 9 of 10 are right:", scores["accuracy"] > 0.9)
	fmt.Println("nearly all are among the three highest:", scores["top-3 accuracy"] > 0.98)
	fmt.Println("zeros are taken for zeros:", confusion.Counts[0][0] > 30, "and for ones:", confusion.Counts[0][1] > 0)
	// Output:
	// more than 9 of 10 are right: true
	// nearly all are among the three highest: true
	// zeros are taken for zeros: true and for ones: false
}

// RMSE is the root of the mean squared error.
type RMSE struct {
	squares float64
	n       int
}

func (*RMSE) Name() string { return "rmse" }

func (r *RMSE) Reset(*net.Model, *dataset.Set) error {
	*r = RMSE{}
	return nil
}

func (r *RMSE) Update(outputs []float32, batch net.Batch) {
	for i, y := range outputs {
		d := float64(y) - float64(batch.Targets[i])
		r.squares += d * d
	}
	r.n += len(outputs)
}

func (r *RMSE) Value() float64         { return math.Sqrt(r.squares / float64(r.n)) }
func (*RMSE) Better(a, b float64) bool { return a < b }

// A metric of one's own chooses the best epoch.
func ExampleMetric() {
	line := &dataset.Set{Name: "line", Shape: net.Shape{1}, X: []float32{-1, -0.5, 0, 0.5, 1}, Targets: []float32{-2, -0.5, 1, 2.5, 4}}
	model, err := net.Compile(line.Shape, net.Dense{Out: 1}, net.MSE{})
	check(err)
	run := train.Run{
		Model: model, Epochs: 100, Train: dataset.Loader{Set: line, Batch: 5}, Valid: line,
		Optimizer: sam.Config{Base: optim.SGD{LR: 0.3}},
		Metrics:   []train.Metric{&RMSE{}}, Monitor: "rmse",
	}
	history, err := run.Start(context.Background())
	check(err)
	fmt.Printf("rmse %.3f\n", history.Epochs[history.BestEpoch-1].Valid["rmse"])
	y, err := model.Predict(history.Best, []float32{2})
	check(err)
	fmt.Printf("at 2 the line is at %.2f\n", y[0])
	// Output:
	// rmse 0.000
	// at 2 the line is at 7.00
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
