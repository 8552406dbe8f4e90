package blas

import (
	"math"
	"math/rand/v2"
	"runtime"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// routines are those of level 3 beside xGEMM, of a type of elements.
type routines[T Float] struct {
	symm       func(s blas.Side, ul blas.Uplo, m, n int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	syrk       func(ul blas.Uplo, t Transpose, n, k int, alpha T, a []T, lda int, beta T, c []T, ldc int)
	syr2k      func(ul blas.Uplo, t Transpose, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)
	trmm, trsm func(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag, m, n int, alpha T, a []T, lda int, b []T, ldb int)
}

func routines32(impl blas.Float32Level3) routines[float32] {
	return routines[float32]{impl.Ssymm, impl.Ssyrk, impl.Ssyr2k, impl.Strmm, impl.Strsm}
}

func routines64(impl blas.Float64Level3) routines[float64] {
	return routines[float64]{impl.Dsymm, impl.Dsyrk, impl.Dsyr2k, impl.Dtrmm, impl.Dtrsm}
}

// ourRoutines are those of Implementation.
func ourRoutines[T Float]() routines[T] {
	if r, ok := any(routines32(Implementation{})).(routines[T]); ok {
		return r
	}
	return any(routines64(Implementation{})).(routines[T])
}

var (
	sides = []blas.Side{blas.Left, blas.Right}
	uplos = []blas.Uplo{blas.Upper, blas.Lower}
	trans = []Transpose{NoTrans, Trans, ConjTrans}
	diags = []blas.Diag{blas.NonUnit, blas.Unit}
)

// mine reports whether an element is of a triangle.
func mine(ul blas.Uplo, i, j int) bool { return i == j || (i > j) == (ul == blas.Lower) }

// onlyTriangle sets what isn't of a triangle of a square matrix to NaN, and its
// diagonal, too, where that is taken for ones.
func onlyTriangle[T Float](a Mat[T], ul blas.Uplo, d blas.Diag) {
	for i := range a.Rows {
		for j := range a.Cols {
			if !mine(ul, i, j) || i == j && d == blas.Unit {
				a.Data[i*a.RowStride+j] = T(math.NaN())
			}
		}
	}
}

// fullTriangle returns op(A) in full: with zeros, and ones where a unit diagonal has
// them.
func fullTriangle[T Float](a Mat[T], ul blas.Uplo, tA Transpose, d blas.Diag) Mat[T] {
	full := RowMajor(make([]T, a.Rows*a.Rows), a.Rows, a.Rows)
	for i := range a.Rows {
		for j := range a.Rows {
			if mine(ul, i, j) {
				full.Data[i*a.Rows+j] = T(a.get(i, j))
			}
			if i == j && d == blas.Unit {
				full.Data[i*a.Rows+j] = 1
			}
		}
	}
	if tA != NoTrans {
		return full.T()
	}
	return full
}

// fullSymmetric returns a symmetric matrix in full, given one of its triangles.
func fullSymmetric[T Float](a Mat[T], ul blas.Uplo) Mat[T] {
	full := RowMajor(make([]T, a.Rows*a.Rows), a.Rows, a.Rows)
	for i := range a.Rows {
		for j := range a.Rows {
			if mine(ul, i, j) {
				full.Data[i*a.Rows+j], full.Data[j*a.Rows+i] = T(a.get(i, j)), T(a.get(i, j))
			}
		}
	}
	return full
}

// withGaps returns a random rows x cols matrix with gap elements between its rows,
// which are NaN.
func withGaps[T Float](r *rand.Rand, rows, cols, gap int) Mat[T] {
	m := layout(floattest.Normal[T](r, extent(rows, cols, false, gap)), rows, cols, false, gap)
	for i := range m.Data {
		if i%m.RowStride >= cols {
			m.Data[i] = T(math.NaN())
		}
	}
	return m
}

// dense returns m without gaps.
func dense[T Float](m Mat[T]) Mat[T] {
	d := RowMajor(make([]T, m.Rows*m.Cols), m.Rows, m.Cols)
	for i := range m.Rows {
		copy(d.Data[i*m.Cols:][:m.Cols], m.Data[i*m.RowStride:])
	}
	return d
}

// float64s returns the elements of m in order.
func float64s[T Float](m Mat[T]) (all []float64) {
	for _, v := range dense(m).Data {
		all = append(all, float64(v))
	}
	return all
}

// requireGaps requires that what lies between a matrix's rows is NaN still.
func requireGaps[T Float](t *testing.T, m Mat[T]) {
	t.Helper()
	for i, v := range m.Data {
		if i%m.RowStride >= m.Cols {
			require.True(t, v != v, "element %d is outside, and %v", i, v)
		}
	}
}

// scales draws alpha and beta.
func scales[T Float](r *rand.Rand) (alpha, beta T) {
	some := [][2]T{{1, 0}, {-0.5, 1}, {2, 2.5}, {0, 2}, {0, 0}}[r.IntN(5)]
	return some[0], some[1]
}

// orders are sizes around those at which recursions and blocks end.
func orders[T Float]() []int {
	nr := gemm.Active[T]().NR
	if testing.Short() { // emulated, or watched for races
		return []int{1, 9, nr + 1, turnUpTo + 1}
	}
	return []int{1, 2, 3, 8, 9, 15, nr + 1, 2*nr + 5, turnUpTo, turnUpTo + 1, 2*turnUpTo + 11}
}

// eachTable runs a test on blocks of ordinary sizes and on tiny ones.
func eachTable[T Float](t *testing.T, test func(t *testing.T)) {
	for name, change := range map[string]func(*gemm.Table[T]){"blocks=tiny": tinyBlocks[T], "blocks=real": func(*gemm.Table[T]) {}} {
		t.Run(name, func(t *testing.T) {
			simdtest.SlowEachISA(t, func(t *testing.T) {
				setTable(t, change)
				test(t)
			})
		})
	}
}

func TestSymm(t *testing.T) { floattest.Each(t, testSymm[float32], testSymm[float64]) }

func testSymm[T Float](t *testing.T) {
	eachTable[T](t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 1))
		for _, order := range orders[T]() {
			for _, others := range []int{1, 7, gemm.Active[T]().NR + 3} {
				for _, s := range sides {
					for _, ul := range uplos {
						for range 2 {
							alpha, beta := scales[T](r)
							m, n := others, order
							if s == blas.Left {
								m, n = order, others
							}
							a, b, c := withGaps[T](r, order, order, r.IntN(3)), withGaps[T](r, m, n, r.IntN(3)), withGaps[T](r, m, n, r.IntN(3))
							onlyTriangle(a, ul, blas.NonUnit)
							old := float64s(c)
							if beta == 0 {
								c.Data[0] = T(math.NaN())
							}
							ourRoutines[T]().symm(s, ul, m, n, alpha, a.Data, a.RowStride, b.Data, b.RowStride, beta, c.Data, c.RowStride)
							x, y := fullSymmetric(a, ul), b
							if s == blas.Right {
								x, y = y, x
							}
							requireProduct(t, c, x, y, old, float64(alpha), float64(beta), Options[T]{}, 1)
							requireGaps(t, c)
						}
					}
				}
			}
		}
	})
}

