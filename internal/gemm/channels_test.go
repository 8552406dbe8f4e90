package gemm

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

// Every height of a tile, beside unreadable pages; a prefetch beyond them is no fault.
func TestCopyChannels(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		copyChannels := Active[float32]().CopyChannels
		if copyChannels == nil {
			t.Skip("there is no kernel")
		}
		for side, memory := range guard.Sides[float32]() {
			for height := 4; height <= 12; height++ {
				for _, tiles := range []int{1, 2, 5} {
					for _, pixels := range []int{1, 2, 9} {
						for _, gap := range []int{0, 3} {
							srcPixel, dstTile := tiles*height+gap, pixels*height+gap
							src, dst := memory(t, (pixels-1)*srcPixel+tiles*height), memory(t, (tiles-1)*dstTile+pixels*height)
							for i := range src {
								src[i] = float32(i)
							}
							for i := range dst {
								dst[i] = -1
							}
							want := slices.Clone(dst)
							for tile := range tiles {
								for p := range pixels {
									copy(want[tile*dstTile+p*height:][:height], src[p*srcPixel+tile*height:])
								}
							}
							floattest.WithoutFault(t, side, func() {
								copyChannels(pixels, tiles, height, &src[0], srcPixel, 1<<20, &dst[0], dstTile)
							})
							require.Equal(t, want, dst, "%d pixels, %d tiles of %d rows, gaps of %d", pixels, tiles, height, gap)
						}
					}
				}
			}
		}
	})
}
