package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// sizes are the sizes around multiples of a tile's.
func sizes(tile int) []int {
	return []int{1, 2, 3, tile/2 + 3, tile - 1, tile, tile + 1, 2*tile - 1, 2 * tile, 2*tile + 3, 3*tile + 1}
}

func TestMatMulAgainstOracle(t *testing.T) {
	floattest.Each(t, testMatMulAgainstOracle[float32], testMatMulAgainstOracle[float64])
}

func testMatMulAgainstOracle[T Float](t *testing.T) {
	for name, change := range map[string]func(*gemm.Table[T]){"blocks=tiny": tinyBlocks[T], "blocks=real": func(*gemm.Table[T]) {}} {
		t.Run(name, func(t *testing.T) {
			simdtest.EachISA(t, func(t *testing.T) {
				setTable(t, change)
				r := rand.New(rand.NewPCG(1, 1))
				team := parallel.NewTeam(3)
				for _, m := range sizes(gemm.Active[T]().MR()) {
					for _, n := range sizes(gemm.Active[T]().NR) {
						for _, k := range []int{0, 1, 4, 5, 6, 10, 16, 23} {
							tA, tB, opt := r.IntN(2) == 1, r.IntN(2) == 1, someOptions[T](r, m, n)
							gap := r.IntN(3)
							a := layout(floattest.Normal[T](r, extent(m, k, tA, gap)), m, k, tA, gap)
							b := layout(floattest.Normal[T](r, extent(k, n, tB, gap)), k, n, tB, gap)
							checkProduct(t, r, team, a, b, opt, 1)
							a.Data, b.Data = floattest.Integers[T](r, len(a.Data)), floattest.Integers[T](r, len(b.Data))
							checkProduct(t, r, nil, a, b, opt, 0)
						}
					}
				}
			})
		})
	}
}

// checkProduct multiplies into a C with canaries around and between its rows.
func checkProduct[T Float](t *testing.T, r *rand.Rand, team *parallel.Team, a, b Mat[T], opt Options[T], slack float64) {
	t.Helper()
	m, n := a.Rows, b.Cols
	const gap, canary = 3, 12345
	row := n + gap
	data := make([]T, gap+m*row)
	for i := range data {
		data[i] = canary
	}
	c := Mat[T]{Data: data[gap:], Rows: m, Cols: n, RowStride: row, ColStride: 1}
	old := make([]float64, m*n)
	for i := range m {
		for j := range n {
			v := T(math.NaN()) // not accumulating must not read it
			if opt.Accumulate {
				v = T(r.IntN(9) - 4)
			}
			c.Data[i*row+j] = v
			old[i*n+j] = float64(v)
		}
	}
	beta := 0.0
	if opt.Accumulate {
		beta = 1
	}
	MatMul(team, c, a, b, opt)
	requireProduct(t, c, a, b, old, 1, beta, opt, slack)
	for i, v := range data {
		if inside := i >= gap && (i-gap)%row < n; !inside && v != canary {
			require.Failf(t, "wrote outside C", "%dx%dx%d: element %d is %v", m, n, a.Cols, i, v)
		}
	}
}

// someOptions draws what to do besides multiplying.
func someOptions[T Float](r *rand.Rand, m, n int) Options[T] {
	opt := Options[T]{Accumulate: r.IntN(2) == 1, ReLU: r.IntN(2) == 1}
	if r.IntN(2) == 1 {
		opt.Bias = floattest.Integers[T](r, n)
	}
	if r.IntN(2) == 1 {
		opt.RowBias = floattest.Integers[T](r, m)
	}
	return opt
}

// The element rule: a row computed alone, packed or not, by any blocks and any
// team, has the bits that it has in the whole product.
func TestElementRule(t *testing.T) {
	floattest.Each(t, testElementRule[float32], testElementRule[float64])
}

