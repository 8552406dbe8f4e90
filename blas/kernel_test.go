package blas

import (
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// These tests hold the kernels of every table to the contract of table.go.

func TestTileKernels(t *testing.T) {
	minusZero := float32(math.Copysign(0, -1))
	scales := [][2]float32{{1, 0}, {1, 1}, {0.5, 0}, {-2, 0.5}, {1, minusZero}}
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		eachTile(func(kernel tileKernel, rows, n, nr int) {
			for _, k := range []int{0, 1, 2, 3, 7, 8, 16, 17} {
				for _, scale := range scales {
					for _, layout := range tileLayouts {
						c := tileCall{rows: rows, n: n, k: k, tiles: 1 + r.IntN(3), alpha: scale[0], beta: scale[1]}
						layout(&c)
						c.bRow, c.cRow = nr+5*r.IntN(2), n+3*r.IntN(2)
						c.biased, c.integers = r.IntN(2) == 0, r.IntN(2) == 0
						newTileData(r, c, nr, anywhere).check(t, kernel)
					}
				}
			}
		})
	})
}

// TestTileKernelsStayInside has every operand end, then begin, at an
// unreadable page.
func TestTileKernelsStayInside(t *testing.T) {
	const size = 4096
	simdtest.EachISA(t, func(t *testing.T) {
		for side, pages := range guard.Sides[float32]() {
			t.Run("side="+side, func(t *testing.T) {
				operands := [][]float32{pages(t, size), pages(t, size), pages(t, size), pages(t, size)}
				atEdge := tileMemory{allocate: func(operand, n int) []float32 {
					if side == "ending" {
						return operands[operand][size-n:]
					}
					return operands[operand][:n]
				}}
				r := rand.New(rand.NewPCG(3, 4))
				eachTile(func(kernel tileKernel, rows, n, nr int) {
					for _, k := range []int{0, 1, 8, 9} {
						for _, layout := range tileLayouts {
							c := tileCall{rows: rows, n: n, k: k, tiles: 1 + r.IntN(2), alpha: 1, beta: float32(r.IntN(2))}
							layout(&c)
							c.bRow, c.cRow, c.biased = nr, n+r.IntN(2), r.IntN(2) == 0
							newTileData(r, c, nr, atEdge).check(t, kernel)
						}
					}
				})
			})
		}
	})
}

// TestTileKernelsPropagate has one element of A, or of B, that is not finite,
// among zeros: its row, or column, of C becomes NaN, and nothing else does.
func TestTileKernelsPropagate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		eachTile(func(kernel tileKernel, rows, n, nr int) {
			for _, poison := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for _, alpha := range []float32{1, 0} {
					c := tileCall{rows: rows, n: n, k: 3, tiles: 2, bRow: nr, cRow: n, alpha: alpha, integers: true}
					inPlace(&c)
					row, column, l := r.IntN(2*rows), r.IntN(n), r.IntN(c.k)

					d := newTileData(r, c, nr, anywhere)
					clear(d.a)
					clear(d.b)
					d.a[d.aAt(row, l)] = float32(poison)
					d.run(t, kernel)
					for i, v := range d.c {
						if (v != v) != (i/n == row) {
							t.Fatalf("%+v: C(%d,%d) is %v with %v in A(%d,%d)", c, i/n, i%n, v, poison, row, l)
						}
					}

					d.a[d.aAt(row, l)] = 0
					d.b[l*c.bRow+column] = float32(poison)
					d.run(t, kernel)
					for i, v := range d.c {
						if (v != v) != (i%n == column) {
							t.Fatalf("%+v: C(%d,%d) is %v with %v in B(%d,%d)", c, i/n, i%n, v, poison, l, column)
						}
					}
				}
			}
		})
	})
}

