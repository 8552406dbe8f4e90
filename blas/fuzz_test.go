package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"gonum.org/v1/gonum/blas/gonum"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// Each input runs for both types and on every instruction set, since a fuzzer
// that is led by coverage sees nothing of assembly.

// gemmInput is an input of FuzzGemm.
type gemmInput struct {
	tA, tB      byte   // index into fuzzTransposes
	m, n, k     int16  // see upTo
	strides     []byte // of A, B and C in memory, see stride; 255 is one too small
	lengths     []byte // what A, B and C have more than they need, see newOperand
	alpha, beta byte   // index into fuzzScales
	tiny        bool   // tinyBlocks
	seed        uint64 // of the elements
	specials    []byte // see plant
}

func (in gemmInput) add(f *testing.F) {
	f.Add(in.tA, in.tB, in.m, in.n, in.k, in.strides, in.lengths, in.alpha, in.beta, in.tiny, in.seed, in.specials)
}

var (
	fuzzTransposes = []Transpose{NoTrans, Trans, ConjTrans, 'X'}
	fuzzScales     = []float64{0, 1, -1, 0.5, -0.7, 2.5, math.Copysign(0, -1), math.NaN(), math.Inf(1), math.Inf(-1), 0x1p-149, 1e-30, 1e30}
)

