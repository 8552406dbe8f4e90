package simd_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

func TestRotate(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		for side, place := range guard.Sides[float32]() {
			for half := 1; half <= 70; half++ {
				for _, size := range []struct{ rows, blocks, behind int }{{1, 1, 0}, {2, 3, 0}, {3, 2, 5}} {
					r := rand.New(rand.NewPCG(1, uint64(half)))
					random := func(n int) []float32 {
						s := place(t, n)
						for i := range s {
							s[i] = float32(r.NormFloat64())
						}
						return s
					}
					o := simd.Rotation{Blocks: size.blocks, Half: half, Stride: size.blocks*2*half + size.behind}
					n := size.rows*o.Stride - size.behind // the last row ends with its blocks
					x, cos, sin, dst := random(n), random(size.rows*half), random(size.rows*half), random(n)
					for _, back := range []bool{false, true} {
						before := slices.Clone(dst)
						o.Rotate(dst, x, cos, sin, back)
						what := fmt.Sprintf("%s: %+v, back %v", side, o, back)
						checkRotated(t, o, before, dst, x, cos, sin, back, what)

						same := place(t, n)
						copy(same, x)
						o.Rotate(same, same, cos, sin, back)
						for i := range n {
							if i%o.Stride < 2*o.Blocks*half {
								require.Equal(t, dst[i], same[i], "in place, %s", what)
							}
						}
					}
				}
			}
		}
	})
}

// checkRotated compares dst with float64, and what is behind the blocks with what was there.
func checkRotated(t *testing.T, o simd.Rotation, before, dst, x, cos, sin []float32, back bool, what string) {
	for i, y := range dst {
		row, column := i/o.Stride, i%o.Stride
		if column >= 2*o.Blocks*o.Half {
			require.Equal(t, before[i], y, what)
			continue
		}
		pair := column % o.Half
		c, s := float64(cos[row*o.Half+pair]), float64(sin[row*o.Half+pair])
		other := i + o.Half
		if back {
			s = -s
		}
		if column/o.Half%2 == 0 {
			s = -s
		} else {
			other = i - o.Half
		}
		a, b := c*float64(x[i]), s*float64(x[other])
		require.InDelta(t, a+b, y, math.Ldexp(math.Abs(a)+math.Abs(b), -23), "element %d, %s", i, what)
	}
}

// A NaN reaches its own pair only.
func TestRotateNaN(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		const half = 19
		o := simd.Rotation{Blocks: 2, Half: half, Stride: 4 * half}
		for at := range 8 * half {
			x := slices.Repeat([]float32{1}, 8*half)
			x[at] = nan
			o.Rotate(x, x, slices.Repeat([]float32{0.6}, 2*half), slices.Repeat([]float32{0.8}, 2*half), false)
			for i, v := range x {
				require.Equal(t, i/(2*half) == at/(2*half) && i%half == at%half, math.IsNaN(float64(v)), "element %d, NaN in %d", i, at)
			}
		}
	})
}

func TestRotateRefuses(t *testing.T) {
	for want, call := range map[string]func(){
		"simd: Rotation.Rotate: {Blocks:1 Half:0 Stride:4}, want at least one block of at least one pair, and a stride that is no less than the blocks": func() { simd.Rotation{Blocks: 1, Stride: 4}.Rotate(nil, nil, nil, nil, false) },
		"simd: Rotation.Rotate: {Blocks:2 Half:2 Stride:7}, want at least one block of at least one pair, and a stride that is no less than the blocks": func() { simd.Rotation{Blocks: 2, Half: 2, Stride: 7}.Rotate(nil, nil, nil, nil, false) },
		"simd: Rotation.Rotate: slices of 12 and 11 elements, want at least 12 for 2 rows of {Blocks:1 Half:2 Stride:8}": func() {
			simd.Rotation{Blocks: 1, Half: 2, Stride: 8}.Rotate(make([]float32, 12), make([]float32, 11), make([]float32, 4), make([]float32, 4), false)
		},
	} {
		assert.PanicsWithValue(t, want, call)
	}
	assert.Panics(t, func() {
		simd.Rotation{Blocks: 1, Half: 2, Stride: 8}.Rotate(make([]float32, 12), make([]float32, 12), make([]float32, 4), make([]float32, 3), false)
	})
	simd.Rotation{Blocks: 1, Half: 2, Stride: 8}.Rotate(nil, nil, nil, nil, false) // no rows
}
