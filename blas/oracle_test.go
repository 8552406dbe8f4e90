package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// eachFloat runs a test for either type of elements.
func eachFloat(t *testing.T, float32s, float64s func(t *testing.T)) {
	t.Run("float32", float32s)
	t.Run("float64", float64s)
}

// normal returns n standard normal numbers.
func normal[T Float](r *rand.Rand, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = T(r.NormFloat64())
	}
	return s
}

// integers returns n small integers, whose products and sums of some thousand
// are exact in float32.
func integers[T Float](r *rand.Rand, n int) []T {
	s := make([]T, n)
	for i := range s {
		s[i] = T(r.IntN(17) - 8)
	}
	return s
}

// layout returns a view of data as a rows x cols matrix, transposed in memory
// or not, with gap floats between its rows.
func layout[T Float](data []T, rows, cols int, trans bool, gap int) Mat[T] {
	if trans {
		return layout(data, cols, rows, false, gap).T()
	}
	return Mat[T]{Data: data, Rows: rows, Cols: cols, RowStride: cols + gap, ColStride: 1}
}

// extent is the elements that layout needs.
func extent(rows, cols int, trans bool, gap int) int {
	if trans {
		rows, cols = cols, rows
	}
	return max(0, (rows-1)*(cols+gap)+cols)
}

func (m Mat[T]) get(i, j int) float64 { return float64(m.Data[i*m.RowStride+j*m.ColStride]) }

// bits tells all values apart, NaNs and zeros too.
func bits[T Float](x T) uint64 { return math.Float64bits(float64(x)) }

// gamma is the relative error that n roundings to T may add up to.
func gamma[T Float](n int) float64 {
	unit := math.Ldexp(1, -24)
	if size[T]() == 8 {
		unit = math.Ldexp(1, -53)
	}
	return float64(n) * unit / (1 - float64(n)*unit)
}

// exact is a sum of products, in twice the precision of float64 (T. Ogita, S.
// Rump and S. Oishi, "Accurate sum and dot product", SIAM J. Sci. Comput. 26(6),
// 2005), with the sum of their magnitudes.
type exact struct{ high, low, size float64 }

func (e *exact) add(x, y float64) {
	product := float64(x * y) // rounded, or arm64 fuses it with the sum
	e.low += math.FMA(x, y, -product)
	sum := e.high + product
	z := sum - e.high
	e.low += (e.high - (sum - z)) + (product - z)
	e.high = sum
	e.size += math.Abs(product)
}

func (e *exact) scale(by float64) {
	product := e.high * by
	e.high, e.low = product, math.FMA(e.high, by, -product)+e.low*by
	e.size *= math.Abs(by)
}

func (e *exact) value() float64 {
	if math.IsNaN(e.low) || math.IsInf(e.high, 0) {
		return e.high
	}
	return e.high + e.low
}

// requireProduct requires that got is alpha*A*B + beta*C + biases, or its
// positive part, within the error bound of any order of summation: gamma_(k+5)
// times the sum of the terms' magnitudes (Higham, Accuracy and Stability,
// chapter 3). A slack of 0 requires equality.
func requireProduct[T Float](t testing.TB, got, a, b Mat[T], c []float64, alpha, beta float64, opt Options[T], slack float64) {
	t.Helper()
	bound := slack * gamma[T](a.Cols+5)
	for i := range got.Rows {
		for j := range got.Cols {
			var sum exact
			for l := range a.Cols {
				sum.add(a.get(i, l), b.get(l, j))
			}
			sum.scale(alpha)
			if beta != 0 {
				sum.add(beta, c[i*got.Cols+j])
			}
			if opt.Bias != nil {
				sum.add(1, float64(opt.Bias[j]))
			}
			if opt.RowBias != nil {
				sum.add(1, float64(opt.RowBias[i]))
			}
			want := sum.value()
			if opt.ReLU {
				want = max(0, want)
			}
			if diff := math.Abs(got.get(i, j) - want); !(diff <= bound*sum.size) {
				require.Failf(t, "wrong element", "C(%d,%d) of %dx%dx%d is %v, want %v +- %v", i, j, got.Rows, got.Cols, a.Cols, got.get(i, j), want, bound*sum.size)
			}
		}
	}
}

// setTable replaces the active table by what change makes of it, until the
// test ends.
func setTable[T Float](t testing.TB, change func(*table[T])) {
	old := *active[T]()
	at := active[T]()
	change(at)
	t.Cleanup(func() { *at = old })
}

// tinyBlocks makes every block edge of the driver come up in small matrices.
func tinyBlocks[T Float](tb *table[T]) {
	tb.kc, tb.mc, tb.nc = 5, tb.mr()+1, 2*tb.nr()
	tb.directUpTo, tb.packRows, tb.packStride, tb.packAligned, tb.copyA, tb.aloneBelow = 0, 3, 0, 0, tb.nr()+1, 0
	tb.copyFighting, tb.packRowsAligned = tb.nr()+1, 3
	tb.wakeBelow, tb.partWork = 0, 1
}
