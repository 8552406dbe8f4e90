package gemm

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// These tests hold the kernels of every table of pairs, and Run with them, to the bits of a loop
// over multiplyAdd.

// numbers makes values of the operands: v is one, and pair has two that were rounded to bfloat16.
type numbers struct {
	*rand.Rand
	special bool // whether some are infinite, NaN, denormal or so large that sums overflow
}

func (r numbers) v() float32 {
	if r.special && r.IntN(12) == 0 {
		special := []float64{0, math.Copysign(0, -1), math.Inf(1), math.Inf(-1), math.NaN(), 0x1p-126, 0x1p-130, -0x1.8p-127, 0x1p127, -0x1p127, 0x1p-64}
		return float32(special[r.IntN(len(special))])
	}
	return float32(2*r.Float64() - 1)
}

func (r numbers) pair() float32 {
	var dst [1]float32
	simd.Pairs(dst[:], []float32{r.v(), r.v()})
	if r.special && r.IntN(12) == 0 { // with denormal values, which Pairs flushes
		return math.Float32frombits(r.Uint32() & 0x807f807f)
	}
	return dst[0]
}

// fill puts pairs in place of the numbers of A and B, and special ones in place of others.
func (r numbers) fill(d *tileData[float32]) {
	rows := d.rows * d.tiles
	for l := range d.k {
		for i := range rows {
			d.a[d.aAt(i, l)] = r.pair()
		}
		for j := range d.n {
			d.b[l*d.bRow+j] = r.pair()
		}
	}
	for i := range rows {
		for j := range d.n {
			if d.beta != 0 {
				d.c[i*d.cRow+j] = r.v()
			}
		}
	}
	d.before = slices.Clone(d.around)
	for j := range d.bias {
		d.bias[j] = r.v()
	}
	for i := range d.rowBias {
		d.rowBias[i] = r.v()
	}
}

// pairsElement returns C(i,j) of an operation as its table must compute it. before is what it was.
func pairsElement(o *Operation[float32], i, j int, before float32) (c float32) {
	steps, beta := max(1, KBlocks(o.Table, o.K)), o.Beta
	for s := range steps {
		l0, l1 := parallel.Cut(o.K, 1, steps, s)
		sum := float32(0)
		for l := l0; l < l1; l++ {
			ae, ao := halves(*o.A.At(i, l))
			be, bo := halves(*o.B.At(l, j))
			sum = multiplyAdd(ae, be, multiplyAdd(ao, bo, sum))
		}
		c = float32(sum * o.Alpha)
		if beta != 0 {
			c = fma32(beta, before, c)
		}
		before, beta = c, 1
	}
	e := &o.Epilogue
	if e.Bias != nil {
		c += *At(e.Bias, j)
	}
	if e.RowBias != nil {
		c += *At(e.RowBias, i)
	}
	if e.ReLU && c < 0 {
		c = 0
	}
	return c
}

// same reports whether two results are the same: NaNs may differ in their bits.
func same(a, b float32) bool {
	return math.Float32bits(a) == math.Float32bits(b) || a != a && b != b
}

// checkPairs calls the kernel and compares all of C's memory.
func checkPairs(t *testing.T, d *tileData[float32], kernel TileKernel[float32]) {
	t.Helper()
	d.run(t, kernel)
	for at, got := range d.around {
		i, j := (at-d.margin)/d.cRow, (at-d.margin)%d.cRow
		if at < d.margin || i >= d.rows*d.tiles || j >= d.n {
			if math.Float32bits(got) != math.Float32bits(d.before[at]) {
				t.Fatalf("%+v: the kernel wrote to float %d of C", d.tileCall, at-d.margin)
			}
			continue
		}
		// One row of A, since tiles need not be as far apart as their rows say.
		o := Operation[float32]{Table: Pairs(), K: d.k, Alpha: d.alpha, Beta: d.beta, Epilogue: Epilogue[float32]{ReLU: d.relu}}
		if d.k > 0 {
			o.A, o.B = ViewOf(&d.a[d.aAt(i, 0)], 0, d.aCol), ViewOf(&d.b[0], d.bRow, 1)
		}
		if d.bias != nil {
			o.Epilogue.Bias = &d.bias[0]
		}
		if d.rowBias != nil {
			o.Epilogue.RowBias = &d.rowBias[i]
		}
		if want := pairsElement(&o, 0, j, d.before[at]); !same(got, want) {
			t.Fatalf("%+v: C(%d,%d) = %x, want %x", d.tileCall, i, j, got, want)
		}
	}
}

func TestPairsTiles(t *testing.T) {
	minusZero := float32(math.Copysign(0, -1))
	scales := [][2]float32{{1, 0}, {1, 1}, {0.7, 0}, {-2, 0.3}, {1, minusZero}}
	simdtest.EachISA(t, func(t *testing.T) {
		r := numbers{rand.New(rand.NewPCG(1, 2)), false}
		eachTileOf(Pairs(), func(kernel TileKernel[float32], rows, n, nr int) {
			for _, k := range []int{0, 1, 2, 3, 8, 17} {
				for _, layout := range tileLayouts[float32]() {
					scale := scales[r.IntN(len(scales))]
					c := tileCall[float32]{rows: rows, n: n, k: k, tiles: 1 + r.IntN(3), alpha: scale[0], beta: scale[1]}
					layout(&c)
					c.bRow, c.cRow = nr+[]int{0, 5, 150}[r.IntN(3)], n+3*r.IntN(2)
					c.biased, c.rowBiased, c.relu, r.special = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
					memory := anywhere[float32]()
					memory.table = Pairs()
					d := newTileData(r.Rand, c, nr, memory)
					r.fill(d)
					checkPairs(t, d, kernel)
				}
			}
		})
	})
}

