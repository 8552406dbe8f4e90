//go:build amd64 && !purego

package gemm

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/internal/tabletest"
	"github.com/steppe-ml/steppe/simd"
)

func TestKernelsOfPairsAreAssembly(t *testing.T) {
	const onlyTiles = "products of pairs have tiles alone"
	for _, tb := range []*Table[float32]{&pairsAVX2, &pairsBF16} {
		without := map[string]string{
			"broad.tile": onlyTiles, "wide.kernel": onlyTiles, "dots": onlyTiles, "taps.tile": onlyTiles,
			"copyRows": rowsInPlace, "CopyChannels": readsInPlace,
		}
		if tb == &pairsBF16 {
			without["copyTiles"] = copiesRows
		}
		tabletest.Check(t, tb, without)
	}
}

func TestWholeTilesOfPairsWasteNoFMA(t *testing.T) { testWholeTilesWasteNoFMA(t, &pairsBF16) }

// What cuts sums is the same in all tables of pairs, and Pairs returns that of the active set.
func TestTablesOfPairs(t *testing.T) {
	for _, tb := range []*Table[float32]{&pairsAVX2, &pairsBF16} {
		assert.Equal(t, [2]int{genericPairs.KC, genericPairs.DotsUpTo}, [2]int{tb.KC, tb.DotsUpTo})
		testPanels(t, tb.panels, tb.NR)
	}
	testPanels(t, genericPairs.panels, genericPairs.NR)
	simdtest.EachISA(t, func(t *testing.T) {
		want := &pairsAVX2
		if simd.HasBF16() {
			want = &pairsBF16
		} else if simd.Active() == simd.Generic {
			want = &genericPairs
		}
		assert.Same(t, want, Pairs())
		t.Logf("%v has AVX512_BF16: %v", simd.Active(), simd.HasBF16())
	})
}
