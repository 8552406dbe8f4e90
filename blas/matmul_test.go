package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

var nan, inf = float32(math.NaN()), float32(math.Inf(1))

// sizes are the sizes around multiples of a tile's.
func sizes(tile int) []int {
	return []int{1, 2, 3, tile/2 + 3, tile - 1, tile, tile + 1, 2*tile - 1, 2 * tile, 2*tile + 3, 3*tile + 1}
}

func TestMatMulAgainstOracle(t *testing.T) {
	for name, change := range map[string]func(*table){"blocks=tiny": tinyBlocks, "blocks=real": func(*table) {}} {
		t.Run(name, func(t *testing.T) {
			simdtest.EachISA(t, func(t *testing.T) {
				setTable(t, change)
				r := rand.New(rand.NewPCG(1, 1))
				team := parallel.NewTeam(3)
				for _, m := range sizes(active().mr()) {
					for _, n := range sizes(active().nr) {
						for _, k := range []int{0, 1, 4, 5, 6, 10, 16, 23} {
							tA, tB, accumulate := r.IntN(2) == 1, r.IntN(2) == 1, r.IntN(2) == 1
							gap := r.IntN(3)
							a := layout(normal(r, extent(m, k, tA, gap)), m, k, tA, gap)
							b := layout(normal(r, extent(k, n, tB, gap)), k, n, tB, gap)
							checkProduct(t, r, team, a, b, accumulate, 1)
							a.Data, b.Data = integers(r, len(a.Data)), integers(r, len(b.Data))
							checkProduct(t, r, nil, a, b, accumulate, 0)
						}
					}
				}
			})
		})
	}
}

// checkProduct multiplies into a C with canaries around and between its rows.
func checkProduct(t *testing.T, r *rand.Rand, team *parallel.Team, a, b Mat, accumulate bool, slack float64) {
	t.Helper()
	m, n := a.Rows, b.Cols
	const gap, canary = 3, 12345
	row := n + gap
	data := make([]float32, gap+m*row)
	for i := range data {
		data[i] = canary
	}
	c := Mat{Data: data[gap:], Rows: m, Cols: n, RowStride: row, ColStride: 1}
	old := make([]float64, m*n)
	for i := range m {
		for j := range n {
			v := nan // not accumulating must not read it
			if accumulate {
				v = float32(r.IntN(9) - 4)
			}
			c.Data[i*row+j] = v
			old[i*n+j] = float64(v)
		}
	}
	bias := integers(r, n)
	beta := 0.0
	if accumulate {
		beta = 1
	}
	MatMul(team, c, a, b, Options{Accumulate: accumulate, Bias: bias})
	requireProduct(t, c, a, b, old, 1, beta, bias, slack)
	for i, v := range data {
		if inside := i >= gap && (i-gap)%row < n; !inside && v != canary {
			require.Failf(t, "wrote outside C", "%dx%dx%d: element %d is %v", m, n, a.Cols, i, v)
		}
	}
}

// The element rule: a row computed alone, packed or not, by any blocks and any
// team, has the bits that it has in the whole product.
func TestElementRule(t *testing.T) {
	schedules := map[string]func(*table){
		"as it is":       func(*table) {},
		"packed":         func(tb *table) { tb.packRows, tb.packStride, tb.packAligned, tb.copyA = 0, 0, 0, 0 },
		"in place":       func(tb *table) { tb.packRows, tb.copyA = math.MaxInt, math.MaxInt },
		"small blocks":   func(tb *table) { tb.mc, tb.nc, tb.copyA = 5, tb.nr, 0 },
		"always divided": func(tb *table) { tb.aloneBelow, tb.directUpTo = 0, 0 },
		"never direct":   func(tb *table) { tb.directUpTo = 0 },
	}
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(2, 2))
		for _, size := range [][3]int{{29, 37, 1100}, {40, 100, 513}, {65, 10, 600}, {7, 129, 64}, {33, 40, 41}, {50, 52, 530}, {90, 5, 530}} {
			m, n, k := size[0], size[1], size[2]
			for _, tA := range []bool{false, true} {
				for _, tB := range []bool{false, true} {
					a := layout(normal(r, m*k), m, k, tA, 0)
					b := layout(normal(r, k*n), k, n, tB, 0)
					bias := normal(r, n)
					whole := Dense(make([]float32, m*n), m, n)
					MatMul(nil, whole, a, b, Options{Bias: bias})

					got := Dense(make([]float32, m*n), m, n)
					for name, change := range schedules {
						t.Run(name, func(t *testing.T) {
							setTable(t, change)
							for _, workers := range []int{1, 2, 5} {
								MatMul(parallel.NewTeam(workers), got, a, b, Options{Bias: bias})
								require.Equal(t, whole.Data, got.Data, "%v workers %d", size, workers)

								packed := NewPackedB(k, n)
								packed.Pack(parallel.NewTeam(workers), b)
								clear(got.Data)
								MatMul(parallel.NewTeam(workers), got, a, b, Options{Bias: bias, PackedB: packed})
								require.Equal(t, whole.Data, got.Data, "packed B, %v workers %d", size, workers)
							}
						})
					}
					for i := range m {
						row := Dense(make([]float32, n), 1, n)
						MatMul(nil, row, rowsOf(a, i, 1), b, Options{Bias: bias})
						require.Equal(t, whole.Data[i*n:][:n], row.Data, "row %d of %v alone", i, size)
					}
				}
			}
		}
	})
}