// FuzzGemm holds Sgemm and Dgemm to what their comment says, with gonum's
// routines as the reference for what is refused.
func FuzzGemm(f *testing.F) {
	// indices into fuzzScales
	const zero, one, minusOne, half, minusZero, nan, inf, minusInf, denormal, small, large = 0, 1, 2, 3, 6, 7, 8, 9, 10, 11, 12
	for _, in := range []gemmInput{
		{m: 1, n: 1, k: 1, alpha: one},
		{m: 12, n: 32, k: 5, alpha: one, beta: one},
		{m: 13, n: 33, k: 6, alpha: half, beta: minusOne, tiny: true, strides: []byte{1, 2, 3}},
		{m: 11, n: 31, k: 4, tA: 1, tB: 1, alpha: minusOne, beta: minusZero, strides: []byte{3, 2, 1}, lengths: []byte{1, 2, 3}, specials: []byte{2, 0, 3, 5, 1, 2}},
		{m: 25, n: 65, k: 23, tA: 2, alpha: one, beta: half, tiny: true},
		{m: 6, n: 16, k: 10, tB: 2, alpha: one, tiny: true},
		{m: 1, n: 300, k: 17, alpha: one, beta: nan},
		{m: 4, n: 255, k: 9, alpha: half, beta: inf, tiny: true, seed: 1},
		{m: 40, n: 1, k: 31, tA: 1, alpha: one, beta: one, tiny: true},
		{m: 40, n: 5, k: 31, tA: 1, alpha: one, beta: one, tiny: true, specials: []byte{0, 1, 2, 1, 3, 4, 2, 0, 9}},
		{m: 2, n: 3, k: 1025, alpha: one, beta: one},
		{m: 7, n: 9, k: 1100, tB: 1, alpha: half, strides: []byte{254, 0, 254}},
		{m: 30, n: 40, k: 12, alpha: one, tiny: true, strides: []byte{254, 254, 254}},
		{m: 30, n: 40, k: 12, tA: 1, tB: 1, alpha: one, tiny: true, strides: []byte{254, 254, 254}},
		{m: 5, n: 6, k: 0, alpha: half, beta: half},
		{m: 5, n: 6, k: 0, tA: 1, alpha: nan, beta: half},
		{m: 5, n: 6, k: 0, tB: 1, alpha: inf},
		{m: 5, n: 6, k: 0, alpha: nan, beta: one},
		{m: 0, n: 6, k: 3, alpha: one},
		{m: 6, n: 0, k: 3, alpha: one},
		{m: 6, n: 7, k: 8, alpha: zero, beta: half, specials: []byte{0, 0, 0, 1, 0, 0, 3, 1, 1, 4, 2, 2}},
		{m: 6, n: 7, k: 8, alpha: minusZero, beta: one, specials: []byte{0, 0, 0, 1, 0, 0}},
		{m: 6, n: 7, k: 8, alpha: one, beta: zero, specials: []byte{2, 0, 3, 5, 0, 4, 8, 0, 5}},
		{m: 6, n: 7, k: 8, alpha: minusOne, beta: one, tiny: true, specials: []byte{3, 0, 3, 4, 0, 4, 8, 0, 5, 9, 0, 1, 21, 0, 9}},
		{m: 14, n: 34, k: 8, alpha: inf, beta: minusInf},
		{m: 14, n: 34, k: 8, alpha: nan, beta: zero},
		{m: 14, n: 34, k: 8, alpha: denormal, beta: small, specials: []byte{15, 0, 1, 18, 0, 2}},
		{m: 14, n: 34, k: 8, alpha: large, beta: large, specials: []byte{21, 0, 1, 24, 0, 2, 25, 0, 3}},
		{m: -1, n: 3, k: 3, alpha: one},
		{m: 3, n: -1, k: 3, alpha: one},
		{m: 3, n: 3, k: -1, alpha: one},
		{tA: 3, m: 3, n: 3, k: 3, alpha: one},
		{tB: 3, m: 3, n: 3, k: 3, alpha: one},
		{m: 3, n: 3, k: 3, alpha: one, strides: []byte{255, 0, 0}},
		{m: 3, n: 3, k: 3, alpha: one, strides: []byte{0, 255, 0}},
		{m: 3, n: 3, k: 3, alpha: one, strides: []byte{0, 0, 255}},
		{m: 3, n: 3, k: 0, alpha: one, strides: []byte{255, 0, 0}},
		{m: 3, n: 3, k: 0, alpha: one, strides: []byte{0, 255, 0}, tB: 1},
		{m: 3, n: 0, k: 3, alpha: one, strides: []byte{0, 0, 255}},
		{m: 3, n: 3, k: 3, alpha: one, lengths: []byte{255, 0, 0}},
		{m: 3, n: 3, k: 3, alpha: zero, tB: 1, lengths: []byte{0, 255, 0}},
		{m: 3, n: 3, k: 3, alpha: one, strides: []byte{2, 2, 2}, lengths: []byte{0, 0, 255}},
	} {
		in.add(f)
	}
	f.Fuzz(func(t *testing.T, tA, tB byte, m, n, k int16, strides, lengths []byte, alpha, beta byte, tiny bool, seed uint64, specials []byte) {
		in := gemmInput{tA, tB, m, n, k, strides, lengths, alpha, beta, tiny, seed, specials}
		fuzzGemm(t, in, Sgemm, gonum.Implementation{}.Sgemm)
		fuzzGemm(t, in, Dgemm, gonum.Implementation{}.Dgemm)
	})
}