func TestSyrkAndSyr2k(t *testing.T) { floattest.Each(t, testSyrk[float32], testSyrk[float64]) }

func testSyrk[T Float](t *testing.T) {
	eachTable[T](t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 2))
		for _, n := range orders[T]() {
			for _, k := range []int{0, 6, 23} {
				for _, ul := range uplos {
					for _, tA := range trans[:2] {
						alpha, beta := scales[T](r)
						rows, cols := orient(n, k, tA != NoTrans)
						a, b, c := withGaps[T](r, rows, cols, 1+r.IntN(3)), withGaps[T](r, rows, cols, 1+r.IntN(3)), withGaps[T](r, n, n, r.IntN(3))
						onlyTriangle(c, ul, blas.NonUnit)
						old := float64s(fullSymmetric(c, ul))
						if beta == 0 {
							c.Data[0] = T(math.NaN())
						}
						second := Mat[T]{Data: append([]T{}, c.Data...), Rows: n, Cols: n, RowStride: c.RowStride, ColStride: 1}

						ourRoutines[T]().syrk(ul, tA, n, k, alpha, a.Data, a.RowStride, beta, c.Data, c.RowStride)
						x, y := a, b
						if tA != NoTrans {
							x, y = a.T(), b.T()
						}
						requireTriangle(t, c, ul)
						requireProduct(t, fullSymmetric(c, ul), x, x.T(), old, float64(alpha), float64(beta), Options[T]{}, 1)

						ourRoutines[T]().syr2k(ul, tA, n, k, alpha, a.Data, a.RowStride, b.Data, b.RowStride, beta, second.Data, second.RowStride)
						requireTriangle(t, second, ul)
						requireProduct(t, fullSymmetric(second, ul), beside(x, y), beside(y, x).T(), old, float64(alpha), float64(beta), Options[T]{}, 1)
					}
				}
			}
		}
	})
}

