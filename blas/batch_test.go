package blas

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestBatch(t *testing.T) { floattest.Each(t, testBatch[float32], testBatch[float64]) }

// Each product of a batch has the bits that it has alone, whoever computes it.
func testBatch[T Float](t *testing.T) {
	schedules := map[string]func(*gemm.Table[T]){
		"as it is":       func(*gemm.Table[T]) {},
		"always divided": func(tb *gemm.Table[T]) { tb.AloneBelow, tb.WakeBelow, tb.PartWork, tb.DirectUpTo = 0, 0, 1, 0 },
		"never direct":   func(tb *gemm.Table[T]) { tb.DirectUpTo = 0 },
	}
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(9, 9))
		for name, change := range schedules {
			t.Run(name, func(t *testing.T) {
				setTable(t, change)
				for _, count := range []int{1, 2, 3, 17} {
					for _, size := range [][3]int{{1, 1, 1}, {5, 7, 3}, {13, 40, 20}, {30, 5, 9}, {4, 6, 0}} {
						for transposed := range 4 {
							for shared := range 3 { // nothing, A, B
								m, n, k := size[0], size[1], size[2]
								strides := Batch{Count: count, A: m*k + 2, B: k*n + 1, C: m*n + 3}
								switch shared {
								case 1:
									strides.A = 0
								case 2:
									strides.B = 0
								}
								a := layout(floattest.Normal[T](r, count*(m*k+2)), m, k, transposed&1 != 0, 0)
								b := layout(floattest.Normal[T](r, count*(k*n+1)), k, n, transposed&2 != 0, 0)
								opt := someOptions[T](r, m, n)
								before := floattest.Integers[T](r, count*(m*n+3))
								want := append([]T(nil), before...)
								for i := range count {
									MatMul(nil, RowMajor(want[i*strides.C:], m, n), offset(a, i*strides.A), offset(b, i*strides.B), opt)
								}
								opt.Batch = strides
								for _, workers := range []int{1, 3} {
									got := append([]T(nil), before...)
									MatMul(parallel.NewTeam(workers), RowMajor(got, m, n), a, b, opt)
									require.Equal(t, want, got, "%+v of %v, options %+v", strides, size, opt)
								}
							}
						}
					}
				}
			})
		}
	})
}

func offset[T Float](m Mat[T], by int) Mat[T] {
	m.Data = m.Data[min(by, len(m.Data)):]
	return m
}

// The heads of an attention layer are such a batch: they lie side by side.
func TestBatchSideBySide(t *testing.T) {
	r := rand.New(rand.NewPCG(10, 10))
	const heads, m, n, k = 3, 4, 5, 6
	a, b := floattest.Normal[float32](r, m*k), floattest.Normal[float32](r, k*heads*n)
	want, got := RowMajor(make([]float32, m*heads*n), m, heads*n), make([]float32, m*heads*n)
	MatMul(nil, want, RowMajor(a, m, k), RowMajor(b, k, heads*n), Options[float32]{})
	columns := func(data []float32, rows int) Mat[float32] {
		return Mat[float32]{Data: data, Rows: rows, Cols: n, RowStride: heads * n, ColStride: 1}
	}
	MatMul(nil, columns(got, m), RowMajor(a, m, k), columns(b, k), Options[float32]{Batch: Batch{Count: heads, B: n, C: n}})
	require.Equal(t, want.Data, got)
}

func TestBatchRefuses(t *testing.T) {
	m := func(rows, cols int) Mat[float32] { return RowMajor(make([]float32, 2*rows*cols), rows, cols) }
	for want, batch := range map[string]Batch{
		"blas: batch of -1 products with strides 0, 0 and 0":                                                         {Count: -1},
		"blas: batch of 2 products with strides -6, 0 and 8":                                                         {Count: 2, A: -6, C: 8},
		"blas: C is 2 x 4 with row stride 4, and overlaps the next of its batch, 7 elements on":                      {Count: 2, C: 7},
		"blas: C, 2 x 4 with strides 4 and 1, the last of a batch 16 elements in, has 16 elements, want at least 24": {Count: 3, C: 8},
		"blas: A, 2 x 3 with strides 3 and 1, the last of a batch 7 elements in, has 12 elements, want at least 13":  {Count: 2, A: 7, C: 8},
		"blas: B, 3 x 4 with strides 4 and 1, the last of a batch 13 elements in, has 24 elements, want at least 25": {Count: 2, B: 13, C: 8},
	} {
		assert.PanicsWithValue(t, want, func() { MatMul(nil, m(2, 4), m(2, 3), m(3, 4), Options[float32]{Batch: batch}) })
	}
	packed := NewPackedB[float32](3, 4)
	packed.Pack(nil, RowMajor(make([]float32, 12), 3, 4))
	assert.PanicsWithValue(t, "blas: a packed B is one for the batch, but has stride 12", func() {
		MatMul(nil, m(2, 4), m(2, 3), m(3, 4), Options[float32]{PackedB: packed, Batch: Batch{Count: 2, B: 12, C: 8}})
	})
}
