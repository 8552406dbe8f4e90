package net_test

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/steppe-ml/steppe/net"
)

// Gain is a layer of one's own: it multiplies every feature by a parameter,
// which begins at Initial.
type Gain struct{ Initial float32 }

// Build appends what the layer computes to a program.
func (l Gain) Build(b *net.Builder, in net.Value) (net.Value, error) {
	shape := b.Shape(in)
	return b.Add(gain{features: shape.Size(), initial: l.Initial}, shape, in)
}

// gain is the op. It says what the executor may do with its operands, and
// knows its gradients.
type gain struct {
	features int
	initial  float32
}

func (o gain) Traits() net.Traits {
	return net.Traits{
		Params: []net.Param{{
			Name: "gain", Shape: net.Shape{o.features}, Role: net.Norm,
			Init: func(_ *rand.Rand, p []float32) {
				for i := range p {
					p[i] = o.initial
				}
			},
		}},
		FreesOut: true, // what follows may write over the output
	}
}

func (o gain) Forward(_ *net.Call, p []float32, in []net.Tensor, out net.Tensor) {
	for i, x := range in[0].Data {
		out.Data[i] = x * p[i%o.features]
	}
}

func (o gain) Backward(_ *net.Call, p []float32, _ []net.Tensor, _, dout net.Tensor, din []net.Tensor) {
	for i := range din[0].Data { // none if it isn't wanted
		din[0].Data[i] = dout.Data[i] * p[i%o.features]
	}
}

func (o gain) Gradient(c *net.Call, in []net.Tensor, _, dout net.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, x := range in[0].Data {
		g[i%o.features] += x * dout.Data[i]
	}
}

// Squares is a loss of one's own: half the squared distance of outputs from
// targets, one term a sample. Its predictions are the outputs.
type Squares struct{}

// Build ends the program.
func (l Squares) Build(b *net.Builder, in net.Value) (net.Value, error) { return b.SetLoss(l, in) }

// Check is asked before a batch is used.
func (Squares) Check(out net.Shape, b net.Batch) error {
	if want := b.N * out.Size(); len(b.Targets) != want {
		return fmt.Errorf("%d targets, want %d", len(b.Targets), want)
	}
	return nil
}

// Terms counts what the mean is taken over.
func (Squares) Terms(b net.Batch) int { return b.N }

// Apply sums the terms, and sets their gradient.
func (Squares) Apply(out net.Tensor, b net.Batch, scale float32, dout net.Tensor) (sum float64) {
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
func (Squares) Predict(net.Tensor) {}

// flatGradient receives the gradient of a single shard, in the layout of the
// parameters.
type flatGradient struct {
	ops []net.OpInfo
	g   []float32
}

func (f flatGradient) Of(op, _ int) (g []float32, add bool) {
	info := f.ops[op]
	return f.g[info.Offset:][:info.Params], false
}

// Layers and losses of one's own compile, train and predict as those of the
// package do. Here a gradient is held against differences of the loss.
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
	if err := model.Check(batch); err != nil {
		fmt.Println(err)
		return
	}

	gradient := flatGradient{model.Ops(), make([]float32, model.NumParams())}
	pass := &net.Pass{
		Batch: batch, Shards: []net.Shard{{First: 0, N: batch.N}}, Means: true, Train: true,
		Params: params.Values, Gradients: gradient, Losses: make([]float64, 1),
	}
	work := model.NewWorkspace(net.Size{Samples: batch.N, Shards: 1, Shard: batch.N, Backward: true}, nil)
	work.Forward(pass)
	work.Backward(pass)

	// The loss is a polynomial of degree 2 in each single parameter, so these
	// differences are its slope whatever the step, but for rounding.
	const step = 0.25
	loss := func(i int, change float32) float64 {
		old := params.Values[i]
		params.Values[i] += change
		work.Forward(pass)
		params.Values[i] = old
		return pass.Losses[0] / float64(batch.N) // of the sum of the terms, the mean
	}
	largest := 0.0
	for i, g := range gradient.g {
		slope := (loss(i, step) - loss(i, -step)) / (2 * step)
		largest = max(largest, math.Abs(slope-float64(g)))
	}
	for _, view := range model.Params() {
		fmt.Printf("%-14s %.2f\n", view.Name, view.Of(gradient.g))
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