func fuzzGemm[T Float](t *testing.T, in gemmInput, ours, gonums gemmFunc[T]) {
	tA, tB := fuzzTransposes[int(in.tA)%len(fuzzTransposes)], fuzzTransposes[int(in.tB)%len(fuzzTransposes)]
	alpha, beta := T(fuzzScales[int(in.alpha)%len(fuzzScales)]), T(fuzzScales[int(in.beta)%len(fuzzScales)])
	m, n := upTo(in.m, 40), upTo(in.n, 300)
	k := affordable(upTo(in.k, 1100), m*n)

	r := rand.New(rand.NewPCG(in.seed, 0))
	memory := func(i, rows, cols int) *operand[T] {
		ld := stride(byteAt(in.strides, i), rows, max(1, cols))
		if byteAt(in.strides, i) == 255 {
			ld = max(1, cols) - 1
		}
		return newOperand[T](t, r, shape{rows: rows, cols: cols, stride: ld}, byteAt(in.lengths, i))
	}
	rowsA, colsA := orient(m, k, tA != NoTrans)
	rowsB, colsB := orient(k, n, tB != NoTrans)
	a, b, c := memory(0, rowsA, colsA), memory(1, rowsB, colsB), memory(2, m, n)
	plant(in.specials, a, b, c)

	call := func(gemm gemmFunc[T], c *operand[T]) any {
		return panicOf(func() {
			gemm(tA, tB, m, n, k, alpha, a.data, a.stride, b.data, b.stride, beta, c.data, c.stride)
		})
	}
	refused := call(gonums, &operand[T]{shape: c.shape, data: slices.Clone(c.data)})
	var want []element[T]
	if refused == nil {
		viewA, viewB := a.view(0, tA != NoTrans), b.view(0, tB != NoTrans)
		for i := range m {
			for j := range n {
				var e element[T]
				if alpha != 0 && k > 0 {
					e.dot(viewA, viewB, i, j)
					e.scale(float64(alpha))
				}
				if beta != 0 {
					e.add(float64(beta), float64(c.data[i*c.stride+j]))
				}
				want = append(want, e)
			}
		}
	}
	for _, isa := range simdtest.ISAs() {
		simdtest.Use(t, isa)
		if in.tiny {
			setTable(t, tinyBlocks[T])
		}
		about := fmt.Sprintf("%T on %v, %+v: %c%c %dx%dx%d alpha %v beta %v", alpha, isa, in, tA, tB, m, n, k, alpha, beta)
		if got := call(ours, c); got != refused {
			t.Fatalf("%s: panics with %v, but gonum's with %v", about, got, refused)
		}
		for at, e := range want {
			i, j := at/n, at%n
			if wrong := e.check(c.data[i*c.stride+j], false); wrong != "" {
				t.Fatalf("%s: C(%d,%d) %s", about, i, j, wrong)
			}
		}
		if refused == nil {
			c.restoreMatrix()
		}
		requireUnchanged(t, about, a, b, c)
	}
}

// matMulInput is an input of FuzzMatMul.
type matMulInput struct {
	options  uint16 // see below
	m, n, k  int16  // see upTo
	strides  []byte // of A, B and C in memory, then of their batches, see stride
	workers  byte   // modulo 3
	count    byte   // of the batch, modulo 8; 0 is no batch
	seed     uint64 // of the elements
	specials []byte // see plant
}

// The options of an input.
const (
	fuzzAccumulate = 1 << iota
	fuzzBias
	fuzzRowBias
	fuzzReLU
	fuzzPackedB
	fuzzTransA
	fuzzTransB
	fuzzTiny   // tinyBlocks
	fuzzShareA // in the batch
	fuzzShareB
	fuzzSideBySide // the batch's C
)

func (in matMulInput) add(f *testing.F) {
	f.Add(in.options, in.m, in.n, in.k, in.strides, in.workers, in.count, in.seed, in.specials)
}

