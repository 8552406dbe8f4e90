package sam_test

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/sam/train"
)

// digits returns the handwritten digits, and a small model for them.
func digits() (data, test *dataset.Set, model *net.Model) {
	data, test, err := dataset.Digits()
	if err != nil {
		panic(err)
	}
	model, err = net.Compile(data.Shape,
		net.Flatten{}, net.Dense{Out: 64}, net.ReLU{}, net.Dense{Out: data.Classes})
	if err != nil {
		panic(err)
	}
	return data, test, model
}

// fit trains for some epochs, and returns the accuracy on the test set.
func fit(cfg sam.Config, epochs uint64) float64 {
	data, test, model := digits()
	params := model.Init(1)
	opt, err := sam.New(model, params, cfg)
	if err != nil {
		panic(err)
	}
	for epoch := range epochs {
		for batch, err := range data.Batches(cfg.Batch, 1, epoch) {
			if err != nil {
				panic(err)
			}
			if _, err := opt.Step(batch); err != nil {
				panic(err)
			}
		}
	}
	scores, err := train.Evaluate(model, params, test, &train.Accuracy{})
	if err != nil {
		panic(err)
	}
	return scores["accuracy"]
}

// Train on the handwritten digits with mSAM, and test. Package train has this loop, and
// more.
func Example() {
	accuracy := fit(sam.Config{
		Rho: 0.05, Shards: 8,
		Base:  optim.SGD{LR: 0.05, Momentum: 0.9},
		Batch: 64, Seed: 1,
	}, 10)
	fmt.Println("accuracy above 0.95:", accuracy > 0.95)
	// Output: accuracy above 0.95: true
}

// Signum moves every parameter by the learning rate, against the sign of the mean
// gradient (Bernstein et al., arXiv 1802.04434).
type Signum struct{ LR, Beta float64 }

// Validate implements optim.Rule.
func (s Signum) Validate() error {
	if !(s.LR > 0 && s.Beta >= 0 && s.Beta < 1) {
		return fmt.Errorf("%+v, want LR > 0 and 0 <= Beta < 1", s)
	}
	return nil
}

// Hyper implements optim.Rule.
func (s Signum) Hyper() optim.Hyper { return optim.Hyper{LearningRate: s.LR} }

// StateVectors implements optim.Rule.
func (Signum) StateVectors() int { return 1 }

// Update implements optim.Rule.
func (s Signum) Update(at optim.Step, w, g []float32, state [][]float32) {
	mean, lr, beta := state[0], float32(at.LearningRate), float32(s.Beta)
	for i := range w {
		mean[i] = float32(beta*mean[i]) + float32((1-beta)*at.GradScale*g[i])
		if mean[i] != 0 {
			w[i] -= float32(math.Copysign(float64(lr), float64(mean[i])))
		}
	}
}

// An optimizer of one's own trains with mSAM like the others: with schedules and groups,
// the state saved, on any number of cores.
func ExampleConfig_rule() {
	accuracy := fit(sam.Config{
		Rho: 0.05, Shards: 8,
		Base:       Signum{LR: 0.003, Beta: 0.9},
		LRSchedule: optim.Cosine{Steps: 10 * 23},
		Groups:     []optim.Group{{Match: optim.Roles(net.Bias), LRFactor: 2}},
		Batch:      64, Seed: 1,
	}, 10)
	fmt.Println("accuracy above 0.95:", accuracy > 0.95)
	// Output: accuracy above 0.95: true
}

// An optimizer's state, with the parameters and the place in the data, lets a run go on
// bit for bit.
func ExampleOptimizer_Restore() {
	data, _, model := digits()
	cfg := sam.Config{Rho: 0.05, Shards: 4, Base: optim.AdamW{LR: 0.001}, Batch: 64}
	steps := func(opt *sam.Optimizer, from, to int) {
		number := 0
		for batch, err := range data.Batches(64, 1, 0) {
			if err != nil {
				panic(err)
			}
			if number >= from && number < to {
				if _, err := opt.Step(batch); err != nil {
					panic(err)
				}
			}
			number++
		}
	}
	params := model.Init(1)
	opt, err := sam.New(model, params, cfg)
	if err != nil {
		panic(err)
	}
	steps(opt, 0, 10)
	state, saved := opt.State(), params.Clone() // as they would be written to a file
	steps(opt, 10, 20)

	again, err := sam.New(model, saved, cfg)
	if err != nil {
		panic(err)
	}
	if err := again.Restore(state); err != nil {
		panic(err)
	}
	steps(again, 10, 20)
	same := true
	for i, v := range params.Values {
		same = same && v == saved.Values[i]
	}
	fmt.Println("the same bits:", same)
	// Output: the same bits: true
}
