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
	tabletest.Check(t, &pairsBF16, map[string]string{
		"broad.tile": onlyTiles, "wide.kernel": onlyTiles, "dots": onlyTiles, "taps.tile": onlyTiles,
		"copyTiles": copiesRows, "copyRows": rowsInPlace, "CopyChannels": readsInPlace,
	})
}

func TestWholeTilesOfPairsWasteNoFMA(t *testing.T) { testWholeTilesWasteNoFMA(t, &pairsBF16) }

// What cuts sums is the same in all tables of pairs, and Pairs returns that of the active set.
func TestTablesOfPairs(t *testing.T) {
	assert.Equal(t, [2]int{genericPairs.KC, genericPairs.DotsUpTo}, [2]int{pairsBF16.KC, pairsBF16.DotsUpTo})
	testPanels(t, pairsBF16.panels, pairsBF16.NR)
	testPanels(t, genericPairs.panels, genericPairs.NR)
	simdtest.EachISA(t, func(t *testing.T) {
		want := &genericPairs
		if simd.HasBF16() {
			want = &pairsBF16
		}
		assert.Same(t, want, Pairs())
		t.Logf("%v has AVX512_BF16: %v", simd.Active(), simd.HasBF16())
	})
}
