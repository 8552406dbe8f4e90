package gemm

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

func TestTables(t *testing.T) { floattest.Each(t, testTables[float32], testTables[float64]) }

// Products and convolutions take panels of one width, and every size up to it.
func testTables[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		tb := Active[T]()
		assert.Equal(t, tb.NR, tb.whole().columns, "columns of the widest tiles")
		testPanels(t, tb.panels, tb.NR)
		testPanels(t, tb.taps, tb.NR)
		if len(tb.broad.tile) > 0 {
			assert.Greater(t, tb.broad.columns, tb.NR)
			assert.True(t, tb.MasksB, "a B that is broader than a panel is in place")
		}
	})
	_, ok := any(Active[T]()).(*Table[float32])
	assert.Equal(t, ok, len(Active[T]().taps) > 0, "kernels of convolutions are for float32")
}

func testPanels[K any](t *testing.T, panels []panelKernels[K], nr int) {
	columns := 0
	for _, p := range panels {
		assert.Greater(t, p.columns, columns, "panels are in ascending order")
		assert.NotEmpty(t, p.tile)
		columns = p.columns
	}
	if len(panels) == 0 {
		return
	}
	assert.Equal(t, nr, columns)
	for left := 1; left <= 3*nr; left++ {
		_, take := forColumns(panels, left)
		assert.Equal(t, min(left, nr), take, "of %d columns", left)
	}
}

func TestCutRows(t *testing.T) {
	for tallest := 1; tallest <= 12; tallest++ {
		for rows := 1; rows <= 5*tallest; rows++ {
			tiles, height, taller := CutRows(rows, tallest)
			assert.Equal(t, rows, taller*(height+1)+(tiles-taller)*height, "%d rows", rows)
			assert.GreaterOrEqual(t, (tiles*tallest)-rows, 0, "tiles hold %d rows", rows)
			assert.Less(t, (tiles-1)*tallest, rows, "fewest tiles for %d rows", rows)
			if taller > 0 {
				assert.LessOrEqual(t, height+1, tallest)
			}
		}
	}
}

// PackPanels refuses memory that its kernels would write beyond.
func TestPackPanelsRefusesShortMemory(t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		tb := Active[float32]()
		const k = 3
		n, stride := 3*tb.NR, k*tb.NR+5
		b := make([]float32, k*n)
		dst := make([]float32, 2*stride+k*tb.NR)
		assert.NotPanics(t, func() { PackPanels(tb, ViewOf(&b[0], n, 1), k, n, dst, stride) })
		assert.Panics(t, func() { PackPanels(tb, ViewOf(&b[0], n, 1), k, n, dst[:len(dst)-1], stride) })
	})
}