// requireTriangle requires that the other triangle, and what lies between rows, is
// NaN still.
func requireTriangle[T Float](t *testing.T, c Mat[T], ul blas.Uplo) {
	t.Helper()
	requireGaps(t, c)
	for i := range c.Rows {
		for j := range c.Cols {
			require.True(t, mine(ul, i, j) || math.IsNaN(c.get(i, j)), "C(%d,%d) is of the other triangle, and %v", i, j, c.get(i, j))
		}
	}
}

// beside returns [x y].
func beside[T Float](x, y Mat[T]) Mat[T] {
	both := RowMajor(make([]T, x.Rows*2*x.Cols), x.Rows, 2*x.Cols)
	for i := range x.Rows {
		for j := range x.Cols {
			both.Data[i*both.Cols+j], both.Data[i*both.Cols+x.Cols+j] = T(x.get(i, j)), T(y.get(i, j))
		}
	}
	return both
}

func TestTrmmAndTrsm(t *testing.T) {
	floattest.Each(t, testTriangular[float32], testTriangular[float64])
}

// A product's error is bounded as any sum's, with as many more roundings as there
// are cuts. A solution has a small residual, element by element (Higham, Accuracy
// and Stability, theorem 8.5).
func testTriangular[T Float](t *testing.T) {
	const slack = 2
	eachTable[T](t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 3))
		for _, order := range orders[T]() {
			for _, others := range []int{1, 7, max(32, gemm.Active[T]().NR) + 3} {
				eachTriangle(func(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag) {
					m, n := others, order
					if s == blas.Left {
						m, n = order, others
					}
					alpha := []T{1, -0.5, 2}[r.IntN(3)] // by which products are exact
					a, b := wellConditioned[T](r, order, r.IntN(3)), withGaps[T](r, m, n, r.IntN(3))
					onlyTriangle(a, ul, d)
					full := fullTriangle(a, ul, tA, d)
					times := func(x Mat[T]) (left, right Mat[T]) {
						if s == blas.Left {
							return full, x
						}
						return x, full
					}

					old := dense(b)
					ourRoutines[T]().trmm(s, ul, tA, d, m, n, alpha, a.Data, a.RowStride, b.Data, b.RowStride)
					left, right := times(old)
					requireProduct(t, b, left, right, nil, float64(alpha), 0, Options[T]{}, slack)
					requireGaps(t, b)

					old = dense(b)
					ourRoutines[T]().trsm(s, ul, tA, d, m, n, alpha, a.Data, a.RowStride, b.Data, b.RowStride)
					for i := range old.Data {
						old.Data[i] *= alpha
					}
					left, right = times(b)
					requireProduct(t, old, left, right, nil, 1, 0, Options[T]{}, slack)
					requireGaps(t, b)
				})
			}
		}
	})
}

func eachTriangle(do func(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag)) {
	for _, s := range sides {
		for _, ul := range uplos {
			for _, tA := range trans {
				for _, d := range diags {
					do(s, ul, tA, d)
				}
			}
		}
	}
}

// wellConditioned returns a random square matrix each of whose triangles can be
// solved for, with unit diagonal or not, and nothing overflows.
func wellConditioned[T Float](r *rand.Rand, n, gap int) Mat[T] {
	a := withGaps[T](r, n, n, gap)
	for i := range n {
		for j := range n {
			a.Data[i*a.RowStride+j] /= T(n)
		}
		a.Data[i*a.RowStride+i] = T(1+r.IntN(3)) + T(r.Float64())
	}
	return a
}

func TestTriangularOfNothing(t *testing.T) {
	floattest.Each(t, testTriangularOfNothing[float32], testTriangularOfNothing[float64])
}

