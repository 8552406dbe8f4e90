package op

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestShape(t *testing.T) {
	for _, test := range []struct {
		shape Shape
		text  string
		size  int
		valid bool
	}{
		{Shape{28, 28, 1}, "28x28x1", 784, true},
		{Shape{7}, "7", 7, true},
		{Shape{3, 0}, "3x0", 0, false},
		{Shape{-3, -3}, "-3x-3", 9, false},
		{Shape{}, "", 1, false},
	} {
		assert.Equal(t, test.text, test.shape.String())
		assert.Equal(t, test.size, test.shape.Size(), "%v", test.shape)
		assert.Equal(t, test.valid, test.shape.Validate() == nil, "%v", test.shape)
	}
}

// A batch is cut by samples, however many values each of them has where.
func TestBatchSlice(t *testing.T) {
	b := Batch{
		N:       3,
		X:       []float32{1, 2, 3, 4, 5, 6},
		Labels:  []int32{7, 8, 9},
		Targets: []float32{10, 11, 12, 13, 14, 15, 16, 17, 18},
	}
	assert.Equal(t, Batch{
		N:       2,
		X:       []float32{3, 4, 5, 6},
		Labels:  []int32{8, 9},
		Targets: []float32{13, 14, 15, 16, 17, 18},
	}, b.Slice(1, 2))
	assert.Equal(t, b, b.Slice(0, 3))
	assert.Equal(t, 0, len(b.Slice(3, 0).X))
	assert.Empty(t, Batch{N: 2, X: []float32{1, 2}}.Slice(1, 1).Labels, "what isn't there isn't needed")

	assert.Equal(t, Batch{}, Batch{}.Slice(0, 0))

	b.Slice(1, 1).X[0] = 30
	assert.Equal(t, float32(30), b.X[2], "memory is shared")
}

func TestTensorSlice(t *testing.T) {
	x := Tensor{N: 3, Shape: Shape{2}, Data: []float32{1, 2, 3, 4, 5, 6}}
	assert.Equal(t, Tensor{N: 1, Shape: Shape{2}, Data: []float32{5, 6}}, x.Slice(2, 1))
	unwanted := Tensor{N: 3, Shape: Shape{2}}.Slice(1, 2)
	assert.False(t, unwanted.Wanted())
	assert.Equal(t, 2, unwanted.N)
}
