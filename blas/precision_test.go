package blas

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// inBFloat16 returns the normal number x rounded to bfloat16.
func inBFloat16(x float32) float32 {
	bits := math.Float32bits(x)
	return math.Float32frombits((bits + 0x7fff + bits>>16&1) &^ 0xffff)
}

// roundedCopy returns m with its elements rounded to bfloat16.
func roundedCopy(m Mat[float32]) Mat[float32] {
	m.Data = append([]float32{}, m.Data...)
	for i, x := range m.Data {
		m.Data[i] = inBFloat16(x)
	}
	return m
}

// A product in bfloat16 is that of the rounded operands, within the bound of sums of float32, for
// every layout, and the same bits on any workers and for a packed B.
func TestBFloat16(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, shape := range [][3]int{{1, 1, 1}, {2, 3, 2}, {5, 7, 3}, {12, 32, 33}, {13, 33, 64}, {40, 50, 1}, {3, 70, 2100}, {150, 90, 31}} {
			m, n, k := shape[0], shape[1], shape[2]
			for kind := range 16 {
				transA, transB, accumulate, epilogue := kind&1 > 0, kind&2 > 0, kind&4 > 0, kind&8 > 0
				gap := kind % 3
				a := layout(floattest.Normal[float32](r, extent(m, k, transA, gap)), m, k, transA, gap)
				b := layout(floattest.Normal[float32](r, extent(k, n, transB, gap)), k, n, transB, gap)
				before := floattest.Normal[float32](r, m*n)
				opt, beta := Options[float32]{Accumulate: accumulate, Precision: BFloat16}, 0.0
				if accumulate {
					beta = 1
				}
				if epilogue {
					opt.Bias, opt.RowBias, opt.ReLU = floattest.Normal[float32](r, n), floattest.Normal[float32](r, m), true
				}
				product := func(workers int, packed *PackedB[float32]) Mat[float32] {
					c := RowMajor(append([]float32{}, before...), m, n)
					opt := opt
					opt.PackedB = packed
					MatMul(NewTeam(workers), c, a, b, opt)
					return c
				}
				got := product(1, nil)
				c64 := make([]float64, m*n)
				for i, x := range before {
					c64[i] = float64(x)
				}
				requireProduct(t, got, roundedCopy(a), roundedCopy(b), c64, 1, beta, opt, 1)
				require.Equal(t, got.Data, product(3, nil).Data, "%v on 3 workers", shape)
				packed := NewRoundedB(k, n)
				packed.Pack(NewTeam(2), b)
				require.Equal(t, got.Data, product(2, packed).Data, "%v, packed", shape)
			}
		}
	})
}

// Bits don't depend on the instruction set: these are those of plain Go.
func TestBFloat16Bits(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(3, 4))
		const m, n, k = 21, 37, 2500 // of two blocks of K
		a, b := RowMajor(floattest.Normal[float32](r, m*k), m, k), RowMajor(floattest.Normal[float32](r, k*n), k, n)
		c := RowMajor(make([]float32, m*n), m, n)
		MatMul(nil, c, a, b, Options[float32]{Precision: BFloat16})
		sum := uint32(0)
		for _, x := range c.Data {
			sum = sum*31 + math.Float32bits(x)
		}
		assert.Equal(t, uint32(bitsOfBFloat16), sum)
	})
}

const bitsOfBFloat16 = 0x1ae4c6c0

// The first rows of a packed matrix serve alone if they are whole pairs.
func TestFirstOfRoundedB(t *testing.T) {
	b := RowMajor(floattest.Normal[float32](rand.New(rand.NewPCG(1, 2)), 9*5), 9, 5)
	packed := NewRoundedB(9, 5)
	packed.Pack(nil, b)
	for k, want := range map[int]bool{0: true, 1: false, 4: true, 7: false, 8: true, 9: true} {
		first, ok := packed.First(k, 3)
		assert.Equal(t, want, ok, k)
		if !ok || k == 0 {
			continue
		}
		a := RowMajor(floattest.Normal[float32](rand.New(rand.NewPCG(3, 4)), 2*k), 2, k)
		part := b
		part.Rows, part.Cols = k, 3
		got, want := RowMajor(make([]float32, 6), 2, 3), RowMajor(make([]float32, 6), 2, 3)
		MatMul(nil, want, a, part, Options[float32]{Precision: BFloat16})
		MatMul(nil, got, a, part, Options[float32]{Precision: BFloat16, PackedB: &first})
		assert.Equal(t, want.Data, got.Data, k)
	}
}

func TestBFloat16Refuses(t *testing.T) {
	a, c := RowMajor(make([]float32, 4), 2, 2), RowMajor(make([]float32, 4), 2, 2)
	d := RowMajor(make([]float64, 4), 2, 2)
	full, rounded := NewPackedB[float32](2, 2), NewRoundedB(2, 2)
	full.Pack(nil, a)
	rounded.Pack(nil, a)
	for want, call := range map[string]func(){
		"blas: a product of float64 in bfloat16":                   func() { MatMul(nil, d, d, d, Options[float64]{Precision: BFloat16}) },
		"blas: a batch of products in bfloat16":                    func() { MatMul(nil, c, a, a, Options[float32]{Precision: BFloat16, Batch: Batch{Count: 1}}) },
		"blas: a product in bfloat16, and B was packed in float32": func() { MatMul(nil, c, a, a, Options[float32]{Precision: BFloat16, PackedB: full}) },
		"blas: a product in float32, and B was packed in bfloat16": func() { MatMul(nil, c, a, a, Options[float32]{PackedB: rounded}) },
	} {
		assert.PanicsWithValue(t, want, call)
	}
	assert.Equal(t, "bfloat16", BFloat16.String())
	assert.Equal(t, "float32", Full.String())
}

func TestBFloat16AllocatesNothing(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	a, b := RowMajor(floattest.Normal[float32](r, 900), 30, 30), RowMajor(floattest.Normal[float32](r, 900), 30, 30)
	c := RowMajor(make([]float32, 900), 30, 30)
	team := NewTeam(2)
	assert.Zero(t, testing.AllocsPerRun(10, func() { MatMul(team, c, a, b.T(), Options[float32]{Precision: BFloat16}) }))
}
