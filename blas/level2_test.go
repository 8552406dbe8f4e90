package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/blas/testblas"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// TestGonumsLevel2 is gonum's own test of a BLAS, but for packed and banded
// matrices, which are gonum's.
func TestGonumsLevel2(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for _, tiny := range []bool{false, true} {
			if tiny {
				setVectors(t, tinyColumns[float64])
			}
			var i Implementation
			testblas.DgemvTest(t, i)
			testblas.DgerTest(t, i)
			testblas.DsymvTest(t, i)
			testblas.DsyrTest(t, i)
			testblas.Dsyr2Test(t, i)
			testblas.DtrmvTest(t, i)
			testblas.DtrsvTest(t, i)
			testblas.DtxmvTest(t, i)
		}
	})
}

// setVectors is setTable for the kernels of levels 1 and 2.
func setVectors[T Float](t testing.TB, change func(*vectors[T])) {
	at := kernelsOf[T]()
	old := *at
	change(at)
	t.Cleanup(func() { *at = old })
}

func kernelsOf[T Float]() *vectors[T] {
	if k, ok := any(kernels32()).(*vectors[T]); ok {
		return k
	}
	return any(kernels64()).(*vectors[T])
}

// tinyColumns makes every edge of a block come up in small matrices.
func tinyColumns[T Float](k *vectors[T]) { k.across, k.atOnce = 13, 100 }

func TestLevel2(t *testing.T) { floattest.Each(t, testLevel2[float32], testLevel2[float64]) }

func testLevel2[T Float](t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		for side, memory := range guard.Sides[T]() {
			for _, tiny := range []bool{false, true} {
				t.Run(fmt.Sprintf("side=%s/tiny=%v", side, tiny), func(t *testing.T) {
					if tiny {
						setVectors(t, tinyColumns[T])
					}
					r := rand.New(rand.NewPCG(31, 31))
					pick := func(values ...int) int { return values[r.IntN(len(values))] }
					for n := range 70 {
						for range 3 {
							level2Case[T]{
								m: r.IntN(40), n: n, gap: pick(0, 0, 3),
								ul:   []blas.Uplo{blas.Upper, blas.Lower}[r.IntN(2)],
								tA:   []blas.Transpose{blas.NoTrans, blas.Trans, blas.ConjTrans}[r.IntN(3)],
								d:    []blas.Diag{blas.Unit, blas.NonUnit}[r.IntN(2)],
								incX: pick(1, 1, 2, -1, -3), incY: pick(1, 1, 3, -1, -2),
								alpha: T(pick(0, 1, 1, -7, -7)) / 10, beta: T(pick(0, 10, 3)) / 10,
								memory: memory, r: r,
							}.check(t)
						}
					}
				})
			}
		}
	})
}

// Several rows of several blocks of columns, as they are.
func TestLevel2Blocks(t *testing.T) {
	floattest.Each(t, testLevel2Blocks[float32], testLevel2Blocks[float64])
}

func testLevel2Blocks[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(32, 32))
		for _, tA := range []blas.Transpose{blas.NoTrans, blas.Trans} {
			for _, size := range [][2]int{{19, kernelsOf[T]().across + 37}, {kernelsOf[T]().atOnce/64 + 21, 64}} {
				l := level2Case[T]{m: size[0], n: size[1], tA: tA, incX: 1, incY: 1, alpha: 1, beta: 1, memory: guard.Ending[T], r: r}
				l.checkGemv(t)
				l.n, l.m = min(l.n, 300), min(l.m, 300) // the oracle is slow
				l.ul, l.d = blas.Lower, blas.NonUnit
				l.check(t)
			}
		}
	})
}

// Matrices that are shared: the results are right, and don't depend on the cores.
func TestLevel2OnAnyCores(t *testing.T) {
	floattest.Each(t, testLevel2OnAnyCores[float32], testLevel2OnAnyCores[float64])
}

