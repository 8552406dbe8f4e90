package blas

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// The first rows and columns of a packed matrix serve as if they had been packed alone.
func TestFirstOfPackedB(t *testing.T) {
	floattest.Each(t, testFirstOfPackedB[float32], testFirstOfPackedB[float64])
}

func testFirstOfPackedB[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 1))
		random := func(rows, cols int) Mat[T] {
			m := RowMajor(make([]T, rows*cols), rows, cols)
			for i := range m.Data {
				m.Data[i] = T(r.NormFloat64())
			}
			return m
		}
		for _, whole := range []struct{ k, n int }{{1, 1}, {20, 70}, {300, 33}, {gemm.Active[T]().KC + 50, 40}} {
			b := random(whole.k, whole.n)
			packed := NewPackedB[T](whole.k, whole.n)
			packed.Pack(nil, b)
			for _, k := range []int{whole.k, whole.k / 2, whole.k - 1, 0} {
				for _, n := range []int{whole.n, whole.n / 2, whole.n - 1, 1} {
					first, ok := packed.First(k, n)
					require.Equal(t, k == whole.k || whole.k <= gemm.Active[T]().KC, ok, "%d of %d rows", k, whole.k)
					if !ok || n == 0 {
						continue
					}
					part := b
					part.Rows, part.Cols = k, n
					for _, m := range []int{1, 2, 7, 50} {
						a, got, want := random(m, k), random(m, n), random(m, n)
						MatMul(nil, want, a, part, Options[T]{})
						MatMul(nil, got, a, part, Options[T]{PackedB: &first})
						require.Equal(t, want.Data, got.Data, "%d rows, the first %d x %d of %v", m, k, n, whole)
					}
				}
			}
		}
	})
}

// A PackedB that is reset needs filling again, and takes no memory for what is no larger than
// before.
func TestResetPackedB(t *testing.T) {
	packed, b := NewPackedB[float32](100, 70), RowMajor(make([]float32, 7000), 100, 70)
	packed.Pack(nil, b)
	small := RowMajor([]float32{1, 2, 3, 4, 5, 6}, 2, 3)
	c, a := RowMajor(make([]float32, 3), 1, 3), RowMajor([]float32{1, 10}, 1, 2)
	packed.Reset(2, 3)
	assert.PanicsWithValue(t, "blas: the packed form of B, 2 x 3, was never filled by Pack", func() {
		MatMul(nil, c, a, small, Options[float32]{PackedB: packed})
	})
	packed.Pack(nil, small)
	MatMul(nil, c, a, small, Options[float32]{PackedB: packed})
	assert.Equal(t, []float32{41, 52, 63}, c.Data)
	assert.Less(t, testing.AllocsPerRun(20, func() {
		packed.Reset(100, 70)
		packed.Pack(nil, b)
		packed.Reset(2, 3)
		packed.Pack(nil, small)
		first, _ := packed.First(2, 2)
		_ = first
	}), 0.5)
}

func TestPackedBRefuses(t *testing.T) {
	packed := NewPackedB[float32](3, 4)
	packed.Pack(nil, RowMajor(make([]float32, 12), 3, 4))
	first, ok := packed.First(2, 4)
	require.True(t, ok)
	for want, call := range map[string]func(){
		"blas: the packed form of -1 x 2":                                func() { NewPackedB[float32](2, 2).Reset(-1, 2) },
		"blas: the first 4 x 4 of a packed form of 3 x 4":                func() { packed.First(4, 4) },
		"blas: the first 2 x -1 of a packed form of 3 x 4":               func() { packed.First(2, -1) },
		"blas: the first 3 x 4 of a packed form of 2 x 4":                func() { first.First(3, 4) },
		"blas: B is packed into a form that is the beginning of another": func() { first.Pack(nil, RowMajor(make([]float32, 8), 2, 4)) },
		"blas: B is 3 x 4, but its packed form 2 x 4": func() {
			b := RowMajor(make([]float32, 12), 3, 4)
			MatMul(nil, RowMajor(make([]float32, 4), 1, 4), RowMajor(make([]float32, 3), 1, 3), b, Options[float32]{PackedB: &first})
		},
	} {
		assert.PanicsWithValue(t, want, call)
	}
}
