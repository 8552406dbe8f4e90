package op_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/op"
)

// Gain is a user's layer. It multiplies every feature by a parameter, which begins at Initial.
type Gain struct{ Initial float32 }

// Build appends what the layer computes to a program.
func (l Gain) Build(b op.Builder, in op.Value) (op.Value, error) {
	shape := b.Shape(in)
	return b.Add(gain{features: shape.Size(), initial: l.Initial}, shape, in)
}

// gain is the op.
type gain struct {
	features  int
	initial   float32
	rectified bool // a ReLU is part of it
}

func (o gain) Traits() op.Traits {
	return op.Traits{
		Params: []op.Param{{
			Name: "gain", Shape: net.Shape{o.features}, Role: net.Norm,
			Init: func(_ *rand.Rand, p []float32) {
				for i := range p {
					p[i] = o.initial
				}
			},
		}},
		FreesOut: !o.rectified, // the next op may write over the output
	}
}

// Absorb implements op.Absorber. It absorbs a ReLU, which costs a comparison here; apart, the ReLU
// would read and write all values once more.
func (o gain) Absorb(next op.Op) op.Op {
	if o.rectified || next.Traits().Function != op.Rectify {
		return nil
	}
	o.rectified = true
	return o
}

// Prepare implements op.Preparer. It sets the gradient to 0 where the ReLU gave 0.
func (o gain) Prepare(_ *op.Call, _ []float32, _ []op.Tensor, out, dout op.Tensor) {
	if !o.rectified {
		return
	}
	for i, y := range out.Data {
		if y == 0 {
			dout.Data[i] = 0
		}
	}
}

func (o gain) Forward(_ *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	for i, x := range in[0].Data {
		y := x * p[i%o.features]
		if o.rectified {
			y = max(0, y)
		}
		out.Data[i] = y
	}
}

func (o gain) Backward(_ *op.Call, p []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	for i := range din[0].Data { // none if it isn't wanted
		din[0].Data[i] = dout.Data[i] * p[i%o.features]
	}
}

func (o gain) Gradient(c *op.Call, in []op.Tensor, _, dout op.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, x := range in[0].Data {
		g[i%o.features] += x * dout.Data[i]
	}
}

// Squares is a user's loss: half the squared distance of outputs from targets, one term a sample.
// Its predictions are the outputs.
type Squares struct{}

// Build ends the program.
func (l Squares) Build(b op.Builder, in op.Value) (op.Value, error) { return b.SetLoss(l, in) }

// Validate is called before a batch is used.
func (Squares) Validate(out net.Shape, b net.Batch) error {
	if want := b.N * out.Size(); len(b.Targets) != want {
		return fmt.Errorf("%d targets, want %d", len(b.Targets), want)
	}
	return nil
}

// Terms counts what the mean is taken over.
func (Squares) Terms(b net.Batch) int { return b.N }

// Apply sums the terms, and sets their gradient.
func (Squares) Apply(out op.Tensor, b net.Batch, scale float32, dout op.Tensor) (sum float64) {
	for i, y := range out.Data {
		difference := y - b.Targets[i]
		sum += 0.5 * float64(difference) * float64(difference)
		if dout.Wanted() {
			dout.Data[i] = scale * difference
		}
	}
	return sum
}

// Predict leaves the outputs as they are.
func (Squares) Predict(op.Tensor) {}

// A user's layers and losses compile, train and predict as those of package net do. The example
// compares their gradient with differences of the loss.
func ExampleLayer() {
	model, err := net.Compile(net.Shape{3}, net.Dense{Out: 2}, Gain{Initial: 0.5}, net.Dense{Out: 1}, Squares{})
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1)
	batch := net.Batch{
		N:       2,
		X:       []float32{1, -2, 3, 4, 0, -1},
		Targets: []float32{1, -1},
	}
	gradient := make([]float32, model.NumParams())
	if _, err := model.Gradient(params, batch, 0, gradient); err != nil {
		fmt.Println(err)
		return
	}

	// The loss is a polynomial of degree 2 in each single parameter, so central differences are
	// its slope for any step, up to rounding.
	const step = 0.25
	unused := make([]float32, model.NumParams())
	loss := func(i int, change float32) float64 {
		old := params.Values[i]
		params.Values[i] += change
		loss, _ := model.Gradient(params, batch, 0, unused)
		params.Values[i] = old
		return loss
	}
	largest := 0.0
	for i, g := range gradient {
		slope := (loss(i, step) - loss(i, -step)) / (2 * step)
		largest = max(largest, math.Abs(slope-float64(g)))
	}
	for _, view := range model.Params() {
		fmt.Printf("%-14s %.2f\n", view.Name, view.Of(gradient))
	}
	fmt.Println("wrong by more than 1e-5:", largest > 1e-5)
	// Output:
	// 0.Dense.weight [0.97 3.08 -0.08 -0.27 -0.11 -0.34]
	// 0.Dense.bias   [0.27 0.87]
	// 1.Gain.gain    [-1.29 2.77]
	// 2.Dense.weight [-1.15 0.78]
	// 2.Dense.bias   [0.98]
	// wrong by more than 1e-5: false
}

// A user's op is fused with the op behind it if it can absorb that one. Here gain absorbs a ReLU.
// Layers, parameters and results stay as written.
func ExampleAbsorber() {
	model, err := net.Compile(net.Shape{2}, Gain{Initial: -1}, net.ReLU{}, net.Dense{Out: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, o := range model.Program().Ops() {
		fmt.Println(o.Name)
	}
	// Output:
	// 0.Gain+ReLU
	// 2.Dense
}
