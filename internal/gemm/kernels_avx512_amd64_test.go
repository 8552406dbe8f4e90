//go:build amd64 && !purego

package gemm

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
)

// Where units have 512 bits, a row of C takes as many FMAs for each k as its columns fill vectors:
// no panel ends within a vector but the last.
func TestWholeTilesWasteNoFMA(t *testing.T) {
	testWholeTilesWasteNoFMA(t, &whole32)
	testWholeTilesWasteNoFMA(t, &whole64)
}

func testWholeTilesWasteNoFMA[T Float](t *testing.T, tb *Table[T]) {
	lanes := Lanes[T]()
	for n := 1; n <= 9*tb.NR; n++ {
		fmas, tapFMAs := 0, 0
		for left := n; left > 0; {
			kernels, columns := tb.kernelsFor(left, left)
			vectors := num.CeilDiv(columns, lanes)
			require.Len(t, kernels, []int{12, 12, 8}[vectors-1], "rows of a tile of %d columns", columns)
			fmas += vectors
			left -= columns
		}
		require.Equal(t, num.CeilDiv(n, lanes), fmas, "%d columns of %T", n, T(0))
		for left := n; left > 0 && len(tb.taps) > 0; {
			kernels, columns := tb.TapsFor(left)
			require.Len(t, kernels, 12, "rows of a tile of %d channels", columns)
			tapFMAs += num.CeilDiv(columns, lanes)
			left -= columns
		}
		if len(tb.taps) > 0 {
			require.Equal(t, fmas, tapFMAs, "%d channels", n)
		}
		kernels, columns := tb.kernelsFor(n, 0)
		require.Equal(t, min(n, tb.NR), columns, "of %d packed ones", n)
		require.Len(t, kernels, 12)
	}
}
