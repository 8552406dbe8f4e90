package net

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/internal/ref"
)

// build is a layer in a function.
type build func(b *Builder, in Value) (Value, error)

func (l build) Build(b *Builder, in Value) (Value, error) { return l(b, in) }

// The ops below are those of the tests: one for each way in which an op may
// use its operands. Each computes in float64, too, for the oracle.
type op64 interface {
	forward64(call, sample int, p []float64, in [][]float64) []float64
}

// sumOp adds its inputs. In place, its output lies where the first is.
type sumOp struct{ inPlace bool }

func (o sumOp) Traits() Traits { return Traits{InPlace: o.inPlace, FreesOut: true} }

func (sumOp) Forward(_ *Call, _ []float32, in []Tensor, out Tensor) {
	for i := range out.Data {
		sum := in[0].Data[i]
		for _, t := range in[1:] {
			sum += t.Data[i]
		}
		out.Data[i] = sum
	}
}

func (sumOp) Backward(_ *Call, _ []float32, _ []Tensor, _, dout Tensor, din []Tensor) {
	for _, d := range din {
		copy(d.Data, dout.Data)
	}
}

func (sumOp) Gradient(*Call, []Tensor, Tensor, Tensor, []float32) {}

func (sumOp) forward64(_, _ int, _ []float64, in [][]float64) []float64 {
	out := make([]float64, len(in[0]))
	for _, x := range in {
		out = axpy(1, x, out)
	}
	return out
}

// mulOp multiplies two inputs, which it needs again.
type mulOp struct{}

func (mulOp) Traits() Traits { return Traits{FreesOut: true} }

func (mulOp) Forward(_ *Call, _ []float32, in []Tensor, out Tensor) {
	for i := range out.Data {
		out.Data[i] = in[0].Data[i] * in[1].Data[i]
	}
}

func (mulOp) Backward(_ *Call, _ []float32, in []Tensor, _, dout Tensor, din []Tensor) {
	for j, d := range din {
		for i := range d.Data {
			d.Data[i] = dout.Data[i] * in[1-j].Data[i]
		}
	}
}

func (mulOp) Gradient(*Call, []Tensor, Tensor, Tensor, []float32) {}

func (mulOp) forward64(_, _ int, _ []float64, in [][]float64) (out []float64) {
	for i, v := range in[0] {
		out = append(out, v*in[1][i])
	}
	return out
}

// biasOp adds parameters, in place. It may ask for a late gradient.
type biasOp struct {
	features int
	late     bool
}

func (o biasOp) Traits() Traits {
	return Traits{
		Params:  []Param{{Name: "bias", Shape: Shape{o.features}, Role: Bias}},
		InPlace: true, FreesOut: true, Late: o.late,
	}
}

func (o biasOp) Forward(_ *Call, p []float32, in []Tensor, out Tensor) {
	for i, v := range in[0].Data {
		out.Data[i] = v + p[i%o.features]
	}
}

func (biasOp) Backward(_ *Call, _ []float32, _ []Tensor, _, dout Tensor, din []Tensor) {
	copy(din[0].Data, dout.Data)
}

func (o biasOp) Gradient(c *Call, _ []Tensor, _, dout Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, v := range dout.Data {
		g[i%o.features] += v
	}
}

func (biasOp) forward64(_, _ int, p []float64, in [][]float64) []float64 { return axpy(1, p, in[0]) }

// bendOp adds parameters and bends the sum, max(y, y/4), which its gradient
// reads in its output: that is kept for a late gradient, too.
type bendOp struct{ features int }

func (o bendOp) Traits() Traits {
	return Traits{Params: []Param{{Name: "bias", Shape: Shape{o.features}, Role: Bias}}, InPlace: true, Late: true}
}

func (o bendOp) Forward(_ *Call, p []float32, in []Tensor, out Tensor) {
	for i, v := range in[0].Data {
		v += p[i%o.features]
		out.Data[i] = max(v, v/4)
	}
}