// alpha == 0 doesn't read A, nor B.
func testTriangularOfNothing[T Float](t *testing.T) {
	for _, routine := range []func(blas.Side, blas.Uplo, Transpose, blas.Diag, int, int, T, []T, int, []T, int){ourRoutines[T]().trmm, ourRoutines[T]().trsm} {
		nan := T(math.NaN())
		a, b := []T{nan, nan, nan, nan}, []T{nan, 1, 2, 7, nan, 3, 4}
		routine(blas.Left, blas.Lower, NoTrans, blas.NonUnit, 2, 3, 0, a, 2, b, 4)
		assert.Equal(t, []T{0, 0, 0, 7, 0, 0, 0}, b)
	}
}

// To divide by infinity leaves zeros, and NaN where there was one.
func TestSolveForInfiniteDiagonal(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	b := []float64{1, nan, -2}
	Implementation{}.Dtrsm(blas.Left, blas.Lower, NoTrans, blas.NonUnit, 1, 3, 1, []float64{inf}, 1, b, 3)
	assert.Zero(t, b[0])
	assert.True(t, math.IsNaN(b[1]))
	assert.Zero(t, b[2])
}

func TestNaNGoesWhereItBelongs(t *testing.T) {
	floattest.Each(t, testNaNOfTriangular[float32], testNaNOfTriangular[float64])
}

// A NaN in B reaches just those elements that the triangle makes depend on it,
// those in A reach theirs past zeros.
func testNaNOfTriangular[T Float](t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(6, 4))
		const order = 83
		for _, c := range []struct{ at, others int }{{0, 5}, {7, 40}, {40, 5}, {40, 40}, {82, 40}, {82, 5}} {
			at, others := c.at, c.others
			eachTriangle(func(s blas.Side, ul blas.Uplo, tA Transpose, d blas.Diag) {
				lower := (ul == blas.Lower) == (tA == NoTrans) // op(A)
				if s == blas.Right {
					lower = !lower
				}
				m, n, index := others, order, func(along, across int) int { return across*order + along }
				if s == blas.Left {
					m, n, index = order, others, func(along, across int) int { return along*others + across }
				}
				for _, routine := range []func(blas.Side, blas.Uplo, Transpose, blas.Diag, int, int, T, []T, int, []T, int){ourRoutines[T]().trmm, ourRoutines[T]().trsm} {
					a, b := wellConditioned[T](r, order, 0), floattest.Normal[T](r, m*n)
					b[index(at, 2)] = T(math.NaN())
					routine(s, ul, tA, d, m, n, 1, a.Data, order, b, n)
					for along := range order {
						for across := range others {
							depends := across == 2 && (along == at || (along > at) == lower)
							got := b[index(along, across)]
							require.Equal(t, depends, got != got, "%c %c %c %c: NaN at %d, B at %d of %d is %v", s, ul, tA, d, at, along, across, got)
						}
					}
				}

				// Nor does an Inf leave NaN where a zero in the place of the other triangle met it.
				a, b := wellConditioned[T](r, order, 0), floattest.Normal[T](r, m*n)
				b[index(at, 2)] = T(math.Inf(1))
				ourRoutines[T]().trmm(s, ul, tA, d, m, n, 1, a.Data, order, b, n)
				for along := range order {
					depends := along == at || (along > at) == lower
					got := float64(b[index(along, 2)])
					require.Equal(t, depends, math.IsNaN(got) || math.IsInf(got, 0), "%c %c %c %c: Inf at %d, B at %d is %v", s, ul, tA, d, at, along, got)
					require.False(t, math.IsNaN(got), "%c %c %c %c: Inf at %d, B at %d", s, ul, tA, d, at, along)
				}

				a, b = wellConditioned[T](r, order, 0), make([]T, m*n)
				a.Data[at*order+at] = T(math.NaN())
				ourRoutines[T]().trmm(s, ul, tA, d, m, n, 1, a.Data, order, b, n)
				got := b[index(at, 3)]
				require.Equal(t, d == blas.NonUnit, got != got, "%c %c %c %c: NaN on A's diagonal at %d, B there is %v", s, ul, tA, d, at, got)
			})
		}
	})
}

func TestLevel3OnAnyCores(t *testing.T) {
	floattest.Each(t, testLevel3OnAnyCores[float32], testLevel3OnAnyCores[float64])
}

