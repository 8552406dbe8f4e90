package bench

import (
	"sync"
	"testing"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// vector is a kernel of package simd on slices of n elements.
type vector struct {
	kernel
	isa simd.ISA
	n   int
}

type kernel struct {
	function string
	moves    int // elements read and written, to one of a slice
	call     func(x, y, z []float32)
}

var (
	sgd        = simd.Momentum{LR: 0.01, Mu: 0.9, Decay: 5e-4}
	sink       float32
	doubleSink float64
)

var kernels = []kernel{
	{"Axpy", 3, func(x, y, _ []float32) { simd.Axpy(1e-3, x, y) }},
	{"AxpyTo", 3, func(x, y, z []float32) { simd.AxpyTo(z, 1e-3, x, y) }},
	{"Scale", 2, func(_, _, z []float32) { simd.Scale(-1, z) }},
	{"Add", 3, func(x, y, z []float32) { simd.Add(z, x, y) }},
	{"Mul", 3, func(x, y, z []float32) { simd.Mul(z, x, y) }},
	{"Dot", 2, func(x, y, _ []float32) { sink = simd.Dot(x, y) }},
	{"Dot64", 2, func(x, y, _ []float32) { doubleSink = simd.Dot64(x, y) }},
	{"SumSquares", 1, func(x, _, _ []float32) { doubleSink = simd.SumSquares(x) }},
	{"Max", 1, func(x, _, _ []float32) { sink = simd.Max(x) }},
	{"ReLU", 2, func(x, _, z []float32) { simd.ReLU(z, x) }},
	{"ReLUBackward", 3, func(x, y, z []float32) { simd.ReLUBackward(z, x, y) }},
	{"Momentum", 5, func(x, y, z []float32) { sgd.Update(z, y, x) }},
	{"Exp", 2, func(x, _, z []float32) { simd.Exp(z, x) }},
	{"Log", 2, func(x, _, z []float32) { simd.Log(z, x) }},
	{"Tanh", 2, func(x, _, z []float32) { simd.Tanh(z, x) }},
	{"TanhBackward", 3, func(x, y, z []float32) { simd.TanhBackward(z, x, y) }},
	{"Sigmoid", 2, func(x, _, z []float32) { simd.Sigmoid(z, x) }},
	{"SigmoidBackward", 3, func(x, y, z []float32) { simd.SigmoidBackward(z, x, y) }},
	{"GELU", 2, func(x, _, z []float32) { simd.GELU(z, x) }},
	{"GELUBackward", 3, func(x, y, z []float32) { simd.GELUBackward(z, x, y) }},
	{"SoftmaxRows10", 2, func(x, _, z []float32) { simd.SoftmaxRows(z, x, 10, nil, nil) }},
	{"SoftmaxRows100", 2, func(x, _, z []float32) { simd.SoftmaxRows(z, x, 100, nil, nil) }},
	{"SoftmaxRows1000", 2, func(x, _, z []float32) { simd.SoftmaxRows(z, x, 1000, nil, nil) }},
}

func vectors() (all []vector) {
	for _, k := range kernels {
		for _, isa := range simdtest.ISAs() {
			for _, n := range []int{1e3, 1e5, 1e7} {
				all = append(all, vector{k, isa, n})
			}
		}
	}
	return all
}

func (v vector) name() string { return label("kernel", v.function, "isa", v.isa, "n", v.n) }

func BenchmarkVector(b *testing.B) { runAll(b, vectors()) }

// memory is what all vector kernels work on. The slices begin at different lines of a page, so that
// no load waits for a store that is 4 KiB away.
var memory = sync.OnceValue(func() (slices [3][]float32) {
	const longest, line = 1e7, 16
	for i := range slices {
		slices[i] = random[float32](longest + len(slices)*5*line)[i*5*line:]
	}
	return slices
})

func (v vector) run(b *testing.B) {
	simdtest.Use(b, v.isa)
	m := memory()
	x, y, z := m[0][:v.n], m[1][:v.n], m[2][:v.n]
	b.ReportAllocs()
	for b.Loop() {
		v.call(x, y, z)
	}
	reportBytes(b, 4*v.moves*v.n)
	b.ReportMetric(float64(v.n)*float64(b.N)/float64(b.Elapsed().Nanoseconds()), "elements/ns")
}