// TestTileKernelsAgree checks the element rule: an element of C has the same
// bits whatever tile computes it, and however A lies in memory.
func TestTileKernelsAgree(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		mr, nr := active().mr(), active().nr
		whole := tileCall{rows: mr, n: nr, k: 17, tiles: 1, bRow: nr, cRow: nr, alpha: 0.7, beta: 0.3, biased: true}
		inPlace(&whole)
		d := newTileData(rand.New(rand.NewPCG(7, 8)), whole, nr, anywhere)
		before := slices.Clone(d.c)
		d.run(t, active().tile[mr-1])
		a, want := d.a, d.c

		eachTile(func(kernel tileKernel, rows, n, nr int) {
			for _, layout := range tileLayouts {
				d.rows, d.n = rows, n
				layout(&d.tileCall)
				d.a, d.c = make([]float32, d.aAt(rows-1, d.k-1)+1), slices.Clone(before)
				for i := range rows {
					for l := range d.k {
						d.a[d.aAt(i, l)] = a[whole.aAt(i, l)]
					}
				}
				d.run(t, kernel)
				for i := range rows {
					for j := range n {
						if got, want := d.c[i*nr+j], want[i*nr+j]; math.Float32bits(got) != math.Float32bits(want) {
							t.Fatalf("%+v: C(%d,%d) = %v, but %v in the whole tile", d.tileCall, i, j, got, want)
						}
					}
				}
			}
		})
	})
}

func TestCopyRows(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		nr := active().nr
		for side, pages := range guard.Sides[float32]() {
			for _, rows := range []int{1, 2, 7} {
				for _, srcRow := range []int{nr, nr + 3} {
					src, dst := pages(t, (rows-1)*srcRow+nr), pages(t, rows*nr)
					for i := range src {
						src[i] = float32(i)
					}
					withoutFault(t, side, func() { active().copyRows(rows, &src[0], srcRow, &dst[0]) })
					for i := range rows {
						require.Equal(t, src[i*srcRow:][:nr], dst[i*nr:][:nr], "row %d of %d, srcRow %d", i, rows, srcRow)
					}
				}
			}
		}
	})
}

func TestTranspose(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		if active().transpose == nil {
			t.Skip("there is no transpose kernel")
		}
		for side, pages := range guard.Sides[float32]() {
			for _, blocks := range []int{1, 2, 5} {
				for _, gap := range []int{0, 3, 24} {
					columns, srcRow, dstRow := 8*blocks, 8*blocks+gap, 8+gap
					src, dst := pages(t, 7*srcRow+columns), pages(t, (columns-1)*dstRow+8)
					for i := range src {
						src[i] = float32(i)
					}
					want := slices.Clone(dst)
					for i := range columns {
						for j := range 8 {
							want[i*dstRow+j] = src[j*srcRow+i]
						}
					}
					withoutFault(t, side, func() { active().transpose(blocks, &src[0], srcRow, &dst[0], dstRow) })
					require.Equal(t, want, dst, "%d blocks, srcRow %d, dstRow %d", blocks, srcRow, dstRow)
				}
			}
		}
	})
}

// eachTile calls f for every kernel of the active table with every number of
// columns.
func eachTile(f func(kernel tileKernel, rows, n, nr int)) {
	for i, kernel := range active().tile {
		for n := 1; n <= active().nr; n++ {
			f(kernel, i+1, n, active().nr)
		}
	}
}

// tileCall is a call of a tile kernel, but for the operands.
type tileCall struct {
	rows, n, k, tiles       int
	aRow, aCol, aTile, bRow int
	cRow                    int
	alpha, beta             float32
	biased                  bool
	integers                bool // so that all results are exact
}

// tileLayouts are the ways in which A may lie in memory.
var tileLayouts = []func(*tileCall){inPlace, transposed, packed}

func inPlace(c *tileCall)    { c.aRow, c.aCol, c.aTile = c.k+3, 1, c.rows*(c.k+3) }
func transposed(c *tileCall) { c.aRow, c.aCol, c.aTile = 1, c.rows*c.tiles+2, c.rows }
func packed(c *tileCall)     { c.aRow, c.aCol, c.aTile = 1, c.rows, c.rows*c.k }

// aAt is where element l of A's row i is, counted through all tiles.
func (c *tileCall) aAt(i, l int) int {
	return i/c.rows*c.aTile + i%c.rows*c.aRow + l*c.aCol
}