func testLevel3OnAnyCores[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		setTable(t, func(tb *gemm.Table[T]) { tb.AloneBelow, tb.WakeBelow, tb.PartWork = 0, 0, 1 })
		r := rand.New(rand.NewPCG(6, 5))
		const m, n = 150, 97
		a, b := wellConditioned[T](r, m, 0), floattest.Normal[T](r, m*m)
		for name, call := range map[string]func(c []T){
			"symm left":  func(c []T) { ourRoutines[T]().symm(blas.Left, blas.Upper, m, n, 1, a.Data, m, b, n, 1, c, n) },
			"symm right": func(c []T) { ourRoutines[T]().symm(blas.Right, blas.Lower, n, m, 1, a.Data, m, b, m, 1, c, m) },
			"syrk lower": func(c []T) { ourRoutines[T]().syrk(blas.Lower, NoTrans, m, n, 1, b, n, 1, c, m) },
			"syrk upper": func(c []T) { ourRoutines[T]().syrk(blas.Upper, Trans, m, n, 1, b, m, 1, c, m) },
			"syr2k":      func(c []T) { ourRoutines[T]().syr2k(blas.Upper, NoTrans, m, n, 1, a.Data, m, b, n, 1, c, m) },
			"trmm left": func(c []T) {
				ourRoutines[T]().trmm(blas.Left, blas.Upper, NoTrans, blas.NonUnit, m, n, 1, a.Data, m, c, n)
			},
			"trmm right": func(c []T) {
				ourRoutines[T]().trmm(blas.Right, blas.Upper, Trans, blas.NonUnit, n, m, 1, a.Data, m, c, m)
			},
			"trsm left": func(c []T) {
				ourRoutines[T]().trsm(blas.Left, blas.Lower, Trans, blas.NonUnit, m, n, 1, a.Data, m, c, n)
			},
			"trsm right": func(c []T) {
				ourRoutines[T]().trsm(blas.Right, blas.Lower, NoTrans, blas.Unit, n, m, 1, a.Data, m, c, m)
			},
			"trsm one vector": func(c []T) {
				ourRoutines[T]().trsm(blas.Left, blas.Lower, NoTrans, blas.NonUnit, m, 1, 1, a.Data, m, c, 2)
			},
			"trsm two vectors": func(c []T) {
				ourRoutines[T]().trsm(blas.Right, blas.Upper, NoTrans, blas.NonUnit, 2, m, 1, a.Data, m, c, m)
			},
		} {
			var want []T
			for _, cores := range []int{1, 2, 5} {
				c := append([]T{}, b...)
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				call(c)
				if cores == 1 {
					want = c
				}
				require.Equal(t, want, c, "%s on %d cores", name, cores)
			}
		}
	})
}

func TestLevel3StaysInside(t *testing.T) {
	floattest.Each(t, testLevel3StaysInside[float32], testLevel3StaysInside[float64])
}

func testLevel3StaysInside[T Float](t *testing.T) {
	for side, memory := range guard.Sides[T]() {
		t.Run(side, func(t *testing.T) {
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true)) // of this goroutine alone
				setTable(t, tinyBlocks[T])
				do := ourRoutines[T]()
				for _, order := range []int{1, 5, 9, gemm.Active[T]().NR + 1, turnUpTo + 3} {
					for _, others := range []int{1, 7, gemm.Active[T]().NR + 3} {
						a, b, c, square := memory(t, order*order), memory(t, order*others), memory(t, order*others), memory(t, order*order)
						for _, ul := range uplos {
							for _, s := range sides {
								m, n := others, order
								if s == blas.Left {
									m, n = order, others
								}
								assert.NotPanics(t, func() { do.symm(s, ul, m, n, 1, a, order, b, n, 1, c, n) })
								for _, tA := range trans[:2] {
									assert.NotPanics(t, func() { do.trmm(s, ul, tA, blas.NonUnit, m, n, 2, a, order, b, n) })
									assert.NotPanics(t, func() { do.trsm(s, ul, tA, blas.NonUnit, m, n, 2, a, order, b, n) })
								}
							}
							for _, tA := range trans[:2] {
								_, ld := orient(order, others, tA != NoTrans)
								assert.NotPanics(t, func() { do.syrk(ul, tA, order, others, 1, b, ld, 1, square, order) })
								assert.NotPanics(t, func() { do.syr2k(ul, tA, order, others, 1, b, ld, c, ld, 1, square, order) })
							}
						}
					}
				}
			})
		})
	}
}
