package bench

import (
	"testing"
	"unsafe"

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

// shapes is what is multiplied: squares, and what the dense layers of a perceptron 784-512-512-10
// ask for.
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

// blasShapes are products that the BLAS's entry computes in ways of its own: by dot products, and
// with K split.
var blasShapes = []product{
	{m: 512, n: 512, k: 512},
	{m: 1000, n: 1, k: 1000},
	{m: 8, n: 1000, k: 1000, trans: "B"},
	{m: 16, n: 16, k: 1 << 17},
}

// on returns shapes, on each instruction set and team.
func on(shapes []product) (all []product) {
	const patience = 256 * 256 * 256 // the most multiply-adds of plain Go
	for _, isa := range simdtest.ISAs() {
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

// gemm is a product through MatMul, of elements of type T.
type gemm[T blas.Float] struct{ product }

func gemms[T blas.Float]() (all []gemm[T]) {
	for _, p := range on(shapes) {
		all = append(all, gemm[T]{p})
	}
	return all
}

func BenchmarkSgemm(b *testing.B) { runAll(b, gemms[float32]()) }
func BenchmarkDgemm(b *testing.B) { runAll(b, gemms[float64]()) }

func (p gemm[T]) run(b *testing.B) {
	team := blas.NewTeam(p.workers)
	timeProduct(b, p.product, func(_ int, s *operands[T]) { blas.MatMul(team, s.c, s.a, s.b, blas.Options[T]{}) })
}

// sets is how many sets of operands a benchmark of products takes turns with.
const sets = 3

// operands is one set.
type operands[T blas.Float] struct{ c, a, b blas.Mat[T] }

func operandsOf[T blas.Float](p product) (all [sets]operands[T]) {
	for i := range all {
		all[i] = operands[T]{
			c: blas.RowMajor(make([]T, p.m*p.n), p.m, p.n),
			a: blas.RowMajor(random[T](p.m*p.k), p.m, p.k),
			b: blas.RowMajor(random[T](p.k*p.n), p.k, p.n),
		}
		switch p.trans {
		case "A":
			all[i].a = blas.RowMajor(all[i].a.Data, p.k, p.m).T()
		case "B":
			all[i].b = blas.RowMajor(all[i].b.Data, p.n, p.k).T()
		}
	}
	return all
}

// timeProduct measures multiply, which is given the sets of operands by turns.
func timeProduct[T blas.Float](b *testing.B, p product, multiply func(i int, s *operands[T])) {
	simdtest.Use(b, p.isa)
	all := operandsOf[T](p)
	for i := range all {
		multiply(i, &all[i]) // buffers grow
	}
	b.ReportAllocs()
	for turn := 0; b.Loop(); turn++ {
		multiply(turn%sets, &all[turn%sets])
	}
	reportFlops(b, 2*p.m*p.n*p.k, p.workers, int(unsafe.Sizeof(T(0))))
}

// blasGemm is a product through Sgemm or Dgemm, which bring their team.
type blasGemm[T blas.Float] struct {
	product
	gemm routine[T]
}

// routine is the type of Sgemm and Dgemm.
type routine[T blas.Float] func(tA, tB blas.Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)

func blasGemms[T blas.Float](gemm routine[T]) (all []blasGemm[T]) {
	for _, p := range on(blasShapes) {
		if p.isa != simd.Generic && p.workers == blas.DefaultWorkers() {
			all = append(all, blasGemm[T]{p, gemm})
		}
	}
	return all
}

func BenchmarkSgemmBLAS(b *testing.B) { runAll(b, blasGemms[float32](blas.Sgemm)) }
func BenchmarkDgemmBLAS(b *testing.B) { runAll(b, blasGemms[float64](blas.Dgemm)) }

func (p blasGemm[T]) run(b *testing.B) {
	tB, ldb := blas.NoTrans, p.n
	if p.trans == "B" {
		tB, ldb = blas.Trans, p.k
	}
	timeProduct(b, p.product, func(_ int, s *operands[T]) {
		p.gemm(blas.NoTrans, tB, p.m, p.n, p.k, 1, s.a.Data, p.k, s.b.Data, ldb, 0, s.c.Data, p.n)
	})
}

// batch is many small products at once, as of an attention layer's heads.
type batch struct {
	product
	count int
}

func batches() (all []batch) {
	for _, p := range on([]product{{m: 16, n: 16, k: 16}, {m: 64, n: 64, k: 32}}) {
		all = append(all, batch{p, 256})
	}
	return all
}

func (p batch) name() string { return label("count", p.count) + "/" + p.product.name() }

func BenchmarkSgemmBatch(b *testing.B) { runAll(b, batches()) }

func (p batch) run(b *testing.B) {
	whole := p.product // as if the matrices lay one below the other
	whole.m, whole.k = p.count*p.m, p.k
	team := blas.NewTeam(p.workers)
	second := random[float32](p.count * p.k * p.n)
	timeProduct(b, whole, func(_ int, s *operands[float32]) {
		first := func(m blas.Mat[float32]) blas.Mat[float32] { m.Rows = p.m; return m }
		blas.MatMul(team, first(s.c), first(s.a), blas.RowMajor(second, p.k, p.n), blas.Options[float32]{
			Batch: blas.Batch{Count: p.count, A: p.m * p.k, B: p.k * p.n, C: p.m * p.n},
		})
	})
}