// FuzzMatMul holds MatMul to what its comment says: the sums are right, nothing
// is touched outside C, and the bits of an element depend on its row of A, its
// column of B, and k alone.
func FuzzMatMul(f *testing.F) {
	const everything = fuzzAccumulate | fuzzBias | fuzzRowBias | fuzzReLU
	for _, in := range []matMulInput{
		{m: 1, n: 1, k: 1},
		{m: 12, n: 32, k: 16, options: everything},
		{m: 13, n: 33, k: 6, options: everything | fuzzTiny, workers: 2},
		{m: 11, n: 31, k: 5, options: fuzzTransA | fuzzTransB | fuzzTiny | fuzzBias, workers: 1, strides: []byte{1, 2, 3}},
		{m: 25, n: 65, k: 23, options: fuzzTiny | fuzzPackedB | everything, workers: 2},
		{m: 25, n: 65, k: 23, options: fuzzTiny | fuzzPackedB | fuzzTransB, workers: 1, strides: []byte{3, 1, 2}},
		{m: 1, n: 300, k: 20, options: fuzzBias | fuzzReLU},
		{m: 2, n: 192, k: 20, options: fuzzRowBias | fuzzTiny, workers: 2},
		{m: 3, n: 131, k: 11, options: fuzzTransA | fuzzAccumulate},
		{m: 4, n: 88, k: 11, options: fuzzTransB | fuzzAccumulate},
		{m: 40, n: 1, k: 30, options: fuzzTiny | fuzzTransA | fuzzRowBias, workers: 1},
		{m: 40, n: 7, k: 30, options: fuzzTiny | fuzzTransA | fuzzBias | fuzzReLU | fuzzAccumulate, workers: 2},
		{m: 40, n: 2, k: 30, options: fuzzTiny | fuzzTransA | fuzzBias | fuzzRowBias},
		{m: 36, n: 16, k: 30, options: fuzzTransA | fuzzTiny, workers: 2, strides: []byte{5, 6, 1}},
		{m: 3, n: 5, k: 1025, options: fuzzBias | fuzzAccumulate},
		{m: 3, n: 5, k: 1100, options: fuzzTransA | fuzzTransB | fuzzPackedB},
		{m: 0, n: 5, k: 4, options: everything},
		{m: 5, n: 0, k: 4, options: everything | fuzzPackedB},
		{m: 5, n: 0, k: 4, options: fuzzRowBias | fuzzTransA, count: 3, strides: []byte{0, 0, 6}},
		{m: 5, n: 6, k: 0, options: everything},
		{m: 5, n: 6, k: 0, options: fuzzTiny | fuzzPackedB, count: 3},
		{m: 29, n: 50, k: 12, options: fuzzTiny, strides: []byte{254, 254, 2}},
		{m: 29, n: 50, k: 12, options: fuzzTiny | fuzzTransA | fuzzTransB, strides: []byte{254, 254, 2}},
		{m: 29, n: 50, k: 12, options: fuzzTiny, strides: []byte{255, 255, 2}},
		{m: 29, n: 9, k: 12, options: fuzzTiny | fuzzTransA, strides: []byte{255, 253, 2}},
		{m: 29, n: 50, k: 12, options: fuzzTransB, strides: []byte{253, 255, 2}},
		{m: 13, n: 17, k: 12, count: 7, options: everything | fuzzTiny, workers: 2, strides: []byte{1, 0, 2, 1, 2, 3}},
		{m: 13, n: 17, k: 12, count: 2, options: fuzzTiny | fuzzShareB | fuzzTransA, workers: 2},
		{m: 30, n: 2, k: 12, count: 6, options: fuzzTiny | fuzzTransA | fuzzAccumulate, workers: 2, strides: []byte{1, 1, 1}},
		{m: 5, n: 6, k: 7, count: 6, options: fuzzSideBySide | fuzzShareA, workers: 1},
		{m: 5, n: 6, k: 7, count: 6, options: fuzzSideBySide | fuzzTiny | fuzzAccumulate, workers: 2, strides: []byte{0, 1, 2, 255, 255, 1}},
		{m: 5, n: 40, k: 7, count: 6, options: fuzzTiny | fuzzPackedB | fuzzReLU, workers: 1},
		{m: 14, n: 34, k: 8, options: everything, specials: []byte{0, 0, 0, 6, 0, 9, 12, 1, 7, 18, 0, 1, 24, 0, 2}},
		{m: 14, n: 34, k: 8, options: fuzzTiny, workers: 1, specials: []byte{5, 0, 0, 6, 0, 9, 2, 1, 7, 7, 0, 3}},
		{m: 30, n: 4, k: 8, options: fuzzTiny | fuzzTransA | fuzzReLU, specials: []byte{5, 0, 0, 10, 0, 9, 2, 1, 7, 6, 0, 3, 15, 0, 5, 20, 0, 3}},
		{m: 14, n: 34, k: 8, options: everything | fuzzTiny, specials: []byte{25, 0, 0, 30, 0, 9, 31, 0, 7, 36, 0, 2, 40, 0, 1}},
	} {
		in.add(f)
	}
	f.Fuzz(func(t *testing.T, options uint16, m, n, k int16, strides []byte, workers, count byte, seed uint64, specials []byte) {
		in := matMulInput{options, m, n, k, strides, workers, count, seed, specials}
		fuzzMatMul[float32](t, in)
		fuzzMatMul[float64](t, in)
	})
}