func testLevel2OnAnyCores[T Float](t *testing.T) {
	const n = 1100
	require.Greater(t, partsOf[T](n*n/2, n), 1)
	routines := level2Of[T](Implementation{})
	simdtest.SlowEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(35, 35))
		a, x, y := floattest.Normal[T](r, n*n), floattest.Normal[T](r, n), floattest.Normal[T](r, n)
		for name, call := range map[string]func(a, y []T){
			"gemv":             func(a, y []T) { routines.gemv(blas.NoTrans, n, n, 1, a, n, x, 1, 1, y, 1) },
			"gemv, transposed": func(a, y []T) { routines.gemv(blas.Trans, n, n, 1, a, n, x, 1, 1, y, 1) },
			"ger":              func(a, y []T) { routines.ger(n, n, 1, x, 1, y, 1, a, n) },
			"symv, lower":      func(a, y []T) { routines.symv(blas.Lower, n, 1, a, n, x, 1, 1, y, 1) },
			"symv, upper":      func(a, y []T) { routines.symv(blas.Upper, n, 1, a, n, x, 1, 1, y, 1) },
			"syr":              func(a, _ []T) { routines.syr(blas.Lower, n, 1, x, 1, a, n) },
			"syr2":             func(a, y []T) { routines.syr2(blas.Upper, n, 1, x, 1, y, 1, a, n) },
		} {
			var wantA, wantY []T
			for _, cores := range []int{1, 2, 5} {
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				gotA, gotY := slices.Clone(a), slices.Clone(y)
				call(gotA, gotY)
				if cores == 1 {
					wantA, wantY = gotA, gotY
					require.False(t, slices.Equal(a, gotA) && slices.Equal(y, gotY), "%s does something", name)
				}
				require.True(t, slices.Equal(wantA, gotA) && slices.Equal(wantY, gotY), "%s on %d cores", name, cores)
			}
		}
		l := level2Case[T]{m: 700, n: n, ul: blas.Upper, tA: blas.Trans, d: blas.NonUnit, incX: 1, incY: 1, alpha: 1, beta: 1, memory: guard.Ending[T], r: r}
		l.checkGemv(t)
		l.checkSymv(t)
		l.checkOuter(t)
	})
}

// The parts of a half are all of it.
func TestHalvesAreCutWhole(t *testing.T) {
	for _, lower := range []bool{false, true} {
		for _, n := range []int{1, 16, 100, 1024, 5000} {
			for parts := 1; parts <= 9; parts++ {
				h, next := half{lower, n}, 0
				for part := range parts {
					from, to := h.cut(parts, part)
					require.Equal(t, next, from)
					require.True(t, from%blockRows == 0 || from == n)
					next = to
				}
				require.Equal(t, n, next)
			}
		}
	}
}

func FuzzLevel2(f *testing.F) {
	f.Add(uint64(1), uint8(20), uint8(33), uint8(0), uint8(0), int8(1), int8(1), 0.5, 0.0)
	f.Add(uint64(2), uint8(7), uint8(64), uint8(2), uint8(7), int8(-2), int8(3), -1.0, 1.0)
	f.Add(uint64(3), uint8(1), uint8(1), uint8(1), uint8(13), int8(1), int8(-1), 0.0, 2.0)
	f.Fuzz(func(t *testing.T, seed uint64, m, n, gap, choice uint8, incX, incY int8, alpha, beta float64) {
		for _, scale := range []float64{alpha, beta} {
			if !(math.Abs(scale) < 1e6) || scale != 0 && math.Abs(scale) < 1e-6 {
				t.Skip("over- or underflows")
			}
		}
		if incX == 0 || incY == 0 {
			t.Skip("no such increment")
		}
		for _, isa := range simdtest.ISAs() {
			simdtest.Use(t, isa)
			if choice&16 != 0 {
				setVectors(t, tinyColumns[float32])
				setVectors(t, tinyColumns[float64])
			}
			fuzzLevel2[float32](t, seed, m, n, gap, choice, incX, incY, alpha, beta)
			fuzzLevel2[float64](t, seed, m, n, gap, choice, incX, incY, alpha, beta)
		}
	})
}

