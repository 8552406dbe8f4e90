package program_test

import (
	"fmt"
	"math"
	"strings"

	"github.com/steppe-ml/steppe/internal/program"
	"github.com/steppe-ml/steppe/internal/ref"
	"github.com/steppe-ml/steppe/net/op"
)

// build is a layer in a function.
type build func(b op.Builder, in op.Value) (op.Value, error)

func (l build) Build(b op.Builder, in op.Value) (op.Value, error) { return l(b, in) }

// The ops below are those of the tests: one for each way in which an op may use its operands. Each
// computes in float64, too, for the oracle.
type op64 interface {
	forward64(call, sample int, p []float64, in [][]float64) []float64
}

// sumOp adds its inputs. In place, its output lies where the first is.
type sumOp struct{ inPlace bool }

func (o sumOp) Traits() op.Traits { return op.Traits{InPlace: o.inPlace, FreesOut: true} }

func (sumOp) Forward(_ *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	for i := range out.Data {
		sum := in[0].Data[i]
		for _, t := range in[1:] {
			sum += t.Data[i]
		}
		out.Data[i] = sum
	}
}

func (sumOp) Backward(_ *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	for _, d := range din {
		copy(d.Data, dout.Data)
	}
}

func (sumOp) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}

func (sumOp) forward64(_, _ int, _ []float64, in [][]float64) []float64 {
	out := make([]float64, len(in[0]))
	for _, x := range in {
		out = ref.Axpy(1, x, out)
	}
	return out
}

// mulOp multiplies two inputs, which it needs again.
type mulOp struct{}

func (mulOp) Traits() op.Traits { return op.Traits{FreesOut: true} }

func (mulOp) Forward(_ *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	for i := range out.Data {
		out.Data[i] = in[0].Data[i] * in[1].Data[i]
	}
}

func (mulOp) Backward(_ *op.Call, _ []float32, in []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	for j, d := range din {
		for i := range d.Data {
			d.Data[i] = dout.Data[i] * in[1-j].Data[i]
		}
	}
}

func (mulOp) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}

func (mulOp) forward64(_, _ int, _ []float64, in [][]float64) (out []float64) {
	for i, v := range in[0] {
		out = append(out, v*in[1][i])
	}
	return out
}

// biasOp adds parameters, in place. It may ask for a deferred gradient.
type biasOp struct {
	features int
	deferred bool
}

func (o biasOp) Traits() op.Traits {
	return op.Traits{
		Params:  []op.Param{{Name: "bias", Shape: op.Shape{o.features}, Role: op.Bias}},
		InPlace: true, FreesOut: true, Deferred: o.deferred,
	}
}

func (o biasOp) Forward(_ *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	for i, v := range in[0].Data {
		out.Data[i] = v + p[i%o.features]
	}
}

func (biasOp) Backward(_ *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	copy(din[0].Data, dout.Data)
}

func (o biasOp) Gradient(c *op.Call, _ []op.Tensor, _, dout op.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, v := range dout.Data {
		g[i%o.features] += v
	}
}

func (biasOp) forward64(_, _ int, p []float64, in [][]float64) []float64 {
	return ref.Axpy(1, p, in[0])
}

// bendOp adds parameters and bends the sum, max(y, y/4), which its gradient reads in its output:
// that is kept for a deferred gradient, too.
type bendOp struct{ features int }

func (o bendOp) Traits() op.Traits {
	return op.Traits{Params: []op.Param{{Name: "bias", Shape: op.Shape{o.features}, Role: op.Bias}}, InPlace: true, Deferred: true}
}

func (o bendOp) Forward(_ *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	for i, v := range in[0].Data {
		v += p[i%o.features]
		out.Data[i] = max(v, v/4)
	}
}

func (o bendOp) Backward(_ *op.Call, _ []float32, _ []op.Tensor, out, dout op.Tensor, din []op.Tensor) {
	for i := range din[0].Data {
		din[0].Data[i] = dout.Data[i] * o.slope(out.Data[i])
	}
}

func (bendOp) slope(y float32) float32 {
	if y > 0 {
		return 1
	}
	return 0.25
}

func (o bendOp) Gradient(c *op.Call, _ []op.Tensor, out, dout op.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, v := range dout.Data {
		g[i%o.features] += v * o.slope(out.Data[i])
	}
}

func (bendOp) forward64(_, _ int, p []float64, in [][]float64) (out []float64) {
	for _, v := range ref.Axpy(1, p, in[0]) {
		out = append(out, math.Max(v, v/4))
	}
	return out
}

// scaleOp multiplies by parameters, for whose gradient it keeps its inputs in Aux, so that it works
// in place.
type scaleOp struct{ features int }

func (o scaleOp) Traits() op.Traits {
	return op.Traits{
		Params:  []op.Param{{Name: "scale", Shape: op.Shape{o.features}, Role: op.Norm}},
		Aux:     op.Aux{Sample: o.features},
		InPlace: true, FreesOut: true,
	}
}

func (o scaleOp) Forward(c *op.Call, p []float32, in []op.Tensor, out op.Tensor) {
	if len(c.Aux) != in[0].N*o.features {
		panic("Aux of another length than Traits.Aux says")
	}
	copy(c.Aux, in[0].Data)
	for i, v := range c.Aux {
		out.Data[i] = v * p[i%o.features]
	}
}