func fuzzMatMul[T Float](t *testing.T, in matMulInput) {
	has := func(option uint16) bool { return in.options&option != 0 }
	m, n := max(0, upTo(in.m, 40)), max(0, upTo(in.n, 300))
	count := int(in.count % 8)
	products := max(1, count)
	k := max(0, affordable(upTo(in.k, 1100), products*m*n))

	r := rand.New(rand.NewPCG(in.seed, 0))
	memory := func(i, rows, cols int, trans, shared bool) *operand[T] {
		s := shape{count: count}
		s.rows, s.cols = orient(rows, cols, trans)
		s.stride = stride(byteAt(in.strides, i), s.rows, s.cols)
		if !shared {
			s.step = stride(byteAt(in.strides, 3+i), 1, s.extent())
		}
		return newOperand[T](t, r, s, 0)
	}
	a := memory(0, m, k, has(fuzzTransA), has(fuzzShareA))
	b := memory(1, k, n, has(fuzzTransB), has(fuzzShareB) || has(fuzzPackedB))
	sc := shape{rows: m, cols: n, count: count}
	gap, next := int(byteAt(in.strides, 2))%7, int(byteAt(in.strides, 5))%7
	if has(fuzzSideBySide) {
		sc.step = n + next
		sc.stride = (products-1)*sc.step + n + gap
	} else {
		sc.stride = n + gap
		sc.step = sc.extent() + next
	}
	c := newOperand[T](t, r, sc, 0)
	bias := newOperand[T](t, r, shape{rows: 1, cols: n, stride: n}, 0)
	rowBias := newOperand[T](t, r, shape{rows: 1, cols: m, stride: m}, 0)
	plant(in.specials, a, b, c, bias, rowBias)

	opt := Options[T]{Accumulate: has(fuzzAccumulate), ReLU: has(fuzzReLU)}
	if has(fuzzBias) {
		opt.Bias = bias.data
	}
	if has(fuzzRowBias) {
		opt.RowBias = rowBias.data
	}
	var want []element[T]
	for p := range products {
		viewA, viewB := a.view(p, has(fuzzTransA)), b.view(p, has(fuzzTransB))
		for i := range m {
			for j := range n {
				var e element[T]
				e.dot(viewA, viewB, i, j)
				if opt.Accumulate {
					e.add(1, c.view(p, false).get(i, j))
				}
				if opt.Bias != nil {
					e.add(1, float64(opt.Bias[j]))
				}
				if opt.RowBias != nil {
					e.add(1, float64(opt.RowBias[i]))
				}
				want = append(want, e)
			}
		}
	}

	team := parallel.NewTeam(1 + int(in.workers%3))
	before := slices.Clone(c.data)
	for _, isa := range simdtest.ISAs() {
		simdtest.Use(t, isa)
		about := fmt.Sprintf("%T on %v, %+v: %d of %dx%dx%d", T(0), isa, in, products, m, n, k)
		whole, alone := schedules[T](t, has(fuzzTiny))

		whole()
		batch, viewB := opt, b.view(0, has(fuzzTransB))
		if count > 0 {
			batch.Batch = Batch{Count: count, A: a.step, B: b.step, C: c.step}
		}
		if has(fuzzPackedB) {
			batch.PackedB = NewPackedB[T](k, n)
			batch.PackedB.Pack(team, viewB)
			viewB.Data = nil
		}
		viewA, viewC := a.view(0, has(fuzzTransA)), c.view(0, false)
		if panicked := panicOf(func() { MatMul(team, viewC, viewA, viewB, batch) }); panicked != nil {
			t.Fatalf("%s: panics with %v", about, panicked)
		}
		got := slices.Clone(c.data)
		for at, e := range want {
			p, i, j := at/n/m, at/n%m, at%n
			if wrong := e.check(got[p*c.step+i*c.stride+j], opt.ReLU); wrong != "" {
				t.Fatalf("%s: C(%d,%d) of product %d %s", about, i, j, p, wrong)
			}
		}
		c.restoreMatrix()
		requireUnchanged(t, about, a, b, c, bias, rowBias)

		// One element less, and it refuses.
		for name, short := range map[string]func(a, b, c *Mat[T]){
			"A": func(a, _, _ *Mat[T]) { a.Data = a.Data[:max(0, len(a.Data)-1)] },
			"B": func(_, b, _ *Mat[T]) { b.Data = b.Data[:max(0, len(b.Data)-1)] },
			"C": func(_, _, c *Mat[T]) { c.Data = c.Data[:max(0, len(c.Data)-1)] },
		} {
			if m == 0 || n == 0 || k == 0 || name == "B" && has(fuzzPackedB) {
				continue
			}
			a, b, c := viewA, viewB, viewC
			short(&a, &b, &c)
			if panicOf(func() { MatMul(team, c, a, b, batch) }) == nil {
				t.Fatalf("%s: takes an %s that is too short", about, name)
			}
		}

		// Parts of C, computed alone by other blocks, have the same bits.
		alone()
		part := func(p, i0, j0, rows, cols int) {
			a, b, opt := a.view(p, has(fuzzTransA)), b.view(p, has(fuzzTransB)), opt
			a, b = within(a, i0, 0, rows, k), within(b, 0, j0, k, cols)
			if opt.Bias != nil {
				opt.Bias = opt.Bias[j0:][:cols]
			}
			if opt.RowBias != nil {
				opt.RowBias = opt.RowBias[i0:][:rows]
			}
			from := p*c.step + i0*c.stride + j0
			c := RowMajor(make([]T, rows*cols), rows, cols)
			for i := range rows {
				copy(c.Data[i*cols:][:cols], before[from+i*sc.stride:])
			}
			if panicked := panicOf(func() { MatMul(nil, c, a, b, opt) }); panicked != nil {
				t.Fatalf("%s: %dx%d from C(%d,%d) alone panics with %v", about, rows, cols, i0, j0, panicked)
			}
			for i := range rows {
				for j := range cols {
					if x, y := got[from+i*sc.stride+j], c.Data[i*cols+j]; !same(x, y) {
						t.Fatalf("%s: C(%d,%d) of product %d is %v, but in %dx%d alone %v", about, i0+i, j0+j, p, x, rows, cols, y)
					}
				}
			}
		}
		for p := range products {
			if m == 0 || n == 0 {
				break // there is no part
			}
			for i := range m {
				part(p, i, 0, 1, n)
			}
			part(p, 0, r.IntN(n), m, 1)
			i, j := r.IntN(m), r.IntN(n)
			part(p, i, j, 1+r.IntN(m-i), 1+r.IntN(n-j))
		}
	}
}

// same tells all values apart but one NaN from another.
func same[T Float](x, y T) bool { return floattest.Bits(x) == floattest.Bits(y) || x != x && y != y }

// schedules returns two functions that change the active table, to tiny blocks
// or to those that it has, and to the other. The bits are to be the same with
// both, so the blocks of K are.
func schedules[T Float](t *testing.T, tiny bool) (first, other func()) {
	setTable(t, func(*gemm.Table[T]) {})
	first, other = func(tb gemm.Table[T]) (func(), func()) {
		blocks := tb
		tinyBlocks(&blocks)
		if tiny {
			tb.KC = blocks.KC
			return func() { *gemm.Active[T]() = blocks }, func() { *gemm.Active[T]() = tb }
		}
		blocks.KC = tb.KC
		return func() { *gemm.Active[T]() = tb }, func() { *gemm.Active[T]() = blocks }
	}(*gemm.Active[T]())
	return first, other
}

// panicOf returns what call panics with, or nil.
func panicOf(call func()) (value any) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { value = recover() }()
	call()
	return nil
}