// TestPairsTilesStayInside has every operand end, then begin, at an unreadable page.
func TestPairsTilesStayInside(t *testing.T) {
	const size = 4096
	simdtest.EachISA(t, func(t *testing.T) {
		for side, pages := range guard.Sides[float32]() {
			operands := [][]float32{pages(t, size), pages(t, size), pages(t, size), pages(t, size), pages(t, size)}
			atEdge := tileMemory[float32]{table: Pairs(), allocate: func(operand, n int) []float32 {
				if side == "ending" {
					return operands[operand][size-n:]
				}
				return operands[operand][:n]
			}}
			r := numbers{rand.New(rand.NewPCG(3, 4)), false}
			eachTileOf(Pairs(), func(kernel TileKernel[float32], rows, n, nr int) {
				for _, k := range []int{0, 1, 9} {
					for _, layout := range tileLayouts[float32]() {
						c := tileCall[float32]{rows: rows, n: n, k: k, tiles: 1 + r.IntN(2), alpha: 1, beta: float32(r.IntN(2))}
						layout(&c)
						c.bRow, c.cRow, c.biased, c.rowBiased = nr, n+r.IntN(2), r.IntN(2) == 0, r.IntN(2) == 0
						d := newTileData(r.Rand, c, nr, atEdge)
						r.fill(d)
						checkPairs(t, d, kernel)
					}
				}
			})
		}
	})
}

// pairsView returns an m x k matrix of pairs as it lies in memory, contiguous or with gaps, by rows
// or by columns.
func pairsView(r numbers, m, k int, transposed bool) View[float32] {
	gap := r.IntN(2) * 3
	rows, cols := m, k
	if transposed {
		rows, cols = k, m
	}
	s := make([]float32, max(1, rows*(cols+gap)))
	for i := range s {
		s[i] = r.pair()
	}
	if transposed {
		return ViewOf(&s[0], 1, cols+gap)
	}
	return ViewOf(&s[0], cols+gap, 1)
}

// Run gives an element the bits that k alone decides, and they are within the bound of the exact
// product's.
func TestPairsRun(t *testing.T) {
	shapes := [][3]int{ // M, N, K
		{1, 1, 1}, {1, 33, 7}, {3, 5, 0}, {12, 32, 9}, {13, 47, 20}, {25, 3, 40}, {40, 4, 70}, {7, 96, 1}, {64, 64, 80}, {5, 6, 1024}, {6, 5, 1025}, {3, 4, 2500},
	}
	simdtest.EachISA(t, func(t *testing.T) {
		team := parallel.NewTeam(2)
		r := numbers{rand.New(rand.NewPCG(5, 6)), false}
		for _, shape := range shapes {
			for layout := range 4 {
				for _, scale := range [][2]float32{{1, 0}, {0.7, 0.3}} {
					m, n, k := shape[0], shape[1], shape[2]
					o := Operation[float32]{
						Table: Pairs(), M: m, N: n, K: k, Alpha: scale[0], Beta: scale[1],
						A: pairsView(r, m, k, layout&1 != 0), B: pairsView(r, k, n, layout&2 != 0),
					}
					c := make([]float32, m*n)
					o.C = ViewOf(&c[0], n, 1)
					if r.IntN(2) == 0 {
						o.Epilogue.Bias = &randoms(r, n)[0]
					} else if r.IntN(2) == 0 {
						o.Epilogue.RowBias = &randoms(r, m)[0]
					}
					what := fmt.Sprintf("%dx%dx%d, layout %d, scale %v", m, n, k, layout, scale)
					before := randoms(r, m*n)
					copy(c, before)
					o.Run(team)
					checkPairsRun(t, &o, before, what)

					if k == 0 {
						continue
					}
					var p Packed[float32]
					require.True(t, p.Init(o.Table, k, n), what)
					require.True(t, p.Fits(Pairs()), what)
					require.False(t, p.Fits(Active[float32]()), "for float32s, %s", what)
					p.Pack(team, o.B)
					packed := o
					packed.Packed = &p
					want := slices.Clone(c)
					copy(c, before)
					packed.Run(team)
					require.Equal(t, want, c, "packed, %s", what)
				}
			}
		}
	})
}

func randoms(r numbers, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = r.v()
	}
	return s
}

func checkPairsRun(t *testing.T, o *Operation[float32], before []float32, what string) {
	t.Helper()
	for i := range o.M {
		for j := range o.N {
			got, old := *o.C.At(i, j), before[i*o.N+j]
			if want := pairsElement(o, i, j, old); !same(got, want) {
				t.Fatalf("%s: C(%d,%d) = %x, want %x", what, i, j, got, want)
			}
			var exact floattest.Exact
			for l := range o.K {
				ae, ao := halves(*o.A.At(i, l))
				be, bo := halves(*o.B.At(l, j))
				exact.Add(ao, bo)
				exact.Add(ae, be)
			}
			exact.Scale(float64(o.Alpha))
			if o.Beta != 0 {
				exact.Add(float64(o.Beta), float64(old))
			}
			if o.Epilogue.Bias != nil {
				exact.Add(1, float64(*At(o.Epilogue.Bias, j)))
			}
			if o.Epilogue.RowBias != nil {
				exact.Add(1, float64(*At(o.Epilogue.RowBias, i)))
			}
			// What was flushed, at most 2^-126 of each product, is far below.
			if difference := math.Abs(float64(got) - exact.Value()); !(difference <= floattest.Gamma[float32](2*o.K+5)*exact.Size) {
				t.Fatalf("%s: C(%d,%d) = %v, want %v", what, i, j, got, exact.Value())
			}
		}
	}
}