func (o scaleOp) Backward(_ *op.Call, p []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	for i := range din[0].Data {
		din[0].Data[i] = dout.Data[i] * p[i%o.features]
	}
}

func (o scaleOp) Gradient(c *op.Call, _ []op.Tensor, _, dout op.Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, v := range dout.Data {
		g[i%o.features] += v * c.Aux[i]
	}
}

func (scaleOp) forward64(_, _ int, p []float64, in [][]float64) []float64 {
	return mulOp{}.forward64(0, 0, nil, [][]float64{p, in[0]})
}

// maskOp drops elements by random bits of the call: a function of where in the batch the sample is,
// and of nothing that the executor decides.
type maskOp struct{ features int }

func (maskOp) Traits() op.Traits { return op.Traits{InPlace: true, FreesOut: true} }

// keeps is 0 or 2, by bits that any hash will do for.
func (maskOp) keeps(seed, step uint64, op, sample, element int) float32 {
	h := seed*0x9e3779b97f4a7c15 ^ step*0xbf58476d1ce4e5b9 ^ uint64(op)<<40 ^ uint64(sample)<<20 ^ uint64(element)
	h = (h ^ h>>31) * 0x94d049bb133111eb
	return float32(h >> 63 << 1)
}

func (o maskOp) apply(c *op.Call, to, from []float32) {
	for i := range to {
		to[i] = from[i] * o.keeps(c.Seed, c.Step, c.Op, c.First+i/o.features, i%o.features)
	}
}

func (o maskOp) Forward(c *op.Call, _ []float32, in []op.Tensor, out op.Tensor) {
	o.apply(c, out.Data, in[0].Data)
}

func (o maskOp) Backward(c *op.Call, _ []float32, _ []op.Tensor, _, dout op.Tensor, din []op.Tensor) {
	o.apply(c, din[0].Data, dout.Data)
}

func (maskOp) Gradient(*op.Call, []op.Tensor, op.Tensor, op.Tensor, []float32) {}

const maskSeed, maskStep = 7, 3

func (o maskOp) forward64(call, sample int, _ []float64, in [][]float64) (out []float64) {
	for i, v := range in[0] {
		out = append(out, v*float64(o.keeps(maskSeed, maskStep, call, sample, i)))
	}
	return out
}

// forward64 is what an op computes for a sample, in float64: one of the tests', or of the layers
// Dense and ReLU.
func forward64(n program.Node, call, sample int, p []float64, in [][]float64) []float64 {
	if o, ok := n.Op.(op64); ok {
		return o.forward64(call, sample, p, in)
	}
	if n.Traits.Function == op.Rectify {
		return rectified(in[0])
	}
	w := n.Traits.Params[0].Shape
	out := ref.Dense{In: w[0], Out: w[1]}.Forward(p, in)[0]
	if strings.HasSuffix(n.Name, "+ReLU") {
		return rectified(out)
	}
	return out
}

func rectified(x []float64) (out []float64) {
	for _, v := range x {
		out = append(out, math.Max(0, v))
	}
	return out
}

// loss64 is the mean loss of a shard as the program has it, in float64, each value in memory of its
// own.
func loss64(m *program.Program, p []float64, b op.Batch, s program.Shard) float64 {
	var outputs [][]float64
	for i := s.First; i < s.First+s.N; i++ {
		values := make([][]float64, m.NumValues())
		values[0] = ref.Float64s(b.Slice(i, 1).X)
		for call, n := range m.Nodes() {
			var in [][]float64
			for _, v := range n.In {
				in = append(in, values[m.Base(v)])
			}
			values[n.Out] = forward64(n, call, i, p[n.Params.From:n.Params.To], in)
		}
		outputs = append(outputs, values[m.Base(op.Value(m.NumValues()-1))])
	}
	loss, _ := ref.Net{}.Gradient(nil, outputs, b.Labels[s.First:][:s.N])
	return loss
}

// gradient64 is the gradient of loss64 by central differences, whose error is about 1e-16/h + h^2.
func gradient64(m *program.Program, p []float64, b op.Batch, s program.Shard) (g []float64) {
	const h = 1e-7
	for i, v := range p {
		p[i] = v + h
		above := loss64(m, p, b, s)
		p[i] = v - h
		below := loss64(m, p, b, s)
		p[i] = v
		g = append(g, (above-below)/(2*h))
	}
	return g
}

// chain builds layers one behind the other, called after their place in the program.
func chain(b op.Builder, v op.Value, layers ...op.Layer) (op.Value, error) {
	return b.Inner(fmt.Sprint(b.(*program.Builder).Ops()), build(func(b op.Builder, in op.Value) (op.Value, error) {
		return b.Chain(in, layers...)
	}), v)
}

// add is b.Add of an op called after its place in the program.
func add(b op.Builder, o op.Op, out op.Shape, in ...op.Value) (op.Value, error) {
	return b.Inner(fmt.Sprint(b.(*program.Builder).Ops()), build(func(b op.Builder, _ op.Value) (op.Value, error) {
		return b.Add(o, out, in...)
	}), in[0])
}
