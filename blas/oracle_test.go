package blas

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

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

// requireProduct requires that got is alpha*A*B + beta*C + biases, or its
// positive part, within the error bound of any order of summation: gamma_(k+5)
// times the sum of the terms' magnitudes (Higham, Accuracy and Stability,
// chapter 3). A slack of 0 requires equality.
func requireProduct[T Float](t testing.TB, got, a, b Mat[T], c []float64, alpha, beta float64, opt Options[T], slack float64) {
	t.Helper()
	bound := slack * floattest.Gamma[T](a.Cols+5)
	for i := range got.Rows {
		for j := range got.Cols {
			var sum floattest.Exact
			for l := range a.Cols {
				sum.Add(a.get(i, l), b.get(l, j))
			}
			sum.Scale(alpha)
			if beta != 0 {
				sum.Add(beta, c[i*got.Cols+j])
			}
			if opt.Bias != nil {
				sum.Add(1, float64(opt.Bias[j]))
			}
			if opt.RowBias != nil {
				sum.Add(1, float64(opt.RowBias[i]))
			}
			want := sum.Value()
			if opt.ReLU {
				want = max(0, want)
			}
			if diff := math.Abs(got.get(i, j) - want); !(diff <= bound*sum.Size) {
				require.Failf(t, "wrong element", "C(%d,%d) of %dx%dx%d is %v, want %v +- %v", i, j, got.Rows, got.Cols, a.Cols, got.get(i, j), want, bound*sum.Size)
			}
		}
	}
}

// setTable replaces the active table by what change makes of it, until the
// test ends.
func setTable[T Float](t testing.TB, change func(*gemm.Table[T])) {
	old := *gemm.Active[T]()
	at := gemm.Active[T]()
	change(at)
	t.Cleanup(func() { *at = old })
}

// tinyBlocks makes every block edge of the driver come up in small matrices.
func tinyBlocks[T Float](tb *gemm.Table[T]) {
	tb.KC, tb.MC, tb.NC = 5, tb.MR()+1, 2*tb.NR
	tb.DirectUpTo, tb.PackRows, tb.PackStride, tb.PackAligned, tb.CopyA, tb.AloneBelow = 0, 3, 0, 0, tb.NR+1, 0
	tb.CopyFighting, tb.CopyRows, tb.PackRowsAligned = tb.NR+1, tb.NR+1, 3
	tb.WakeBelow, tb.PartWork = 0, 1
}
