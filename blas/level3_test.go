package blas

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestGemmAgainstOracle(t *testing.T) { floattest.Each(t, testGemm[float32], testGemm[float64]) }

func testGemm[T Float](t *testing.T) {
	simdtest.SlowEachISA(t, func(t *testing.T) {
		setTable(t, tinyBlocks[T])
		r := rand.New(rand.NewPCG(3, 3))
		for _, tA := range []Transpose{NoTrans, Trans, ConjTrans} {
			for _, tB := range []Transpose{NoTrans, Trans, ConjTrans} {
				if testing.Short() && tA != tB && (tA == ConjTrans || tB == ConjTrans) {
					continue // which are other names of Trans
				}
				for _, alpha := range []T{0, 1, -0.5} {
					for _, beta := range []T{0, 1, 2.5} {
						for _, size := range [][3]int{{1, 1, 1}, {13, 33, 11}, {5, 70, 4}, {30, 3, 17}, {4, 4, 0}, {1, 40, 50}, {41, 1, 33}, {9, 70, 67}, {2, 5, gemm.DotsK + 3}, {5, 6, 3*gemm.SplitStep + 1}} {
							m, n, k := size[0], size[1], size[2]
							gap := 1 + r.IntN(3)
							a := layout(floattest.Normal[T](r, extent(m, k, tA != NoTrans, gap)), m, k, tA != NoTrans, gap)
							b := layout(floattest.Normal[T](r, extent(k, n, tB != NoTrans, gap)), k, n, tB != NoTrans, gap)
							c := layout(floattest.Normal[T](r, extent(m, n, false, gap)), m, n, false, gap)
							old := make([]float64, m*n)
							for i := range old {
								old[i] = c.get(i/n, i%n)
							}
							if beta == 0 {
								for i := range c.Data {
									c.Data[i] = T(math.NaN())
								}
							}
							if alpha == 0 && k > 0 {
								a.Data[0], b.Data[0] = T(math.NaN()), T(math.Inf(1))
							}
							publicGemm[T]()(tA, tB, m, n, k, alpha, a.Data, max(1, a.RowStride*a.ColStride), b.Data, max(1, b.RowStride*b.ColStride), beta, c.Data, c.RowStride)
							if alpha == 0 {
								a, b = layout[T](nil, m, 0, false, 0), layout[T](nil, 0, n, false, 0)
							}
							requireProduct(t, c, a, b, old, float64(alpha), float64(beta), Options[T]{}, 1)
						}
					}
				}
			}
		}
	})
}

type gemmFunc[T Float] = func(tA, tB Transpose, m, n, k int, alpha T, a []T, lda int, b []T, ldb int, beta T, c []T, ldc int)

// publicGemm is Sgemm or Dgemm.
func publicGemm[T Float]() gemmFunc[T] {
	if f, ok := any(Sgemm).(gemmFunc[T]); ok {
		return f
	}
	return any(Dgemm).(gemmFunc[T])
}

func TestGemmPanicsLikeGonum(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testPanics(t, Sgemm, gonum.Implementation{}.Sgemm) })
	t.Run("float64", func(t *testing.T) { testPanics(t, Dgemm, gonum.Implementation{}.Dgemm) })
}

