package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// These tests hold the kernels of every table to the contract of kernel.go. Operands
// are small integers, so that sums are exact in any order.

// tileCall is the arguments of a tile kernel but for the pointers.
type tileCall struct {
	rows, lines, tiles, n, k                 int
	taps                                     [][2]int
	aRow, aCol, aTile, aLine, bRow           int
	cRow, cLine                              int
	accumulate, biased, relu, prefetchesMore bool
}

// newTileCall returns a call whose taps overlap in A and lie apart in B. transposed
// has A's rows lie one behind the other.
func newTileCall(r *rand.Rand, rows, n, k, taps int, transposed bool) tileCall {
	c := tileCall{
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

func (c tileCall) sizes() (a, b, out int) {
	for _, t := range c.taps {
		last := t[0] + (c.lines-1)*c.aLine + (c.tiles-1)*c.aTile + (c.rows-1)*c.aRow + (c.k-1)*c.aCol
		a, b = max(a, last+1), max(b, t[1]+(c.k-1)*c.bRow+c.n)
	}
	return a, b, (c.lines-1)*c.cLine + (c.tiles*c.rows-1)*c.cRow + c.n
}

// operandsAt provides memory for A, B, C and the bias.
type operandsAt func(operand, n int) []float32

func anywhere(_, n int) []float32 { return make([]float32, n) }

func (call tileCall) check(t *testing.T, r *rand.Rand, kernel tileKernel, memory operandsAt) {
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

// eachTile visits the kernels of the active table, with each number of columns that
// they take.
func eachTile(visit func(kernel tileKernel, rows, n int)) {
	fewest := 1
	for _, p := range kernels().panels {
		for i, kernel := range p.tile {
			for n := fewest; n <= p.columns; n++ {
				visit(kernel, i+1, n)
			}
		}
		fewest = p.columns + 1
	}
}

func TestTileKernels(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		eachTile(func(kernel tileKernel, rows, n int) {
			for _, taps := range []int{0, 1, 2, 5} {
				for _, k := range []int{1, 2, 7, 16} {
					for _, transposed := range []bool{false, true} {
						newTileCall(r, rows, n, k, taps, transposed).check(t, r, kernel, anywhere)
					}
				}
			}
		})
	})
}

func TestTileKernelsStayInside(t *testing.T) {
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
				eachTile(func(kernel tileKernel, rows, n int) {
					for range 4 {
						call := newTileCall(r, rows, n, 1+r.IntN(9), 1+r.IntN(3), r.IntN(2) == 0)
						require.NotPanics(t, func() { call.check(t, r, kernel, atEdge) }, "%+v", call)
					}
				})
			})
		})
	}
}

// What is not finite in A makes its row of C NaN among zeros, and what is in B its
// column, with ReLU and without.
func TestTileKernelsPropagate(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 3))
		eachTile(func(kernel tileKernel, rows, n int) {
			const k = 3
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

// The pooling kernels have the reference's bits, but for sums, which they may not
// reorder either.
func TestPoolingKernelsEqualGeneric(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 4))
		active := kernels()
		for channels := 1; channels <= 70; channels++ {
			for _, taps := range [][]int{{0}, {0, channels}, {0, channels, 5 * channels, 6 * channels, 9 * channels}} {
				for _, pixels := range []int{1, 2, 5} {
					for _, xPixel := range []int{channels, 2 * channels} {
						size := (pixels-1)*xPixel + taps[len(taps)-1] + channels
						x, dy := make([]float32, size), make([]float32, pixels*channels)
						fill := func(s []float32) {
							for i := range s {
								s[i] = float32(r.IntN(5) - 2) // with ties
								if r.IntN(50) == 0 {
									s[i] = []float32{nan, inf, -inf}[r.IntN(3)]
								}
							}
						}
						fill(x)
						fill(dy)
						all := func(k *table) (results [][]float32) {
							for _, floors := range [][2]float32{{-inf, nan}, {0, 0}} {
								y, dx, spread := make([]float32, len(dy)), make([]float32, size), make([]float32, size)
								k.maxPool(pixels, channels, &taps[0], len(taps), &x[0], xPixel, &y[0], floors[0])
								k.maxPoolBackward(pixels, channels, &taps[0], len(taps), &dx[0], &x[0], xPixel, &y[0], &dy[0], floors[1])
								if apart(taps, pixels, xPixel) {
									k.maxPoolSpread(pixels, channels, &taps[0], len(taps), &spread[0], &x[0], xPixel, &y[0], &dy[0], floors[1])
								}
								results = append(results, y, dx, spread)
							}
							mean, spread := make([]float32, len(dy)), make([]float32, size)
							k.sumPool(pixels, channels, &taps[0], len(taps), &x[0], xPixel, &mean[0], 0.25)
							k.sumPoolBackward(pixels, channels, &taps[0], len(taps), &spread[0], xPixel, &dy[0], 0.25)
							return append(results, mean, spread)
						}
						got, want := all(active), all(&generic)
						for i, name := range []string{"maxPool", "maxPoolBackward", "maxPoolSpread", "rectified maxPool", "rectified maxPoolBackward", "rectified maxPoolSpread", "sumPool", "sumPoolBackward"} {
							for j := range want[i] {
								g, w := got[i][j], want[i][j]
								require.True(t, g == w || g != g && w != w, "%s, %d channels, taps %v, %d pixels: element %d is %v, want %v", name, channels, taps, pixels, j, g, w)
							}
						}
					}
				}
			}
		}
	})
}

// apart reports whether no two windows have a tap in common.
func apart(taps []int, pixels, xPixel int) bool {
	seen := map[int]bool{}
	for i := range pixels {
		for _, t := range taps {
			if seen[i*xPixel+t] {
				return false
			}
			seen[i*xPixel+t] = true
		}
	}
	return true
}

func TestPoolingKernelsStayInside(t *testing.T) {
	const size = 1 << 12
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			var pages [4][]float32
			for i := range pages {
				pages[i] = memory(t, size)
			}
			at := func(i, n int) []float32 {
				if side == "ending" {
					return pages[i][size-n:]
				}
				return pages[i][:n]
			}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				k := kernels()
				for channels := 1; channels <= 70; channels++ {
					taps := []int{0, channels, 4 * channels, 5 * channels}
					const pixels = 3
					n := (pixels-1)*2*channels + 6*channels
					x, dx, y, dy := at(0, n), at(1, n), at(2, pixels*channels), at(3, pixels*channels)
					require.NotPanics(t, func() {
						k.maxPool(pixels, channels, &taps[0], 4, &x[0], 2*channels, &y[0], 0)
						k.maxPoolBackward(pixels, channels, &taps[0], 4, &dx[0], &x[0], 2*channels, &y[0], &dy[0], 0)
						k.maxPoolSpread(pixels, channels, &taps[0], 4, &dx[0], &x[0], 2*channels, &y[0], &dy[0], 0)
						k.sumPool(pixels, channels, &taps[0], 4, &x[0], 2*channels, &y[0], 1)
						k.sumPoolBackward(pixels, channels, &taps[0], 4, &dx[0], 2*channels, &dy[0], 1)
					}, fmt.Sprint(channels, " channels"))
				}
			})
		})
	}
}
