package gemm

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// These tests hold the kernels of every table to the contract of table.go.

func TestTileKernels(t *testing.T) {
	floattest.Each(t, testTileKernels[float32], testTileKernels[float64])
}

func testTileKernels[T Float](t *testing.T) {
	minusZero := T(math.Copysign(0, -1))
	scales := [][2]T{{1, 0}, {1, 1}, {0.5, 0}, {-2, 0.5}, {1, minusZero}}
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		eachTile[T](func(kernel TileKernel[T], rows, n, nr int) {
			for _, k := range []int{0, 1, 2, 3, 4, 5, 8, 11, 16, 17} {
				for _, scale := range scales {
					for _, layout := range tileLayouts[T]() {
						c := tileCall[T]{rows: rows, n: n, k: k, tiles: 1 + r.IntN(3), alpha: scale[0], beta: scale[1]}
						layout(&c)
						c.bRow, c.cRow = nr+[]int{0, 5, 150}[r.IntN(3)], n+3*r.IntN(2) // the last is far for loops that leave near rows to the hardware
						c.biased, c.rowBiased, c.relu, c.integers = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
						newTileData(r, c, nr, anywhere[T]()).check(t, kernel)
					}
				}
			}
		})
	})
}

// TestTileKernelsStayInside has every operand end, then begin, at an
// unreadable page.
func TestTileKernelsStayInside(t *testing.T) {
	floattest.Each(t, testTileKernelsStayInside[float32], testTileKernelsStayInside[float64])
}