func testElementRule[T Float](t *testing.T) {
	schedules := map[string]func(*gemm.Table[T]){
		"as it is": func(*gemm.Table[T]) {},
		"packed": func(tb *gemm.Table[T]) {
			tb.PackRows, tb.PackStride, tb.PackRowsAligned, tb.PackAligned, tb.CopyA, tb.CopyFighting, tb.CopyRows = 0, 0, 0, 0, 0, 0, 0
		},
		"in place": func(tb *gemm.Table[T]) {
			tb.PackRows, tb.PackRowsAligned, tb.CopyA, tb.CopyRows = math.MaxInt, math.MaxInt, math.MaxInt, math.MaxInt
		},
		"small blocks":   func(tb *gemm.Table[T]) { tb.MC, tb.NC, tb.CopyA, tb.CopyRows = 5, tb.NR, 0, 0 },
		"always divided": func(tb *gemm.Table[T]) { tb.AloneBelow, tb.WakeBelow, tb.PartWork, tb.DirectUpTo = 0, 0, 1, 0 },
		"never direct":   func(tb *gemm.Table[T]) { tb.DirectUpTo = 0 },
	}
	teams := []int{1, 2, 5}
	if testing.Short() {
		teams = []int{1, 5}
	}
	simdtest.SlowEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, size := range [][3]int{{29, 37, 1100}, {40, 100, 513}, {65, 10, 600}, {7, 129, 64}, {33, 40, 41}, {30, 40, 1024}, {50, 52, 530}, {90, 5, 530}} {
			m, n, k := size[0], size[1], size[2]
			for _, tA := range []bool{false, true} {
				for _, tB := range []bool{false, true} {
					a := layout(floattest.Normal[T](r, m*k), m, k, tA, 0)
					b := layout(floattest.Normal[T](r, k*n), k, n, tB, 0)
					opt := Options[T]{Bias: floattest.Normal[T](r, n), ReLU: r.IntN(2) == 1, RowBias: floattest.Normal[T](r, m)}
					if r.IntN(2) == 1 {
						opt.RowBias = nil // only then a product may be mirrored
					}
					withPacked := opt
					whole := RowMajor(make([]T, m*n), m, n)
					MatMul(nil, whole, a, b, opt)

					got := RowMajor(make([]T, m*n), m, n)
					for name, change := range schedules {
						t.Run(name, func(t *testing.T) {
							setTable(t, change)
							for _, workers := range teams {
								MatMul(parallel.NewTeam(workers), got, a, b, opt)
								require.Equal(t, whole.Data, got.Data, "%v workers %d", size, workers)

								withPacked.PackedB = NewPackedB[T](k, n)
								withPacked.PackedB.Pack(parallel.NewTeam(workers), b)
								clear(got.Data)
								MatMul(parallel.NewTeam(workers), got, a, b, withPacked)
								require.Equal(t, whole.Data, got.Data, "packed B, %v workers %d", size, workers)
							}
						})
					}
					for i := range m {
						row := RowMajor(make([]T, n), 1, n)
						alone := opt
						if opt.RowBias != nil {
							alone.RowBias = opt.RowBias[i : i+1]
						}
						MatMul(nil, row, rowsOf(a, i, 1), b, alone)
						require.Equal(t, whole.Data[i*n:][:n], row.Data, "row %d of %v alone", i, size)
					}
				}
			}
		}
	})
}

func rowsOf[T Float](m Mat[T], from, rows int) Mat[T] {
	m.Data = m.Data[from*m.RowStride:]
	m.Rows = rows
	return m
}

func TestNaNAndInfPropagate(t *testing.T) {
	floattest.Each(t, testNaNAndInfPropagate[float32], testNaNAndInfPropagate[float64])
}

