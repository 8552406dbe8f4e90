package blas

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// packInput is an input of FuzzPack.
type packInput struct {
	trans, tiny bool
	m, n, k     int16  // see upTo
	stride      byte   // of B in memory, see stride
	workers     byte   // modulo 3
	seed        uint64 // of the elements
	specials    []byte // see plant
}

func (in packInput) add(f *testing.F) {
	f.Add(in.trans, in.tiny, in.m, in.n, in.k, in.stride, in.workers, in.seed, in.specials)
}

// FuzzPack holds PackedB to its layout, and to the bits of products without it.
func FuzzPack(f *testing.F) {
	for _, in := range []packInput{
		{m: 1, n: 1, k: 1},
		{m: 3, n: 32, k: 16},
		{m: 3, n: 33, k: 17, tiny: true, workers: 1},
		{m: 3, n: 31, k: 15, trans: true, tiny: true, workers: 2, stride: 3},
		{m: 13, n: 7, k: 8, trans: true, stride: 1},
		{m: 12, n: 8, k: 7, trans: true},
		{m: 5, n: 9, k: 9, trans: true, tiny: true},
		{m: 2, n: 300, k: 23, tiny: true, workers: 2, stride: 5},
		{m: 2, n: 257, k: 6, workers: 2, trans: true},
		{m: 2, n: 256, k: 5, workers: 1},
		{m: 1, n: 1, k: 1100},
		{m: 1, n: 40, k: 1025, trans: true, stride: 2, workers: 2},
		{m: 1, n: 260, k: 1024, stride: 4},
		{m: 7, n: 1, k: 40, tiny: true},
		{m: 7, n: 300, k: 1, trans: true},
		{m: 7, n: 0, k: 5},
		{m: 7, n: 5, k: 0},
		{m: 0, n: 5, k: 5},
		{m: 20, n: 65, k: 20, stride: 255, tiny: true},
		{m: 20, n: 65, k: 20, stride: 253, trans: true, tiny: true},
		{m: 20, n: 65, k: 20, stride: 254, tiny: true},
		{m: 20, n: 65, k: 20, stride: 254, trans: true, workers: 1},
		{m: 5, n: 20, k: 12, tiny: true, specials: []byte{0, 0, 1, 1, 0, 40, 2, 0, 80, 3, 0, 120, 4, 0, 160, 5, 0, 200}},
		{m: 5, n: 20, k: 12, trans: true, specials: []byte{0, 0, 1, 1, 0, 40, 2, 0, 80, 3, 0, 120, 4, 0, 160, 5, 0, 200}},
	} {
		in.add(f)
	}
	f.Fuzz(func(t *testing.T, trans, tiny bool, m, n, k int16, stride, workers byte, seed uint64, specials []byte) {
		in := packInput{trans, tiny, m, n, k, stride, workers, seed, specials}
		fuzzPack[float32](t, in)
		fuzzPack[float64](t, in)
	})
}

func fuzzPack[T Float](t *testing.T, in packInput) {
	n, k := max(0, upTo(in.n, 300)), max(0, upTo(in.k, 1100))
	m := max(0, affordable(upTo(in.m, 40), n*k))

	r := rand.New(rand.NewPCG(in.seed, 0))
	var s shape
	s.rows, s.cols = orient(k, n, in.trans)
	s.stride = stride(in.stride, s.rows, s.cols)
	b, a := newOperand[T](t, r, s, 0), newOperand[T](t, r, shape{rows: m, cols: k, stride: k}, 0)
	plant(in.specials, b)
	viewA, viewB := a.view(0, false), b.view(0, in.trans)
	team := parallel.NewTeam(1 + int(in.workers%3))
	opt := someOptions[T](r, m, n)
	opt.Accumulate = false
	withPacked := opt

	for _, isa := range simdtest.ISAs() {
		simdtest.Use(t, isa)
		whole, alone := schedules[T](t, in.tiny)
		about := fmt.Sprintf("%T on %v, %+v: B is %dx%d", T(0), isa, in, k, n)

		whole()
		packed := NewPackedB[T](k, n)
		packed.matrix.Data = gemm.Aligned[T](packed.matrix.Size)
		for i := range packed.matrix.Data {
			packed.matrix.Data[i] = T(floattest.Unused)
		}
		if panicked := panicOf(func() { packed.Pack(team, viewB) }); panicked != nil {
			t.Fatalf("%s: Pack panics with %v", about, panicked)
		}
		requireUnchanged(t, about, b)
		requirePacked(t, about, packed, viewB)

		got, want := RowMajor(make([]T, m*n), m, n), RowMajor(make([]T, m*n), m, n)
		withPacked.PackedB = packed
		if panicked := panicOf(func() { MatMul(team, got, viewA, Mat[T]{Rows: k, Cols: n, ColStride: 1}, withPacked) }); panicked != nil {
			t.Fatalf("%s: MatMul panics with %v", about, panicked)
		}
		alone()
		MatMul(nil, want, viewA, viewB, opt)
		for at := range got.Data {
			if x, y := got.Data[at], want.Data[at]; !same(x, y) {
				t.Fatalf("%s: C(%d,%d) is %v with B packed, else %v", about, at/n, at%n, x, y)
			}
		}
	}
}

// requirePacked requires that packed holds b where its layout says: blocks of
// K; in each, panels of nr columns; in each, rows. What is beyond b's columns
// must be as unused as it was.
func requirePacked[T Float](t *testing.T, about string, packed *PackedB[T], b Mat[T]) {
	t.Helper()
	nr := gemm.Active[T]().NR
	panels := (b.Cols + nr - 1) / nr
	if want := b.Rows * panels * nr; len(packed.matrix.Data) != want {
		t.Fatalf("%s: %d elements packed, want %d", about, len(packed.matrix.Data), want)
	}
	steps := (b.Rows + gemm.Active[T]().KC - 1) / gemm.Active[T]().KC
	at := 0
	for s := range steps {
		l0, l1 := b.Rows*s/steps, b.Rows*(s+1)/steps
		for panel := range panels {
			for l := l0; l < l1; l++ {
				for j := panel * nr; j < (panel+1)*nr; j++ {
					want := T(floattest.Unused)
					if j < b.Cols {
						want = b.Data[l*b.RowStride+j*b.ColStride]
					}
					if got := packed.matrix.Data[at]; floattest.Bits(got) != floattest.Bits(want) {
						t.Fatalf("%s: element %d packed is %v, want B(%d,%d) = %v", about, at, got, l, j, want)
					}
					at++
				}
			}
		}
	}
}