func testPanics[T Float](t *testing.T, ours, gonums gemmFunc[T]) {
	type call struct {
		tA, tB         Transpose
		m, n, k        int
		a, lda, b, ldb int // a, b and c are lengths
		c, ldc         int
		alpha, beta    T
	}
	good := call{NoTrans, NoTrans, 3, 4, 5, 15, 5, 20, 4, 12, 4, 1, 0}
	changes := map[string]func(*call){
		"good":        func(c *call) {},
		"tA":          func(c *call) { c.tA, c.m = 'X', -1 },
		"tB":          func(c *call) { c.tB, c.m = 'X', -1 },
		"m":           func(c *call) { c.m, c.n = -1, -1 },
		"n":           func(c *call) { c.n, c.k = -1, -1 },
		"k":           func(c *call) { c.k, c.lda = -1, 0 },
		"lda":         func(c *call) { c.lda, c.ldb = 4, 3 },
		"lda trans":   func(c *call) { c.tA, c.lda = Trans, 2 },
		"ldb":         func(c *call) { c.ldb, c.ldc = 3, 3 },
		"ldb trans":   func(c *call) { c.tB, c.ldb = Trans, 4 },
		"ldc":         func(c *call) { c.ldc, c.a = 3, 0 },
		"short a":     func(c *call) { c.a, c.b = 14, 1 },
		"short aT":    func(c *call) { c.tA, c.lda, c.a = Trans, 3, 14 },
		"short b":     func(c *call) { c.b, c.c = 19, 1 },
		"short bT":    func(c *call) { c.tB, c.ldb, c.b = Trans, 5, 19 },
		"short c":     func(c *call) { c.c = 11 },
		"m zero":      func(c *call) { c.m, c.a, c.b, c.c = 0, 0, 0, 0 },
		"n zero":      func(c *call) { c.n, c.a, c.b, c.c = 0, 0, 0, 0 },
		"k zero":      func(c *call) { c.k, c.a, c.b = 0, 10, 0 },
		"k zero, lda": func(c *call) { c.k, c.lda, c.a, c.b = 0, 0, 0, 0 },
		"alpha zero":  func(c *call) { c.alpha, c.a = 0, 3 },
		"nothing":     func(c *call) { c.alpha, c.beta, c.c = 0, 1, 0 },
	}
	result := func(gemm gemmFunc[T], c call) (r any) {
		defer func() { r = recover() }()
		gemm(c.tA, c.tB, c.m, c.n, c.k, c.alpha, make([]T, c.a), c.lda, make([]T, c.b), c.ldb, c.beta, make([]T, c.c), c.ldc)
		return nil
	}
	for name, change := range changes {
		c := good
		change(&c)
		want := result(gonums, c)
		assert.Equal(t, want, result(ours, c), name)
		assert.Equal(t, name == "good" || name == "m zero" || name == "n zero" || name == "k zero", want == nil, name)
	}
}

// The result doesn't depend on the cores, whichever way it is computed.
func TestGemmOnAnyCores(t *testing.T) {
	floattest.Each(t, testAnyCores[float32], testAnyCores[float64])
}

func testAnyCores[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		setTable(t, func(tb *gemm.Table[T]) { tb.AloneBelow, tb.WakeBelow, tb.PartWork = 0, 0, 1 })
		r := rand.New(rand.NewPCG(5, 5))
		for _, size := range [][3]int{{1, 300, 200}, {300, 1, 200}, {7, 100, 90}, {20, 30, 3 * gemm.SplitStep}, {70, 90, 110}} {
			m, n, k := size[0], size[1], size[2]
			a, b := floattest.Normal[T](r, m*k), floattest.Normal[T](r, k*n)
			var want []T
			for _, cores := range []int{1, 2, 5} {
				c := make([]T, m*n)
				defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(cores))
				publicGemm[T]()(NoTrans, Trans, m, n, k, 1, a, k, b, k, 0, c, n)
				if cores == 1 {
					want = c
				}
				require.Equal(t, want, c, "%v on %d cores", size, cores)
			}
		}
	})
}

func TestSgemmFromManyGoroutines(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 4))
	const n = 150
	a, b := floattest.Normal[float32](r, n*n), floattest.Normal[float32](r, n*n)
	want := make([]float32, n*n)
	Sgemm(NoTrans, Trans, n, n, n, 1, a, n, b, n, 0, want, n)
	results := make(chan []float32)
	for range 8 {
		go func() {
			c := make([]float32, n*n)
			for range 5 {
				Sgemm(NoTrans, Trans, n, n, n, 1, a, n, b, n, 0, c, n)
			}
			results <- c
		}()
	}
	for range 8 {
		require.Equal(t, want, <-results)
	}
}

func ExampleSgemm() {
	a := []float32{1, 2, 3, 4}
	c := []float32{1, 1, 1, 1}
	Sgemm(NoTrans, Trans, 2, 2, 2, 1, a, 2, a, 2, 10, c, 2) // C = A*A' + 10*C
	fmt.Println(c)
	// Output: [15 21 21 35]
}

// A NaN or Inf reaches the elements of its row, even where it meets a zero.
func TestDotsPropagate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const m, n, k = 3, 9, 40
		for _, bad := range []float32{float32(math.NaN()), float32(math.Inf(1))} {
			for _, at := range []int{0, 17, k - 1} {
				a, b, c := make([]float32, m*k), make([]float32, n*k), make([]float32, m*n)
				b[5*k+at] = bad
				Sgemm(NoTrans, Trans, m, n, k, 1, a, k, b, k, 0, c, n)
				for i, v := range c {
					require.Equal(t, i%n == 5, v != v, "%v at %d: element %d is %v", bad, at, i, v)
				}
			}
		}
	})
}
