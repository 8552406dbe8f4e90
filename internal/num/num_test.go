package num

import (
	"math"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestCeilDiv(t *testing.T) {
	for _, c := range [][3]int{{0, 3, 0}, {1, 3, 1}, {3, 3, 1}, {4, 3, 2}, {7, 1, 7}} {
		assert.Equal(t, c[2], CeilDiv(c[0], c[1]), "%d/%d", c[0], c[1])
	}
}

func TestSaturation(t *testing.T) {
	const most = math.MaxInt
	for _, c := range [][3]int{{0, most, 0}, {1, most, most}, {2, most / 2, most - 1}, {2, most/2 + 1, most}, {most, most, most}} {
		assert.Equal(t, c[2], Times(c[0], c[1]), "%d*%d", c[0], c[1])
		assert.Equal(t, c[2], Times(c[1], c[0]), "%d*%d", c[1], c[0])
	}
	for _, c := range [][3]int{{0, most, most}, {1, most, most}, {1, most - 1, most}, {most, most, most}, {2, 3, 5}} {
		assert.Equal(t, c[2], Plus(c[0], c[1]), "%d+%d", c[0], c[1])
	}
}

func TestSpan(t *testing.T) {
	assert.Equal(t, 3, Span{4, 7}.Len())
	assert.Zero(t, Span{4, 4}.Len())
	for _, c := range [][3]Span{
		{{2, 7}, {4, 9}, {4, 7}}, {{2, 7}, {3, 5}, {3, 5}}, {{2, 4}, {4, 6}, {4, 4}}, {{2, 4}, {6, 8}, {6, 6}},
	} {
		assert.Equal(t, c[2], c[0].Common(c[1]))
		assert.Equal(t, c[2], c[1].Common(c[0]))
	}
}

func TestFirstNonFinite(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, test := range []struct {
		x    []float32
		want int
	}{
		{nil, -1},
		{[]float32{0, -1, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}, -1},
		{[]float32{nan}, 0},
		{[]float32{1, inf, nan}, 1},
		{[]float32{1, 2, -inf}, 2},
	} {
		assert.Equal(t, test.want, FirstNonFinite(test.x), "%v", test.x)
	}
}