func testNaNAndInfPropagate[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		setTable(t, tinyBlocks[T])
		m, n, k := 2*gemm.Active[T]().MR()+1, 2*gemm.Active[T]().NR+1, 12
		for _, bad := range []T{T(math.NaN()), T(math.Inf(1)), T(math.Inf(-1))} {
			for _, at := range [][2]int{{0, 0}, {m - 1, k - 1}, {m / 2, k / 2}} {
				a, b := RowMajor(make([]T, m*k), m, k), RowMajor(make([]T, k*n), k, n) // zeros: 0*Inf is NaN
				a.Data[at[0]*k+at[1]] = bad
				c := RowMajor(make([]T, m*n), m, n)
				MatMul(nil, c, a, b, Options[T]{})
				for i := range m {
					for j := range n {
						require.Equal(t, i == at[0], math.IsNaN(c.get(i, j)), "A has %v at %v: C(%d,%d) is %v", bad, at, i, j, c.get(i, j))
					}
				}
				MatMul(nil, RowMajor(c.Data, n, m), b.T(), a.T(), Options[T]{})
				for i := range n {
					for j := range m {
						require.Equal(t, j == at[0], math.IsNaN(RowMajor(c.Data, n, m).get(i, j)), "B has %v: C(%d,%d)", bad, i, j)
					}
				}
			}
		}
	})
}

func TestMatMulStaysInside(t *testing.T) {
	floattest.Each(t, testMatMulStaysInside[float32], testMatMulStaysInside[float64])
}

func testMatMulStaysInside[T Float](t *testing.T) {
	for side, memory := range guard.Sides[T]() {
		t.Run(side, func(t *testing.T) {
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of this goroutine alone
				setTable(t, tinyBlocks[T])
				for _, m := range sizes(gemm.Active[T]().MR()) {
					for _, n := range []int{1, gemm.Active[T]().NR - 1, gemm.Active[T]().NR, gemm.Active[T]().NR + 5} {
						for _, k := range []int{1, 7, 8} {
							a, b, c, bias := memory(t, m*k), memory(t, k*n), memory(t, m*n), memory(t, n)
							for trans := range 4 {
								assert.NotPanics(t, func() {
									MatMul(nil, RowMajor(c, m, n), layout(a, m, k, trans&1 != 0, 0), layout(b, k, n, trans&2 != 0, 0), Options[T]{Bias: bias, Accumulate: true})
								}, "%dx%dx%d transposition %d", m, n, k, trans)
							}
						}
					}
				}
			})
		})
	}
}

func TestMatMulRefuses(t *testing.T) {
	m := func(rows, cols int) Mat[float32] { return RowMajor(make([]float32, rows*cols), rows, cols) }
	short := m(3, 4)
	short.Data = short.Data[:11]
	odd := m(3, 4)
	odd.RowStride, odd.ColStride = 8, 2
	for want, call := range map[string]func(){
		"blas: C is 2 x 4, A 3 x 2, B 2 x 4":                                     func() { MatMul(nil, m(2, 4), m(3, 2), m(2, 4), Options[float32]{}) },
		"blas: A, 3 x 4 with strides 4 and 1, has 11 elements, want at least 12": func() { MatMul(nil, m(3, 5), short, m(4, 5), Options[float32]{}) },
		"blas: B has strides 8 and 2, and neither is 1":                          func() { MatMul(nil, m(5, 4), m(5, 3), odd, Options[float32]{}) },
		"blas: bias of 3 elements for 4 columns":                                 func() { MatMul(nil, m(2, 4), m(2, 3), m(3, 4), Options[float32]{Bias: make([]float32, 3)}) },
		"blas: C has column stride 2, want 1":                                    func() { MatMul(nil, m(4, 2).T(), m(2, 3), m(3, 4), Options[float32]{}) },
		"blas: B is 3 x 4, but its packed form 4 x 4":                            func() { MatMul(nil, m(2, 4), m(2, 3), m(3, 4), Options[float32]{PackedB: NewPackedB[float32](4, 4)}) },
		"blas: C has row stride 3 for 4 columns": func() {
			MatMul(nil, Mat[float32]{Data: make([]float32, 8), Rows: 2, Cols: 4, RowStride: 3, ColStride: 1}, m(2, 3), m(3, 4), Options[float32]{})
		},
		"blas: C is -1 x 4": func() {
			MatMul(nil, Mat[float32]{Rows: -1, Cols: 4, RowStride: 4, ColStride: 1}, m(2, 3), m(3, 4), Options[float32]{})
		},
		"blas: bias of 3 elements for 2 rows":             func() { MatMul(nil, m(2, 4), m(2, 3), m(3, 4), Options[float32]{RowBias: make([]float32, 3)}) },
		"blas: B is 3 x 4, packed into the form of 4 x 4": func() { NewPackedB[float32](4, 4).Pack(nil, m(3, 4)) },
	} {
		assert.PanicsWithValue(t, want, call)
	}
}