func fuzzLevel2[T Float](t *testing.T, seed uint64, m, n, gap, choice uint8, incX, incY int8, alpha, beta float64) {
	l := level2Case[T]{
		m: int(m), n: int(n), gap: int(gap), incX: int(incX), incY: int(incY), alpha: T(alpha), beta: T(beta),
		ul: blas.Upper, tA: blas.NoTrans, d: blas.NonUnit, memory: guard.Ending[T], r: rand.New(rand.NewPCG(seed, 1)),
	}
	if choice&1 != 0 {
		l.ul = blas.Lower
	}
	if choice&2 != 0 {
		l.tA = blas.Trans
	}
	if choice&4 != 0 {
		l.d = blas.Unit
	}
	if choice&8 != 0 {
		l.memory = guard.Beginning[T]
	}
	l.check(t)
}

// A NaN or Inf in A reaches what it is multiplied into, even by zeros.
func TestLevel2Propagates(t *testing.T) {
	floattest.Each(t, testLevel2Propagates[float32], testLevel2Propagates[float64])
}

func testLevel2Propagates[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const n = 21
		routines, r := level2Of[T](Implementation{}), rand.New(rand.NewPCG(33, 33))
		for _, bad := range []T{T(math.NaN()), T(math.Inf(1))} {
			for range 30 {
				row, col := r.IntN(n), r.IntN(n)
				lower, upper := max(row, col)*n+min(row, col), min(row, col)*n+max(row, col)
				requireNaN := func(what string, x []T, where ...int) {
					t.Helper()
					for i, v := range x {
						require.Equal(t, slices.Contains(where, i), v != v, "%s of %v at (%d,%d): element %d is %v", what, bad, row, col, i, v)
					}
				}
				a := make([]T, n*n)
				a[row*n+col] = bad
				y := make([]T, n)
				routines.gemv(blas.NoTrans, n, n, 1, a, n, make([]T, n), 1, 0, y, 1)
				requireNaN("gemv", y, row)
				routines.gemv(blas.Trans, n, n, 1, a, n, make([]T, n), 1, 0, y, 1)
				requireNaN("gemv, transposed,", y, col)
				for ul, at := range map[blas.Uplo]int{blas.Lower: lower, blas.Upper: upper} {
					clear(a)
					a[at] = bad
					routines.symv(ul, n, 1, a, n, make([]T, n), 1, 0, y, 1)
					requireNaN("symv", y, row, col)
					i, j := at/n, at%n
					clear(y)
					routines.trmv(ul, blas.NoTrans, blas.NonUnit, n, a, n, y, 1)
					requireNaN("trmv", y, i)
					clear(y)
					routines.trmv(ul, blas.Trans, blas.NonUnit, n, a, n, y, 1)
					requireNaN("trmv, transposed,", y, j)

					x := make([]T, n)
					x[row] = bad
					clear(a)
					routines.syr(ul, n, 1, x, 1, a, n)
					var where []int
					for j := range n {
						if i, j := max(row, j), min(row, j); ul == blas.Lower {
							where = append(where, i*n+j)
						} else {
							where = append(where, j*n+i)
						}
					}
					if bad == bad { // Inf*Inf
						a[row*n+row] = T(math.NaN())
					}
					requireNaN("syr", a, where...)
				}
				clear(a)
				x := make([]T, n)
				x[row] = bad
				routines.ger(n, n, 1, x, 1, make([]T, n), 1, a, n)
				for i, v := range a {
					require.Equal(t, i/n == row, v != v, "ger")
				}
			}
		}
	})
}

func TestLevel2PanicsLikeGonum(t *testing.T) {
	floattest.Each(t, testLevel2Panics[float32], testLevel2Panics[float64])
}