func (o bendOp) Backward(_ *Call, _ []float32, _ []Tensor, out, dout Tensor, din []Tensor) {
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

func (o bendOp) Gradient(c *Call, _ []Tensor, out, dout Tensor, g []float32) {
	if !c.Accumulate {
		clear(g)
	}
	for i, v := range dout.Data {
		g[i%o.features] += v * o.slope(out.Data[i])
	}
}

func (bendOp) forward64(_, _ int, p []float64, in [][]float64) (out []float64) {
	for _, v := range axpy(1, p, in[0]) {
		out = append(out, math.Max(v, v/4))
	}
	return out
}

// scaleOp multiplies by parameters, for whose gradient it keeps its inputs in
// Aux, so that it works in place.
type scaleOp struct{ features int }

func (o scaleOp) Traits() Traits {
	return Traits{
		Params:  []Param{{Name: "scale", Shape: Shape{o.features}, Role: Norm}},
		Aux:     Aux{Sample: o.features},
		InPlace: true, FreesOut: true,
	}
}

func (o scaleOp) Forward(c *Call, p []float32, in []Tensor, out Tensor) {
	if len(c.Aux) != in[0].N*o.features {
		panic("Aux of another length than Traits.Aux says")
	}
	copy(c.Aux, in[0].Data)
	for i, v := range c.Aux {
		out.Data[i] = v * p[i%o.features]
	}
}

func (o scaleOp) Backward(_ *Call, p []float32, _ []Tensor, _, dout Tensor, din []Tensor) {
	for i := range din[0].Data {
		din[0].Data[i] = dout.Data[i] * p[i%o.features]
	}
}

func (o scaleOp) Gradient(c *Call, _ []Tensor, _, dout Tensor, g []float32) {
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

// maskOp drops elements by random bits of the call: a function of where in the
// batch the sample is, and of nothing that the executor decides.
type maskOp struct{ features int }

func (maskOp) Traits() Traits { return Traits{InPlace: true, FreesOut: true} }

// keeps is 0 or 2, by bits that any hash will do for.
func (maskOp) keeps(seed, step uint64, op, sample, element int) float32 {
	h := seed*0x9e3779b97f4a7c15 ^ step*0xbf58476d1ce4e5b9 ^ uint64(op)<<40 ^ uint64(sample)<<20 ^ uint64(element)
	h = (h ^ h>>31) * 0x94d049bb133111eb
	return float32(h >> 63 << 1)
}

func (o maskOp) apply(c *Call, to, from []float32) {
	for i := range to {
		to[i] = from[i] * o.keeps(c.Seed, c.Step, c.Op, c.First+i/o.features, i%o.features)
	}
}

func (o maskOp) Forward(c *Call, _ []float32, in []Tensor, out Tensor) {
	o.apply(c, out.Data, in[0].Data)
}

func (o maskOp) Backward(c *Call, _ []float32, _ []Tensor, _, dout Tensor, din []Tensor) {
	o.apply(c, din[0].Data, dout.Data)
}

func (maskOp) Gradient(*Call, []Tensor, Tensor, Tensor, []float32) {}

const maskSeed, maskStep = 7, 3

func (o maskOp) forward64(call, sample int, _ []float64, in [][]float64) (out []float64) {
	for i, v := range in[0] {
		out = append(out, v*float64(o.keeps(maskSeed, maskStep, call, sample, i)))
	}
	return out
}

func (d dense) forward64(_, _ int, p []float64, in [][]float64) []float64 {
	out := ref.Dense{In: d.in, Out: d.out}.Forward(p, in)[0]
	if d.relu {
		return relu{}.forward64(0, 0, nil, [][]float64{out})
	}
	return out
}

func (relu) forward64(_, _ int, _ []float64, in [][]float64) (out []float64) {
	for _, v := range in[0] {
		out = append(out, math.Max(0, v))
	}
	return out
}

// loss64 is the mean loss of a shard as the program has it, in float64, each
// value in memory of its own.
func loss64(m *Model, p []float64, b Batch, s Shard) float64 {
	var outputs [][]float64
	for i := s.First; i < s.First+s.N; i++ {
		values := make([][]float64, len(m.shapes))
		values[0] = ref.Float64s(b.Slice(i, 1).X)
		for call, n := range m.nodes {
			var in [][]float64
			for _, v := range n.in {
				in = append(in, values[m.base[v]])
			}
			values[n.out] = n.op.(op64).forward64(call, i, p[n.params.from:n.params.to], in)
		}
		outputs = append(outputs, values[m.base[len(m.base)-1]])
	}
	loss, _ := ref.Net{}.Gradient(nil, outputs, b.Labels[s.First:][:s.N])
	return loss
}

// gradient64 is the gradient of loss64 by central differences, whose error is
// about 1e-16/h + h^2.
func gradient64(m *Model, p []float64, b Batch, s Shard) (g []float64) {
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
func chain(b *Builder, v Value, layers ...Layer) (Value, error) {
	return b.Inner(fmt.Sprint(len(b.nodes)), build(func(b *Builder, in Value) (Value, error) {
		return b.Chain(in, layers...)
	}), v)
}

// add is b.Add of an op called after its place in the program.
func add(b *Builder, op Op, out Shape, in ...Value) (Value, error) {
	return b.Inner(fmt.Sprint(len(b.nodes)), build(func(b *Builder, _ Value) (Value, error) {
		return b.Add(op, out, in...)
	}), in[0])
}
