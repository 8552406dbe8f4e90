package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// normal returns n standard normal floats.
func normal(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.NormFloat64())
	}
	return s
}

// integers returns n small integers, whose products and sums of some thousand
// are exact in float32.
func integers(r *rand.Rand, n int) []float32 {
	s := make([]float32, n)
	for i := range s {
		s[i] = float32(r.IntN(17) - 8)
	}
	return s
}

// layout returns a view of data as a rows x cols matrix, transposed in memory
// or not, with gap floats between its rows.
func layout(data []float32, rows, cols int, trans bool, gap int) Mat {
	if trans {
		return layout(data, cols, rows, false, gap).T()
	}
	return Mat{Data: data, Rows: rows, Cols: cols, RowStride: cols + gap, ColStride: 1}
}

// extent is the floats that layout needs.
func extent(rows, cols int, trans bool, gap int) int {
	if trans {
		rows, cols = cols, rows
	}
	return max(0, (rows-1)*(cols+gap)+cols)
}

func (m Mat) get(i, j int) float64 { return float64(m.Data[i*m.RowStride+j*m.ColStride]) }

// requireProduct requires that got is alpha*A*B + beta*C + bias within the
// error bound of any order of summation: gamma_(k+4) times the sum of the
// terms' magnitudes (Higham, Accuracy and Stability, chapter 3). A slack of 0
// requires equality.
func requireProduct(t testing.TB, got Mat, a, b Mat, c []float64, alpha, beta float64, bias []float32, slack float64) {
	t.Helper()
	unit := math.Ldexp(1, -24)
	n := float64(a.Cols + 4)
	gamma := slack * n * unit / (1 - n*unit)
	for i := range got.Rows {
		for j := range got.Cols {
			var want, size float64
			for l := range a.Cols {
				want += a.get(i, l) * b.get(l, j)
				size += math.Abs(a.get(i, l) * b.get(l, j))
			}
			want, size = alpha*want, math.Abs(alpha)*size
			if beta != 0 {
				want += beta * c[i*got.Cols+j]
				size += math.Abs(beta * c[i*got.Cols+j])
			}
			if bias != nil {
				want += float64(bias[j])
				size += math.Abs(float64(bias[j]))
			}
			if diff := math.Abs(got.get(i, j) - want); !(diff <= gamma*size) {
				require.Failf(t, "wrong element", "C(%d,%d) of %dx%dx%d is %v, want %v +- %v", i, j, got.Rows, got.Cols, a.Cols, got.get(i, j), want, gamma*size)
			}
		}
	}
}

// setTable replaces the active table by what change makes of it, until the
// test ends.
func setTable(t testing.TB, change func(*table)) {
	old := *active()
	at := active()
	change(at)
	t.Cleanup(func() { *at = old })
}

// tinyBlocks makes every block edge of the driver come up in small matrices.
func tinyBlocks(tb *table) {
	tb.kc, tb.mc, tb.nc = 5, tb.mr()+1, 2*tb.nr
	tb.directUpTo, tb.packRows, tb.packStride, tb.packAligned, tb.copyA, tb.aloneBelow = 0, 3, 0, 0, tb.nr+1, 0
}