// tileData is a call with its operands, each of exactly the size that the
// kernel may touch. Whatever it must not use is NaN.
type tileData struct {
	tileCall
	a, b, c, bias  []float32
	around, before []float32 // C with the margins, now and before the call
	margin         int
}

// tileMemory is where operands come from, with a margin around C.
type tileMemory struct {
	allocate func(operand, n int) []float32
	margin   int
}

// anywhere is ordinary memory.
var anywhere = tileMemory{func(_, n int) []float32 { return make([]float32, n) }, 16}

// unused is a NaN that no operation makes.
var unused = math.Float32frombits(0x7fc0ffee)

func newTileData(r *rand.Rand, call tileCall, nr int, memory tileMemory) *tileData {
	operand := func(i, n int) []float32 {
		s := memory.allocate(i, n)
		for i := range s {
			s[i] = unused
		}
		return s
	}
	number := func() float32 {
		if call.integers {
			return float32(r.IntN(9) - 4)
		}
		return 2*r.Float32() - 1
	}

	d := &tileData{tileCall: call, margin: memory.margin}
	rows := d.rows * d.tiles
	if d.k > 0 { // else they are nil
		d.a = operand(0, d.aAt(rows-1, d.k-1)+1)
		d.b = operand(1, (d.k-1)*d.bRow+nr)
	}
	for l := range d.k {
		for i := range rows {
			d.a[d.aAt(i, l)] = number()
		}
		for j := range d.n {
			d.b[l*d.bRow+j] = number()
		}
	}
	size := (rows-1)*d.cRow + d.n
	d.around = operand(2, d.margin+size+d.margin)
	d.c = d.around[d.margin:][:size]
	if d.beta != 0 {
		for i := range rows {
			for j := range d.n {
				d.c[i*d.cRow+j] = number()
			}
		}
	}
	d.before = slices.Clone(d.around)
	if d.biased {
		d.bias = operand(3, d.n)
		for j := range d.bias {
			d.bias[j] = number()
		}
	}
	return d
}

// run calls the kernel.
func (d *tileData) run(t *testing.T, kernel tileKernel) {
	t.Helper()
	first := func(s []float32) *float32 {
		if len(s) == 0 {
			return nil
		}
		return &s[0]
	}
	withoutFault(t, d.tileCall, func() {
		kernel(d.tiles, d.n, d.k, first(d.a), d.aRow, d.aCol, d.aTile, first(d.b), d.bRow, first(d.c), d.cRow, d.alpha, d.beta, first(d.bias))
	})
}

// withoutFault fails the test if call touches memory that it can't.
func withoutFault(t *testing.T, arguments any, call func()) {
	t.Helper()
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := recover(); fault != nil {
			t.Fatalf("%+v: %v", arguments, fault)
		}
	}()
	call()
}

// check calls the kernel, and compares C with a float64 oracle, and what
// surrounds its elements with what it was.
func (d *tileData) check(t *testing.T, kernel tileKernel) {
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
		want, tolerance := d.oracle(i, j, d.before[at])
		if !(math.Abs(float64(got)-want) <= tolerance) {
			t.Fatalf("%+v: C(%d,%d) = %v, want %v within %v", d.tileCall, i, j, got, want, tolerance)
		}
	}
}

// oracle returns C(i,j) in float64, and the error that float32 may have. Each
// product is rounded at most k+3 times on its way: with the sum's terms, and
// by alpha, beta and bias. (Higham, Accuracy and Stability of Numerical
// Algorithms, section 3.1.)
func (d *tileData) oracle(i, j int, before float32) (want, tolerance float64) {
	var size float64
	add := func(x, y float32) {
		want += float64(x) * float64(y)
		size += math.Abs(float64(x) * float64(y))
	}
	for l := range d.k {
		add(d.a[d.aAt(i, l)], d.b[l*d.bRow+j])
	}
	want *= float64(d.alpha)
	size *= math.Abs(float64(d.alpha))
	if d.beta != 0 {
		add(d.beta, before)
	}
	if d.biased {
		add(1, d.bias[j])
	}
	if d.integers {
		return want, 0
	}
	nu := float64(d.k+3) / (1 << 24)
	return want, nu / (1 - nu) * size
}
