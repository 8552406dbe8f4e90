package optim_test

import (
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
)

// line is the problem of the examples: find weight and bias of a line through points. A model's
// views are net.Model.Params.
var line = []net.View{
	{Param: op.Param{Name: "weight", Shape: net.Shape{1}, Role: net.Weight}, Offset: 0},
	{Param: op.Param{Name: "bias", Shape: net.Shape{1}, Role: net.Bias}, Offset: 1},
}

// slopes sets gradient to that of the mean squared error of the line through points of y = 2x - 1.
func slopes(gradient, params []float32) {
	clear(gradient)
	points := []float32{-1, 0, 1, 2}
	for _, x := range points {
		miss := params[0]*x + params[1] - (2*x - 1)
		gradient[0] += 2 * miss * x / float32(len(points))
		gradient[1] += 2 * miss / float32(len(points))
	}
}

// Train with momentum and a cosine schedule.
func Example() {
	params, gradient := make([]float32, 2), make([]float32, 2)
	opt, err := optim.New(line, params, optim.Config{
		Rule:     optim.SGD{LR: 0.1, Momentum: 0.9},
		Schedule: optim.Cosine{Steps: 200},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 200 {
		slopes(gradient, params)
		if _, err := opt.Step(gradient); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Printf("y = %.3f x %+.3f\n", params[0], params[1])
	// Output: y = 2.000 x -1.000
}

// Lion (Chen et al., arXiv 2302.06675) moves each weight by the same amount, in the direction of
// the sign of a mean of gradients. It keeps one state vector.
type Lion struct{ LR, Beta1, Beta2, WeightDecay float64 }

func (l Lion) Validate() error {
	if !(l.LR > 0 && l.Beta1 > 0 && l.Beta1 < 1 && l.Beta2 > 0 && l.Beta2 < 1 && l.WeightDecay >= 0) {
		return fmt.Errorf("%+v: want LR > 0, betas between 0 and 1, and WeightDecay >= 0", l)
	}
	return nil
}

func (l Lion) Hyper() optim.Hyper {
	return optim.Hyper{LearningRate: l.LR, WeightDecay: l.WeightDecay}
}

func (l Lion) StateVectors() int { return 1 }

func (l Lion) Update(s optim.Step, w, g []float32, state [][]float32) {
	m := state[0]
	lr, decay := float32(s.LearningRate), float32(s.WeightDecay)
	b1, b2 := float32(l.Beta1), float32(l.Beta2)
	for i := range w {
		d := s.GradScale * g[i]
		direction := float32(0)
		switch c := b1*m[i] + (1-b1)*d; {
		case c > 0:
			direction = 1
		case c < 0:
			direction = -1
		}
		w[i] -= lr * (direction + decay*w[i])
		m[i] = b2*m[i] + (1-b2)*d
	}
}

// An optimizer of your own is a type with four methods. It gets schedules, groups, clipping, saved
// state and several workers from the Optimizer.
func ExampleRule() {
	params, gradient := make([]float32, 2), make([]float32, 2)
	opt, err := optim.New(line, params, optim.Config{
		Rule:     Lion{LR: 0.05, Beta1: 0.9, Beta2: 0.99, WeightDecay: 0.01},
		Schedule: optim.Linear{Steps: 300, From: 1, To: 0},
		Groups:   []optim.Group{optim.NoDecay(net.Weight, net.Bias)},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 300 {
		slopes(gradient, params)
		if _, err := opt.Step(gradient); err != nil {
			fmt.Println(err)
			return
		}
	}
	fmt.Printf("y = %.2f x %+.2f\n", params[0], params[1])
	// Output: y = 2.00 x -1.00
}

// Exclude biases and normalizations from weight decay, and fine-tune: freeze the first layer and
// train the second at a tenth of the learning rate.
func ExampleGroup() {
	model, err := net.Compile(net.Shape{4},
		net.Dense{Out: 8}, net.ReLU{}, net.Dense{Out: 8}, net.ReLU{}, net.Dense{Out: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	opt, err := optim.New(model.Params(), model.Init(1).Values, optim.Config{
		Rule: optim.AdamW{LR: 0.001, WeightDecay: 0.01},
		Groups: []optim.Group{
			optim.NoDecay(net.Bias, net.Norm),
			{Match: optim.Names("0.*"), Frozen: true},
			{Match: optim.Names("2.*"), LRFactor: 0.1},
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range opt.Ranges() {
		fmt.Printf("%3d to %3d: learning rate x %v, weight decay %v, frozen %v\n", r.From, r.To, r.LRFactor, r.WeightDecay, r.Frozen)
	}
	// Output:
	//   0 to  32: learning rate x 1, weight decay 0.01, frozen true
	//  32 to  40: learning rate x 1, weight decay 0, frozen true
	//  40 to 104: learning rate x 0.1, weight decay 0.01, frozen false
	// 104 to 112: learning rate x 0.1, weight decay 0, frozen false
	// 112 to 136: learning rate x 1, weight decay 0.01, frozen false
	// 136 to 139: learning rate x 1, weight decay 0, frozen false
}

// A step whose result would not be finite is refused, and leaves everything as it was.
func ExampleOptimizer_Step() {
	params := []float32{3, 1}
	opt, err := optim.New(line, params, optim.Config{Rule: optim.SGD{LR: 1e30}})
	if err != nil {
		fmt.Println(err)
		return
	}
	_, err = opt.Step([]float32{0, 1e9})
	fmt.Println(errors.Is(err, optim.ErrRefused), params, opt.Steps())
	// Output: true [3 1] 0
}

// Save the state with the parameters, and go on with both as if the run had never stopped.
func ExampleOptimizer_Restore() {
	cfg := optim.Config{Rule: optim.AdamW{LR: 0.1}, Schedule: optim.Cosine{Steps: 100}}
	gradient := make([]float32, 2)
	run := func(opt *optim.Optimizer, params []float32, steps int) {
		for range steps {
			slopes(gradient, params)
			if _, err := opt.Step(gradient); err != nil {
				fmt.Println(err)
			}
		}
	}
	params := make([]float32, 2)
	whole, err := optim.New(line, params, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	run(whole, params, 40)
	saved, savedParams := whole.State(), append([]float32{}, params...)
	run(whole, params, 60)

	resumed, err := optim.New(line, savedParams, cfg)
	if err != nil {
		fmt.Println(err)
		return
	}
	if err := resumed.Restore(saved); err != nil {
		fmt.Println(err)
		return
	}
	run(resumed, savedParams, 60)
	fmt.Println(params[0] == savedParams[0], params[1] == savedParams[1])
	// Output: true true
}