func rowsOf(m Mat, from, rows int) Mat {
	m.Data = m.Data[from*m.RowStride:]
	m.Rows = rows
	return m
}

func TestNaNAndInfPropagate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		setTable(t, tinyBlocks)
		m, n, k := 2*active().mr()+1, 2*active().nr+1, 12
		for _, bad := range []float32{nan, inf, -inf} {
			for _, at := range [][2]int{{0, 0}, {m - 1, k - 1}, {m / 2, k / 2}} {
				a, b := Dense(make([]float32, m*k), m, k), Dense(make([]float32, k*n), k, n) // zeros: 0*Inf is NaN
				a.Data[at[0]*k+at[1]] = bad
				c := Dense(make([]float32, m*n), m, n)
				MatMul(nil, c, a, b, Options{})
				for i := range m {
					for j := range n {
						require.Equal(t, i == at[0], math.IsNaN(c.get(i, j)), "A has %v at %v: C(%d,%d) is %v", bad, at, i, j, c.get(i, j))
					}
				}
				MatMul(nil, Dense(c.Data, n, m), b.T(), a.T(), Options{})
				for i := range n {
					for j := range m {
						require.Equal(t, j == at[0], math.IsNaN(Dense(c.Data, n, m).get(i, j)), "B has %v: C(%d,%d)", bad, i, j)
					}
				}
			}
		}
	})
}

func TestMatMulStaysInside(t *testing.T) {
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of this goroutine alone
				setTable(t, tinyBlocks)
				for _, m := range sizes(active().mr()) {
					for _, n := range []int{1, active().nr - 1, active().nr, active().nr + 5} {
						for _, k := range []int{1, 7, 8} {
							a, b, c, bias := memory(t, m*k), memory(t, k*n), memory(t, m*n), memory(t, n)
							for trans := range 4 {
								assert.NotPanics(t, func() {
									MatMul(nil, Dense(c, m, n), layout(a, m, k, trans&1 != 0, 0), layout(b, k, n, trans&2 != 0, 0), Options{Bias: bias, Accumulate: true})
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
	m := func(rows, cols int) Mat { return Dense(make([]float32, rows*cols), rows, cols) }
	short := m(3, 4)
	short.Data = short.Data[:11]
	odd := m(3, 4)
	odd.RowStride, odd.ColStride = 8, 2
	for want, call := range map[string]func(){
		"blas: C is 2 x 4, A 3 x 2, B 2 x 4":                                     func() { MatMul(nil, m(2, 4), m(3, 2), m(2, 4), Options{}) },
		"blas: A, 3 x 4 with strides 4 and 1, has 11 elements, want at least 12": func() { MatMul(nil, m(3, 5), short, m(4, 5), Options{}) },
		"blas: B has strides 8 and 2, and neither is 1":                          func() { MatMul(nil, m(5, 4), m(5, 3), odd, Options{}) },
		"blas: bias of 3 elements for 4 columns":                                 func() { MatMul(nil, m(2, 4), m(2, 3), m(3, 4), Options{Bias: make([]float32, 3)}) },
		"blas: C has column stride 2, want 1":                                    func() { MatMul(nil, m(4, 2).T(), m(2, 3), m(3, 4), Options{}) },
		"blas: B is 3 x 4, but its packed form 4 x 4":                            func() { MatMul(nil, m(2, 4), m(2, 3), m(3, 4), Options{PackedB: NewPackedB(4, 4)}) },
		"blas: C is -1 x 4":                                                      func() { MatMul(nil, Mat{Rows: -1, Cols: 4, RowStride: 4, ColStride: 1}, m(2, 3), m(3, 4), Options{}) },
		"blas: B is 3 x 4, packed into the form of 4 x 4":                        func() { NewPackedB(4, 4).Pack(nil, m(3, 4)) },
	} {
		assert.PanicsWithValue(t, want, call)
	}
}

func TestPackedBIsBoundToItsISA(t *testing.T) {
	packed := NewPackedB(3, 4)
	packed.table = &table{}
	x := Dense(make([]float32, 12), 3, 4)
	assert.PanicsWithValue(t, "blas: B was packed under another instruction set", func() {
		MatMul(nil, Dense(make([]float32, 12), 3, 4), Dense(make([]float32, 9), 3, 3), x, Options{PackedB: packed})
	})
}

func TestMatMulAllocatesNothing(t *testing.T) {
	team := parallel.NewTeam(2)
	c, a, b := Dense(make([]float32, 200*200), 200, 200), Dense(make([]float32, 200*200), 200, 200), Dense(make([]float32, 200*200), 200, 200)
	packed := NewPackedB(200, 200)
	run := func() {
		packed.Pack(team, b.T())
		MatMul(team, c, a, b, Options{PackedB: packed})
		MatMul(team, c, a.T(), b, Options{})
	}
	run()
	assert.Less(t, testing.AllocsPerRun(20, run), 0.5)
}

func ExampleMatMul() {
	a := Dense([]float32{
		1, 2, 3,
		4, 5, 6,
	}, 2, 3)
	c := Dense(make([]float32, 4), 2, 2)
	MatMul(nil, c, a, a.T(), Options{Bias: []float32{100, 200}})
	fmt.Println(c.Data)
	// Output: [114 232 132 277]
}
