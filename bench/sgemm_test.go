package bench

import (
	"testing"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// product is C = A*B on a team, A being m x k and B k x n.
type product struct {
	isa     simd.ISA
	m, n, k int
	trans   string // the operand that is stored transposed: "A", "B" or none
	workers int
}

func (p product) name() string {
	pairs := []any{"isa", p.isa, "m", p.m, "n", p.n, "k", p.k}
	if p.trans != "" {
		pairs = append(pairs, "trans", p.trans)
	}
	return label(append(pairs, "workers", p.workers)...)
}

// shapes is what is multiplied: squares, and what the dense layers of a
// perceptron 784-512-512-10 ask for.
var shapes = []product{
	{m: 64, n: 64, k: 64},
	{m: 128, n: 128, k: 128},
	{m: 256, n: 256, k: 256},
	{m: 512, n: 512, k: 512},
	{m: 1024, n: 1024, k: 1024},
	{m: 2048, n: 2048, k: 2048},

	{m: 256, n: 512, k: 784},             // forward, a batch of 256
	{m: 784, n: 512, k: 256, trans: "A"}, // its weights' gradient
	{m: 256, n: 512, k: 512, trans: "B"}, // the next layer's input's gradient
	{m: 32, n: 512, k: 784},              // forward, a batch of 32
	{m: 256, n: 10, k: 512},              // the last layer
}

// products returns the shapes, on each instruction set and team.
func products() (all []product) {
	const patience = 256 * 256 * 256 // the most multiply-adds of plain Go
	for _, isa := range isas() {
		for _, p := range shapes {
			for _, p.workers = range workerCounts() {
				p.isa = isa
				if isa != simd.Generic || p.m*p.n*p.k <= patience {
					all = append(all, p)
				}
			}
		}
	}
	return all
}

func BenchmarkSgemm(b *testing.B) { runAll(b, products()) }

// sets is how many sets of operands a benchmark of products takes turns with.
const sets = 3

// operands is one set.
type operands struct{ c, a, b blas.Mat[float32] }

func (p product) operands() (all [sets]operands) {
	for i := range all {
		all[i] = operands{
			c: blas.Dense(make([]float32, p.m*p.n), p.m, p.n),
			a: blas.Dense(random(p.m*p.k), p.m, p.k),
			b: blas.Dense(random(p.k*p.n), p.k, p.n),
		}
		switch p.trans {
		case "A":
			all[i].a = blas.Dense(all[i].a.Data, p.k, p.m).T()
		case "B":
			all[i].b = blas.Dense(all[i].b.Data, p.n, p.k).T()
		}
	}
	return all
}

func (p product) run(b *testing.B) {
	team := blas.NewTeam(p.workers)
	p.time(b, func(_ int, s *operands) { blas.MatMul(team, s.c, s.a, s.b, blas.Options[float32]{}) })
}

// time measures multiply, which is given the sets of operands by turns.
func (p product) time(b *testing.B, multiply func(i int, s *operands)) {
	simdtest.Use(b, p.isa)
	all := p.operands()
	for i := range all {
		multiply(i, &all[i]) // buffers grow
	}
	b.ReportAllocs()
	for turn := 0; b.Loop(); turn++ {
		multiply(turn%sets, &all[turn%sets])
	}
	reportFlops(b, 2*p.m*p.n*p.k, p.workers)
}

// blasProduct is a product through the BLAS's routine, which brings its team.
type blasProduct struct{ product }

func blasProducts() (all []blasProduct) {
	for _, isa := range isas() {
		if isa != simd.Generic {
			all = append(all, blasProduct{product{isa: isa, m: 512, n: 512, k: 512, workers: blas.DefaultWorkers()}})
		}
	}
	return all
}

func BenchmarkSgemmBLAS(b *testing.B) { runAll(b, blasProducts()) }

func (p blasProduct) run(b *testing.B) {
	p.time(b, func(_ int, s *operands) {
		blas.Sgemm(blas.NoTrans, blas.NoTrans, p.m, p.n, p.k, 1, s.a.Data, p.k, s.b.Data, p.n, 0, s.c.Data, p.n)
	})
}