func testLevel2Panics[T Float](t *testing.T) {
	type call struct {
		ul            blas.Uplo
		tA            blas.Transpose
		d             blas.Diag
		m, n, lda     int
		a, x, incX, y int // a, x and y are lengths
		incY          int
		alpha         T
	}
	calls := map[string]func(level2[T], call, []T, []T, []T){
		"gemv": func(l level2[T], c call, a, x, y []T) {
			l.gemv(c.tA, c.m, c.n, c.alpha, a, c.lda, x, c.incX, 1, y, c.incY)
		},
		"ger":  func(l level2[T], c call, a, x, y []T) { l.ger(c.m, c.n, c.alpha, x, c.incX, y, c.incY, a, c.lda) },
		"symv": func(l level2[T], c call, a, x, y []T) { l.symv(c.ul, c.n, c.alpha, a, c.lda, x, c.incX, 1, y, c.incY) },
		"syr":  func(l level2[T], c call, a, x, y []T) { l.syr(c.ul, c.n, c.alpha, x, c.incX, a, c.lda) },
		"syr2": func(l level2[T], c call, a, x, y []T) { l.syr2(c.ul, c.n, c.alpha, x, c.incX, y, c.incY, a, c.lda) },
		"trmv": func(l level2[T], c call, a, x, y []T) { l.trmv(c.ul, c.tA, c.d, c.n, a, c.lda, x, c.incX) },
		"trsv": func(l level2[T], c call, a, x, y []T) { l.trsv(c.ul, c.tA, c.d, c.n, a, c.lda, x, c.incX) },
	}
	r := rand.New(rand.NewPCG(34, 34))
	for name, routine := range calls {
		seen := map[any]int{}
		for range 20000 {
			c := call{ul: blas.Lower, tA: blas.NoTrans, d: blas.NonUnit, m: 3, n: 4, lda: 5, a: 19, x: 7, incX: 2, y: 4, incY: -1, alpha: T(r.IntN(2))}
			for range 1 + r.IntN(3) { // one or several things are otherwise, or wrong
				switch r.IntN(11) {
				case 0:
					c.ul = []blas.Uplo{blas.Upper, blas.All, 'X'}[r.IntN(3)]
				case 1:
					c.tA = []blas.Transpose{blas.Trans, blas.ConjTrans, 'X'}[r.IntN(3)]
				case 2:
					c.d = []blas.Diag{blas.Unit, 'X'}[r.IntN(2)]
				case 3:
					c.m = r.IntN(5) - 1
				case 4:
					c.n = r.IntN(6) - 1
				case 5:
					c.lda = r.IntN(6)
				case 6:
					c.a = r.IntN(20)
				case 7:
					c.x = r.IntN(8)
				case 8:
					c.incX = r.IntN(5) - 2
				case 9:
					c.y = r.IntN(5)
				case 10:
					c.incY = r.IntN(3) - 1
				}
			}
			run := func(l level2[T]) any {
				return panicOf(func() { routine(l, c, make([]T, c.a), make([]T, c.x), make([]T, c.y)) })
			}
			want := run(level2Of[T](gonum.Implementation{}))
			require.Equal(t, want, run(level2Of[T](Implementation{})), "%s, %+v", name, c)
			seen[want]++
		}
		assert.Greater(t, len(seen), 6, "%s: all kinds of panics: %v", name, seen)
	}
}

func TestLevel2AllocatesNothing(t *testing.T) {
	const n = 50
	a, x, y := make([]float64, n*n), make([]float64, 2*n), make([]float64, n)
	for i := range n {
		a[i*n+i] = 1
	}
	routines := level2Of[float64](Implementation{})
	assert.Zero(t, testing.AllocsPerRun(10, func() {
		for inc := 1; inc <= 2; inc++ {
			routines.gemv(blas.Trans, n, n, 1, a, n, x, inc, 2, y, 1)
			routines.ger(n, n, 1, x, inc, y, 1, a, n)
			routines.symv(blas.Upper, n, 1, a, n, x, inc, 2, y, 1)
			routines.syr2(blas.Upper, n, 1, x, inc, y, 1, a, n)
			routines.trmv(blas.Upper, blas.NoTrans, blas.NonUnit, n, a, n, x, inc)
			routines.trsv(blas.Upper, blas.NoTrans, blas.NonUnit, n, a, n, x, inc)
		}
	}))
}
