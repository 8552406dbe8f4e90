package conv

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// These tests hold the pooling kernels of every table to the contract of kernel.go.

// The pooling kernels have the reference's bits, but for sums, which they may not
// reorder either.
func TestPoolingKernelsEqualGeneric(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(4, 4))
		active := kernels()
		for channels := 1; channels <= 70; channels++ {
			for _, taps := range [][]int{{0}, {0, channels}, {0, channels, 5 * channels, 6 * channels, 9 * channels}} {
				for _, pixels := range []int{1, 2, 5} {
					for _, xPixel := range []int{channels, 2 * channels} {
						size := (pixels-1)*xPixel + taps[len(taps)-1] + channels
						x, dy := make([]float32, size), make([]float32, pixels*channels)
						fill := func(s []float32) {
							for i := range s {
								s[i] = float32(r.IntN(5) - 2) // with ties
								if r.IntN(50) == 0 {
									s[i] = []float32{nan, inf, -inf}[r.IntN(3)]
								}
							}
						}
						fill(x)
						fill(dy)
						all := func(k *table) (results [][]float32) {
							for _, floors := range [][2]float32{{-inf, nan}, {0, 0}} {
								y, dx, spread := make([]float32, len(dy)), make([]float32, size), make([]float32, size)
								k.maxPool(pixels, channels, &taps[0], len(taps), &x[0], xPixel, &y[0], floors[0])
								k.maxPoolBackward(pixels, channels, &taps[0], len(taps), &dx[0], &x[0], xPixel, &y[0], &dy[0], floors[1])
								if apart(taps, pixels, xPixel) {
									k.maxPoolSpread(pixels, channels, &taps[0], len(taps), &spread[0], &x[0], xPixel, &y[0], &dy[0], floors[1])
								}
								results = append(results, y, dx, spread)
							}
							mean, spread := make([]float32, len(dy)), make([]float32, size)
							k.sumPool(pixels, channels, &taps[0], len(taps), &x[0], xPixel, &mean[0], 0.25)
							k.sumPoolBackward(pixels, channels, &taps[0], len(taps), &spread[0], xPixel, &dy[0], 0.25)
							return append(results, mean, spread)
						}
						got, want := all(active), all(&generic)
						for i, name := range []string{"maxPool", "maxPoolBackward", "maxPoolSpread", "rectified maxPool", "rectified maxPoolBackward", "rectified maxPoolSpread", "sumPool", "sumPoolBackward"} {
							for j := range want[i] {
								g, w := got[i][j], want[i][j]
								require.True(t, g == w || g != g && w != w, "%s, %d channels, taps %v, %d pixels: element %d is %v, want %v", name, channels, taps, pixels, j, g, w)
							}
						}
					}
				}
			}
		}
	})
}

// apart reports whether no two windows have a tap in common.
func apart(taps []int, pixels, xPixel int) bool {
	seen := map[int]bool{}
	for i := range pixels {
		for _, t := range taps {
			if seen[i*xPixel+t] {
				return false
			}
			seen[i*xPixel+t] = true
		}
	}
	return true
}

func TestPoolingKernelsStayInside(t *testing.T) {
	const size = 1 << 12
	for side, memory := range guard.Sides[float32]() {
		t.Run(side, func(t *testing.T) {
			var pages [4][]float32
			for i := range pages {
				pages[i] = memory(t, size)
			}
			at := func(i, n int) []float32 {
				if side == "ending" {
					return pages[i][size-n:]
				}
				return pages[i][:n]
			}
			simdtest.EachISA(t, func(t *testing.T) {
				defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
				k := kernels()
				for channels := 1; channels <= 70; channels++ {
					taps := []int{0, channels, 4 * channels, 5 * channels}
					const pixels = 3
					n := (pixels-1)*2*channels + 6*channels
					x, dx, y, dy := at(0, n), at(1, n), at(2, pixels*channels), at(3, pixels*channels)
					require.NotPanics(t, func() {
						k.maxPool(pixels, channels, &taps[0], 4, &x[0], 2*channels, &y[0], 0)
						k.maxPoolBackward(pixels, channels, &taps[0], 4, &dx[0], &x[0], 2*channels, &y[0], &dy[0], 0)
						k.maxPoolSpread(pixels, channels, &taps[0], 4, &dx[0], &x[0], 2*channels, &y[0], &dy[0], 0)
						k.sumPool(pixels, channels, &taps[0], 4, &x[0], 2*channels, &y[0], 1)
						k.sumPoolBackward(pixels, channels, &taps[0], 4, &dx[0], 2*channels, &dy[0], 1)
					}, fmt.Sprint(channels, " channels"))
				}
			})
		})
	}
}
