package gemm

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/guard"
	"github.com/steppe-ml/steppe/internal/simdtest"
)

func TestCopyTiles(t *testing.T) { floattest.Each(t, testCopyTiles[float32], testCopyTiles[float64]) }

func testCopyTiles[T Float](t *testing.T) {
	const untouched = -1
	simdtest.EachISA(t, func(t *testing.T) {
		if Active[T]().copyTiles == nil {
			t.Skip("there is no kernel that copies tiles")
		}
		mr := Active[T]().MR()
		for side, pages := range guard.Sides[T]() {
			for _, columns := range []int{1, 2, 7} {
				for _, tiles := range []int{1, 2, 5} {
					for _, rows := range []int{mr - 1, mr} { // of a tile, of which mr are copied
						srcColumn, dstTile := tiles*mr+3, columns*mr+5
						src := pages(t, (columns-1)*srcColumn+(tiles-1)*rows+mr)
						dst := pages(t, (tiles-1)*dstTile+columns*mr)
						for i := range src {
							src[i] = T(i)
						}
						for i := range dst {
							dst[i] = untouched
						}
						want := slices.Clone(dst)
						for l := range columns {
							for tile := range tiles {
								copy(want[tile*dstTile+l*mr:][:mr], src[l*srcColumn+tile*rows:])
							}
						}
						floattest.WithoutFault(t, side, func() { Active[T]().copyTiles(columns, tiles, &src[0], srcColumn, rows, &dst[0], dstTile) })
						require.Equal(t, want, dst, "%d columns, %d tiles of %d rows", columns, tiles, rows)
					}
				}
			}
		}
	})
}

// Blocks of A that are copied tile by tile have the elements that Panel reads, and nothing before or
// behind A is read to make them.
func TestTilesOfA(t *testing.T) { floattest.Each(t, testTilesOfA[float32], testTilesOfA[float64]) }

func testTilesOfA[T Float](t *testing.T) {
	simdtest.EachISA(t, func(t *testing.T) {
		tb := *Active[T]()
		tb.CopyA, tb.CopyRows = 0, 0
		if tb.copyTiles == nil {
			t.Skip("there is no kernel that copies tiles")
		}
		layouts := []bool{true}
		if tb.copyRows != nil {
			layouts = append(layouts, false)
		}
		for side, pages := range guard.Sides[T]() {
			var buf Buffers[T]
			for rows := 2; rows <= 2*tilesAtOnce*tb.MR()+3; rows++ {
				for _, k := range []int{2, 3, 5, 12} {
					a := pages(t, k*rows)
					for i := range a {
						a[i] = T(i)
					}
					for _, transposed := range layouts {
						view := View[T]{&a[0], k, 1}
						if transposed {
							view = View[T]{&a[0], 1, rows}
						} else if rows < tb.MR() {
							continue
						}
						o := Operation[T]{Table: &tb, M: rows, N: 100, K: k, A: view}
						var block ABlock[T]
						floattest.WithoutFault(t, side, func() { block = o.blockOfA(0, rows, 0, k, 100, &buf) })
						checkTiles(t, view, block, rows, k, tb.MR())
					}
				}
			}
		}
	})
}

// checkTiles compares the tiles of a block with the rows of A that they are made of.
func checkTiles[T Float](t *testing.T, a View[T], block ABlock[T], rows, k, mr int) {
	t.Helper()
	require.Equal(t, mr, block.Tile)
	tiles, low, taller := CutRows(rows, block.Tile)
	i := 0
	for tile := range tiles {
		height := low
		if tile < taller {
			height++
		}
		for r := range height {
			for l := range k {
				got := *At(block.P, tile*block.tile(height)+r*block.Row+l*block.Col)
				if want := *a.At(i, l); got != want {
					t.Fatalf("A(%d,%d) of %d x %d, %d apart, is %v, want %v", i, l, rows, k, a.Row, got, want)
				}
			}
			i++
		}
	}
	require.Equal(t, rows, i)
}

// Rows fight that lie in few of the L1 cache's sets.
func TestPanelFights(t *testing.T) {
	const nr = 16 // a line of float32
	b := Aligned[float32](nr)
	for _, c := range []struct {
		stride, most int // rows of B, of which that many have room
	}{
		{16, 256}, {32, 128}, {48, 256}, {64, 64}, {112, 256}, {128, 32}, {256, 16}, {1024, 4}, {2048, 4},
		{0, 1 << 20}, {33, 128}, {100, 128}, {1000, 128}, // two lines a row
	} {
		o := Operation[float32]{Table: &Table[float32]{NR: nr}, B: View[float32]{&b[0], c.stride, 1}}
		require.False(t, o.panelFights(c.most), "%d rows %d floats apart", c.most, c.stride)
		require.Equal(t, c.stride > 0, o.panelFights(c.most+1), "%d rows %d floats apart", c.most+1, c.stride)
	}
}
