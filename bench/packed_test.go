package bench

import (
	"testing"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// packedProduct is a product with a B that was packed before.
type packedProduct struct{ product }

func packedProducts() (all []packedProduct) {
	for _, isa := range simdtest.ISAs() {
		for _, workers := range workerCounts() {
			for _, p := range []product{{m: 512, n: 512, k: 512}, {m: 256, n: 512, k: 784}, {m: 32, n: 512, k: 784}} {
				if p.isa, p.workers = isa, workers; isa != simd.Generic {
					all = append(all, packedProduct{p})
				}
			}
		}
	}
	return all
}

func BenchmarkSgemmPacked(b *testing.B) { runAll(b, packedProducts()) }

func (p packedProduct) run(b *testing.B) {
	simdtest.Use(b, p.isa)
	team := blas.NewTeam(p.workers)
	var packed [sets]*blas.PackedB[float32]
	for i, s := range operandsOf[float32](p.product) {
		packed[i] = blas.NewPackedB[float32](p.k, p.n)
		packed[i].Pack(team, s.b)
	}
	timeProduct(b, p.product, func(i int, s *operands[float32]) {
		blas.MatMul(team, s.c, s.a, s.b, blas.Options[float32]{PackedB: packed[i]})
	})
}

// pack is the packing of B alone.
type pack struct{ product }

func packs() (all []pack) {
	for _, isa := range simdtest.ISAs() {
		for _, trans := range []string{"none", "B"} {
			for _, workers := range workerCounts() {
				for _, size := range [][2]int{{784, 512}, {2048, 2048}} {
					all = append(all, pack{product{isa: isa, k: size[0], n: size[1], trans: trans, workers: workers}})
				}
			}
		}
	}
	return all
}

func (p pack) name() string {
	return label("isa", p.isa, "n", p.n, "k", p.k, "trans", p.trans, "workers", p.workers)
}

func BenchmarkPack(b *testing.B) { runAll(b, packs()) }

func (p pack) run(b *testing.B) {
	simdtest.Use(b, p.isa)
	team := blas.NewTeam(p.workers)
	all := operandsOf[float32](p.product)
	var packed [sets]*blas.PackedB[float32]
	for i := range packed {
		packed[i] = blas.NewPackedB[float32](p.k, p.n)
		packed[i].Pack(team, all[i].b)
	}
	b.ReportAllocs()
	for turn := 0; b.Loop(); turn++ {
		packed[turn%sets].Pack(team, all[turn%sets].b)
	}
	reportBytes(b, 2*4*p.k*p.n) // read and written
}
