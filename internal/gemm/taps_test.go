package gemm

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

// These tests hold the kernels of every table to the contract of taps.go. Operands
// are small integers, so that sums are exact in any order.

// tapCall is the arguments of a kernel but for the pointers.
type tapCall struct {
	rows, lines, tiles, n, k                 int
	taps                                     [][2]int
	aRow, aCol, aTile, aLine, bRow           int
	cRow, cLine                              int
	accumulate, biased, relu, prefetchesMore bool
}

// newTapCall returns a call whose taps overlap in A and lie apart in B. transposed
// has A's rows lie one behind the other.
func newTapCall(r *rand.Rand, rows, n, k, taps int, transposed bool) tapCall {
	c := tapCall{
		rows: rows, lines: 1 + r.IntN(3), tiles: 1 + r.IntN(3), n: n, k: k,
		accumulate: r.IntN(2) == 0, biased: r.IntN(2) == 0, relu: r.IntN(2) == 0, prefetchesMore: r.IntN(2) == 0,
	}
	c.aRow, c.aCol = k+r.IntN(3), 1
	if transposed {
		c.aRow, c.aCol = 1, rows*c.tiles+r.IntN(3)
	}
	c.aTile = rows * c.aRow
	c.aLine = 1 + r.IntN(40)
	c.bRow = n + r.IntN(5)
	for t := range taps {
		c.taps = append(c.taps, [2]int{r.IntN(50), t*k*c.bRow + r.IntN(3)})
	}
	c.cRow = n + r.IntN(4)
	c.cLine = c.tiles*rows*c.cRow + r.IntN(3)
	return c
}

func (c tapCall) sizes() (a, b, out int) {
	for _, t := range c.taps {
		last := t[0] + (c.lines-1)*c.aLine + (c.tiles-1)*c.aTile + (c.rows-1)*c.aRow + (c.k-1)*c.aCol
		a, b = max(a, last+1), max(b, t[1]+(c.k-1)*c.bRow+c.n)
	}
	return a, b, (c.lines-1)*c.cLine + (c.tiles*c.rows-1)*c.cRow + c.n
}

// tapMemory provides memory for A, B, C and the bias.
type tapMemory func(operand, n int) []float32

func ordinary(_, n int) []float32 { return make([]float32, n) }

func (call tapCall) check(t *testing.T, r *rand.Rand, kernel TapKernel[float32], memory tapMemory) {
	t.Helper()
	aSize, bSize, cSize := call.sizes()
	a, b, c, bias := memory(0, aSize), memory(1, bSize), memory(2, cSize), memory(3, call.n)
	for _, s := range [][]float32{a, b, bias} {
		for i := range s {
			s[i] = float32(r.IntN(9) - 4)
		}
	}
	const canary = 12345
	for i := range c {
		c[i] = canary
	}
	var biasPtr *float32
	if call.biased {
		biasPtr = &bias[0]
	}
	want := slices.Clone(c)
	for line := range call.lines {
		for row := range call.rows * call.tiles {
			for j := range call.n {
				at := line*call.cLine + row*call.cRow + j
				c[at] = float32(math.NaN())
				sum := float32(0)
				if call.accumulate {
					c[at] = float32(r.IntN(9) - 4)
					sum = c[at]
				}
				for _, tap := range call.taps {
					for l := range call.k {
						i := tap[0] + line*call.aLine + row/call.rows*call.aTile + row%call.rows*call.aRow + l*call.aCol
						sum += a[i] * b[tap[1]+l*call.bRow+j]
					}
				}
				if call.biased {
					sum += bias[j]
				}
				if call.relu {
					sum = max(0, sum)
				}
				want[at] = sum
			}
		}
	}
	var tap *[2]int
	var aPtr, bPtr *float32
	if len(call.taps) > 0 {
		tap, aPtr, bPtr = &call.taps[0], &a[0], &b[0]
	}
	next := 0
	if call.prefetchesMore {
		next = 100 // lines: far past any page
	}
	kernel(call.lines, call.tiles, call.n, tap, len(call.taps), call.k, aPtr, call.aRow, call.aCol, call.aTile, call.aLine, call.aLine, next,
		bPtr, call.bRow, &c[0], call.cRow, call.cLine, call.accumulate, biasPtr, call.relu)
	require.Equal(t, want, c, "%+v", call)
}

// eachTap visits the kernels of the active table, with each number of columns that
// they take.
func eachTap(visit func(kernel TapKernel[float32], rows, n int)) {
	fewest := 1
	for _, p := range Active[float32]().taps {
		for i, kernel := range p.tile {
			for n := fewest; n <= p.columns; n++ {
				visit(kernel, i+1, n)
			}
		}
		fewest = p.columns + 1
	}
}

func TestTapKernels(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		eachTap(func(kernel TapKernel[float32], rows, n int) {
			for _, taps := range []int{0, 1, 2, 5} {
				for _, k := range []int{1, 2, 7, 16} {
					for _, transposed := range []bool{false, true} {
						newTapCall(r, rows, n, k, taps, transposed).check(t, r, kernel, ordinary)
					}
				}
			}
		})
	})
}

func TestTapKernelsStayInside(t *testing.T) {
	const size = 1 << 14
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			var pages [4][]float32
			for i := range pages {
				pages[i] = memory(t, size)
			}
			atEdge := func(operand, n int) []float32 {
				if side == "ending" {
					return pages[operand][size-n:]
				}
				return pages[operand][:n]
			}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				r := rand.New(rand.NewPCG(2, 2))
				eachTap(func(kernel TapKernel[float32], rows, n int) {
					for range 4 {
						call := newTapCall(r, rows, n, 1+r.IntN(9), 1+r.IntN(3), r.IntN(2) == 0)
						require.NotPanics(t, func() { call.check(t, r, kernel, atEdge) }, "%+v", call)
					}
				})
			})
		})
	}
}

// What is not finite in A makes its row of C NaN among zeros, and what is in B its
// column, with ReLU and without.
func TestTapKernelsPropagate(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		eachTap(func(kernel TapKernel[float32], rows, n int) {
			const k = 6 // more than an unrolled loop takes at once
			for _, bad := range []float32{inf, -inf, nan} {
				for _, relu := range []bool{false, true} {
					for _, inA := range []bool{false, true} {
						a, b, c := make([]float32, rows*k), make([]float32, k*n), make([]float32, rows*n)
						row, column, l := r.IntN(rows), r.IntN(n), r.IntN(k)
						if inA {
							a[row*k+l] = bad
						} else {
							b[l*n+column] = bad
						}
						kernel(1, 1, n, &[2]int{}, 1, k, &a[0], k, 1, 0, 0, 0, 0, &b[0], n, &c[0], n, 0, false, nil, relu)
						for i, v := range c {
							hit := inA && i/n == row || !inA && i%n == column
							require.Equal(t, hit, v != v, "%d rows, %d columns, %v, element %d is %v", rows, n, bad, i, v)
						}
					}
				}
			}
		})
	})
}
