package chart

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// matrix returns the confusion of n classes, most of it right.
func matrix(n int) Matrix {
	m := Matrix{Title: "Confusion", X: "predicted", Y: "true"}
	for row := range n {
		counts := make([]int, n)
		counts[row], counts[(row*7+3)%n] = 90+row%10, counts[(row*7+3)%n]+row%5
		m.Names, m.Counts = append(m.Names, fmt.Sprintf("class %d", row)), append(m.Counts, counts)
	}
	return m
}

// Counts and shares are there where cells have room, names as long as rows have room, and numbers
// in larger matrices.
func TestMatrixTexts(t *testing.T) {
	shown := func(m Matrix) string {
		svg, err := Inline(m, "")
		require.NoError(t, err)
		return strings.Join(texts(t, svg), "|") + "|"
	}
	m := Matrix{X: "predicted", Y: "true", Names: []string{"<no>", "yes"}, Counts: [][]int{{997, 3}, {0, 7}}}
	assert.Equal(t, "997|>99%|3|<1%|7|100%|<no>|<no>|yes|yes|predicted|true|", shown(m))

	assert.Contains(t, shown(matrix(10)), "|98%|")
	medium := shown(matrix(30))
	assert.Contains(t, medium, "class 29|class 29|")
	assert.Contains(t, medium, "99|")
	assert.NotContains(t, medium, "%")
	large := shown(matrix(100))
	assert.Contains(t, large, "class 99|class 99|")
	assert.NotContains(t, large, "|95|")
	huge := shown(matrix(300))
	assert.True(t, strings.HasPrefix(huge, "Confusion|0|0|5|5|10|10|"), huge[:30])
	assert.NotContains(t, huge, "class")
}

// Cells are square, and the picture has room for everything.
func TestMatrixSize(t *testing.T) {
	for _, n := range []int{1, 2, 10, 50, 100, 300, 1000} {
		f, err := matrix(n).figure()
		require.NoError(t, err)
		g := f.body.(*grid)
		side := f.width - 2*margin - g.left
		assert.GreaterOrEqual(t, side.Points(), 0.999*float64(n)*g.cell.Points(), "%d classes", n)
		assert.InDelta(t, f.height.Points(), f.around(g.bottom).Points()+float64(n)*g.cell.Points(), 1e-6)
		assert.LessOrEqual(t, float64(n)*g.cell.Points(), 901.0)
	}
}

func TestShownNames(t *testing.T) {
	assert.Equal(t, []string{"a b", "très", "кот"}, shownNames([]string{"a\nb", "très", "кот"}))
	assert.Equal(t, []string{"an unusually long name of a…"}, shownNames([]string{"an unusually long name of a class"}))
	assert.Equal(t, []string{"0 cat", "1 猫"}, shownNames([]string{"cat", "猫"}))
}

func TestPercent(t *testing.T) {
	for want, c := range map[string][2]int{
		"0%": {0, 5}, "100%": {5, 5}, "<1%": {1, 1000}, ">99%": {999, 1000}, "33%": {1, 3}, "99%": {99, 100}, "1%": {1, 100},
	} {
		assert.Equal(t, want, percent(c[0], c[1]))
	}
	assert.Equal(t, "0%", percent(0, 0))
}