func testTileKernelsStayInside[T Float](t *testing.T) {
	const size = 4096
	simdtest.EachISA(t, func(t *testing.T) {
		for side, pages := range guard.Sides[T]() {
			t.Run("side="+side, func(t *testing.T) {
				operands := [][]T{pages(t, size), pages(t, size), pages(t, size), pages(t, size), pages(t, size)}
				atEdge := tileMemory[T]{allocate: func(operand, n int) []T {
					if side == "ending" {
						return operands[operand][size-n:]
					}
					return operands[operand][:n]
				}}
				r := rand.New(rand.NewPCG(3, 4))
				eachTile[T](func(kernel TileKernel[T], rows, n, nr int) {
					for _, k := range []int{0, 1, 8, 9} {
						for _, layout := range tileLayouts[T]() {
							c := tileCall[T]{rows: rows, n: n, k: k, tiles: 1 + r.IntN(2), alpha: 1, beta: T(r.IntN(2))}
							layout(&c)
							c.bRow, c.cRow, c.biased, c.rowBiased = nr, n+r.IntN(2), r.IntN(2) == 0, r.IntN(2) == 0
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
	floattest.Each(t, testTileKernelsPropagate[float32], testTileKernelsPropagate[float64])
}

func testTileKernelsPropagate[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(5, 6))
		eachTile[T](func(kernel TileKernel[T], rows, n, nr int) {
			for _, poison := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
				for i, layout := range append(tileLayouts[T](), tileLayouts[T]()...) {
					alpha := T(min(1, i/len(tileLayouts[T]())))
					c := tileCall[T]{rows: rows, n: n, k: 6, tiles: 2, bRow: nr, cRow: n, alpha: alpha, integers: true} // some steps at once, and others
					layout(&c)
					row, column, l := r.IntN(2*rows), r.IntN(n), r.IntN(c.k)

					d := newTileData(r, c, nr, anywhere[T]())
					clear(d.a)
					clear(d.b)
					d.a[d.aAt(row, l)] = T(poison)
					d.run(t, kernel)
					for i, v := range d.c {
						if (v != v) != (i/n == row) {
							t.Fatalf("%+v: C(%d,%d) is %v with %v in A(%d,%d)", c, i/n, i%n, v, poison, row, l)
						}
					}

					d.a[d.aAt(row, l)] = 0
					d.b[l*c.bRow+column] = T(poison)
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
	floattest.Each(t, testTileKernelsAgree[float32], testTileKernelsAgree[float64])
}

func testTileKernelsAgree[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		mr, nr := Active[T]().MR(), Active[T]().NR
		whole := tileCall[T]{rows: mr, n: nr, k: 17, tiles: 3, bRow: nr, cRow: nr, alpha: 0.7, beta: 0.3, biased: true, rowBiased: true, relu: true}
		inPlace(&whole)
		d := newTileData(rand.New(rand.NewPCG(7, 8)), whole, nr, anywhere[T]())
		before := slices.Clone(d.c)
		d.run(t, Active[T]().whole().tile[mr-1])
		a, want := d.a, d.c

		eachTile[T](func(kernel TileKernel[T], rows, n, nr int) {
			if n > whole.n {
				return // TestElementRule has rows alone, by these kernels
			}
			for _, layout := range tileLayouts[T]() {
				d.rows, d.tiles, d.n = rows, 1, n
				layout(&d.tileCall)
				d.a, d.c = make([]T, d.aAt(rows-1, d.k-1)+1), slices.Clone(before)
				for i := range rows {
					for l := range d.k {
						d.a[d.aAt(i, l)] = a[whole.aAt(i, l)]
					}
				}
				d.run(t, kernel)
				for i := range rows {
					for j := range n {
						if got, want := d.c[i*d.cRow+j], want[i*d.cRow+j]; floattest.Bits(got) != floattest.Bits(want) {
							t.Fatalf("%+v: C(%d,%d) = %v, but %v in the whole tile", d.tileCall, i, j, got, want)
						}
					}
				}
			}
		})
	})
}

func TestCopyPanels(t *testing.T) {
	floattest.Each(t, testCopyPanels[float32], testCopyPanels[float64])
}

func testCopyPanels[T Float](t *testing.T) {
	const untouched = -1
	simdtest.EachISA(t, func(t *testing.T) {
		nr := Active[T]().NR
		for side, pages := range guard.Sides[T]() {
			for _, rows := range []int{1, 2, 7} {
				for _, panels := range []int{1, 2, 5} {
					for _, gap := range []int{0, 3, 24} {
						srcRow, dstPanel := panels*nr+gap, rows*nr+gap
						src, dst := pages(t, (rows-1)*srcRow+panels*nr), pages(t, (panels-1)*dstPanel+rows*nr)
						for i := range src {
							src[i] = T(i)
						}
						for i := range dst {
							dst[i] = untouched
						}
						want := slices.Clone(dst)
						for i := range rows {
							for p := range panels {
								copy(want[p*dstPanel+i*nr:][:nr], src[i*srcRow+p*nr:])
							}
						}
						floattest.WithoutFault(t, side, func() { Active[T]().copyPanels(rows, panels, &src[0], srcRow, &dst[0], dstPanel) })
						require.Equal(t, want, dst, "%d rows, %d panels, srcRow %d, dstPanel %d", rows, panels, srcRow, dstPanel)
					}
				}
			}
		}
	})
}

func TestTranspose(t *testing.T) { floattest.Each(t, testTranspose[float32], testTranspose[float64]) }

func testTranspose[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		side := Active[T]().transposeSide
		if side == 0 {
			t.Skip("there is no transpose kernel")
		}
		for place, pages := range guard.Sides[T]() {
			for _, blocks := range []int{1, 2, 5} {
				for _, gap := range []int{0, 3, 24} {
					columns, srcRow, dstRow := side*blocks, side*blocks+gap, side+gap
					src, dst := pages(t, (side-1)*srcRow+columns), pages(t, (columns-1)*dstRow+side)
					for i := range src {
						src[i] = T(i)
					}
					want := slices.Clone(dst)
					for i := range columns {
						for j := range side {
							want[i*dstRow+j] = src[j*srcRow+i]
						}
					}
					floattest.WithoutFault(t, place, func() { Active[T]().transpose(blocks, &src[0], srcRow, &dst[0], dstRow) })
					require.Equal(t, want, dst, "%d blocks, srcRow %d, dstRow %d", blocks, srcRow, dstRow)
				}
			}
		}
	})
}

// eachTile calls f for every kernel of the active table with every number of
// columns that it takes.
func eachTile[T Float](f func(kernel TileKernel[T], rows, n, nr int)) { eachTileOf(Active[T](), f) }

func eachTileOf[T Float](tb *Table[T], f func(kernel TileKernel[T], rows, n, nr int)) {
	fewest := 1
	for _, p := range tb.panels {
		for i, kernel := range p.tile {
			for n := fewest; n <= p.columns; n++ {
				f(kernel, i+1, n, p.columns)
			}
		}
		fewest = p.columns + 1
	}
	for i, kernel := range tb.broad.tile {
		for n := tb.NR + 1; n <= tb.broad.columns; n++ {
			f(kernel, i+1, n, tb.broad.columns)
		}
	}
	for i, kernels := range tb.wide {
		for _, w := range kernels {
			f(w.kernel, i+1, w.columns, w.columns)
		}
	}
}

// tileCall is a call of a tile kernel, but for the operands.
type tileCall[T Float] struct {
	rows, n, k, tiles       int
	aRow, aCol, aTile, bRow int
	cRow                    int
	alpha, beta             T
	biased, rowBiased, relu bool
	integers                bool // so that all results are exact
}

// tileLayouts[T]() are the ways in which A may lie in memory.
func tileLayouts[T Float]() []func(*tileCall[T]) {
	return []func(*tileCall[T]){inPlace[T], transposed[T], packed[T], scattered[T]}
}

func inPlace[T Float](c *tileCall[T])    { c.aRow, c.aCol, c.aTile = c.k+3, 1, c.rows*(c.k+3) }
func transposed[T Float](c *tileCall[T]) { c.aRow, c.aCol, c.aTile = 1, c.rows*c.tiles+2, c.rows }
func scattered[T Float](c *tileCall[T])  { c.aRow, c.aCol, c.aTile = 2*c.k+1, 2, c.rows*(2*c.k+1) }
func packed[T Float](c *tileCall[T])     { c.aRow, c.aCol, c.aTile = 1, c.rows, c.rows*c.k }

// aAt is where element l of A's row i is, counted through all tiles.
func (c *tileCall[T]) aAt(i, l int) int {
	return i/c.rows*c.aTile + i%c.rows*c.aRow + l*c.aCol
}

// tileData is a call with its operands, each of exactly the size that the
// kernel may touch. Whatever it must not use is NaN.
type tileData[T Float] struct {
	tileCall[T]
	a, b, c        []T
	bias, rowBias  []T
	around, before []T // C with the margins, now and before the call
	margin         int
}

// tileMemory is where operands come from, with a margin around C. They are for kernels of a table,
// the active one if it is nil.
type tileMemory[T Float] struct {
	allocate func(operand, n int) []T
	margin   int
	table    *Table[T]
}

// anywhere is ordinary memory.
func anywhere[T Float]() tileMemory[T] {
	return tileMemory[T]{allocate: func(_, n int) []T { return make([]T, n) }, margin: 16}
}

func newTileData[T Float](r *rand.Rand, call tileCall[T], nr int, memory tileMemory[T]) *tileData[T] {
	operand := func(i, n int) []T {
		s := memory.allocate(i, n)
		for i := range s {
			s[i] = T(floattest.Unused)
		}
		return s
	}
	number := func() T {
		if call.integers {
			return T(r.IntN(9) - 4)
		}
		return T(2*r.Float64() - 1)
	}

	d := &tileData[T]{tileCall: call, margin: memory.margin}
	rows := d.rows * d.tiles
	if d.k > 0 { // else they are nil
		d.a = operand(0, d.aAt(rows-1, d.k-1)+1)
		read := nr // of B's last row
		if tb := memory.table; tb == nil && Active[T]().MasksB || tb != nil && tb.MasksB {
			read = d.n
		}
		d.b = operand(1, (d.k-1)*d.bRow+read)
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
	if d.rowBiased {
		d.rowBias = operand(4, rows)
		for i := range d.rowBias {
			d.rowBias[i] = number()
		}
	}
	return d
}

// run calls the kernel.
func (d *tileData[T]) run(t *testing.T, kernel TileKernel[T]) {
	t.Helper()
	first := func(s []T) *T {
		if len(s) == 0 {
			return nil
		}
		return &s[0]
	}
	floattest.WithoutFault(t, d.tileCall, func() {
		kernel(d.tiles, d.n, d.k, first(d.a), d.aRow, d.aCol, d.aTile, first(d.b), d.bRow, first(d.c), d.cRow, d.alpha, d.beta, first(d.bias), first(d.rowBias), d.relu)
	})
}

// check calls the kernel, and compares C with a float64 oracle, and what
// surrounds its elements with what it was.
func (d *tileData[T]) check(t *testing.T, kernel TileKernel[T]) {
	t.Helper()
	d.run(t, kernel)
	for at, got := range d.around {
		i, j := (at-d.margin)/d.cRow, (at-d.margin)%d.cRow
		if at < d.margin || i >= d.rows*d.tiles || j >= d.n {
			if floattest.Bits(got) != floattest.Bits(d.before[at]) {
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

// oracle returns C(i,j), and the error that T may have. Each product is rounded
// at most k+4 times on its way: with the sum's terms, and by alpha, beta and the
// biases. (Higham, Accuracy and Stability of Numerical Algorithms, section 3.1.)
func (d *tileData[T]) oracle(i, j int, before T) (want, tolerance float64) {
	var sum floattest.Exact
	for l := range d.k {
		sum.Add(float64(d.a[d.aAt(i, l)]), float64(d.b[l*d.bRow+j]))
	}
	sum.Scale(float64(d.alpha))
	if d.beta != 0 {
		sum.Add(float64(d.beta), float64(before))
	}
	if d.biased {
		sum.Add(1, float64(d.bias[j]))
	}
	if d.rowBiased {
		sum.Add(1, float64(d.rowBias[i]))
	}
	want = sum.Value()
	if d.relu {
		want = max(0, want)
	}
	if d.integers {
		return want, 0
	}
	return want, floattest.Gamma[T](d.k+4) * sum.Size
}