func TestPackedBIsBoundToItsISA(t *testing.T) {
	packed := NewPackedB[float32](3, 4)
	packed.matrix.Table = &gemm.Table[float32]{}
	x := RowMajor(make([]float32, 12), 3, 4)
	assert.PanicsWithValue(t, "blas: B was packed under another instruction set", func() {
		MatMul(nil, RowMajor(make([]float32, 12), 3, 4), RowMajor(make([]float32, 9), 3, 3), x, Options[float32]{PackedB: packed})
	})
}

// A PackedB that Pack never filled is refused on the caller's goroutine, whatever the team.
func TestMatMulRefusesUnfilledPackedB(t *testing.T) {
	floattest.Each(t, testMatMulRefusesUnfilledPackedB[float32], testMatMulRefusesUnfilledPackedB[float64])
}

func testMatMulRefusesUnfilledPackedB[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, workers := range []int{1, 3} {
			for _, size := range []int{1, 4, 70} {
				x := RowMajor(make([]T, size*size), size, size)
				c := RowMajor(slices.Repeat([]T{7}, size*size), size, size)
				packed := NewPackedB[T](size, size)
				multiply := func() {
					MatMul(parallel.NewTeam(workers), c, x, Mat[T]{Rows: size, Cols: size, ColStride: 1}, Options[T]{PackedB: packed})
				}
				want := fmt.Sprintf("blas: the packed form of B, %d x %d, was never filled by Pack", size, size)
				assert.PanicsWithValue(t, want, multiply)
				require.Equal(t, slices.Repeat([]T{7}, size*size), c.Data, "C was written to")
				packed.Pack(nil, x)
				assert.NotPanics(t, multiply)
			}
		}
		empty := NewPackedB[T](0, 3) // has nothing to fill
		c := RowMajor([]T{1, 2, 3}, 1, 3)
		MatMul(nil, c, RowMajor[T](nil, 1, 0), RowMajor[T](nil, 0, 3), Options[T]{PackedB: empty})
		assert.Equal(t, []T{0, 0, 0}, c.Data)
	})
	assert.PanicsWithValue(t, "blas: B is 1 x 1, but its packed form 0 x 0", func() {
		x := RowMajor(make([]T, 1), 1, 1)
		MatMul(nil, x, x, x, Options[T]{PackedB: &PackedB[T]{}})
	})
}

func TestMatMulAllocatesNothing(t *testing.T) {
	floattest.Each(t, testMatMulAllocatesNothing[float32], testMatMulAllocatesNothing[float64])
}

func testMatMulAllocatesNothing[T Float](t *testing.T) {
	team := parallel.NewTeam(2)
	c, a, b := RowMajor(make([]T, 200*200), 200, 200), RowMajor(make([]T, 200*200), 200, 200), RowMajor(make([]T, 200*200), 200, 200)
	packed := NewPackedB[T](200, 200)
	run := func() {
		packed.Pack(team, b.T())
		MatMul(team, c, a, b, Options[T]{PackedB: packed})
		MatMul(team, c, a.T(), b, Options[T]{})
	}
	run()
	assert.Less(t, testing.AllocsPerRun(20, run), 0.5)
}

func ExampleMatMul() {
	a := RowMajor([]float32{
		1, 2, 3,
		4, 5, 6,
	}, 2, 3)
	c := RowMajor(make([]float32, 4), 2, 2)
	MatMul(nil, c, a, a.T(), Options[float32]{Bias: []float32{100, 200}})
	fmt.Println(c.Data)
	// Output: [114 232 132 277]
}
