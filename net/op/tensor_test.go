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

// A batch of text is cut by samples, each with its tokens. A slice's Starts go on counting from the
// batch's first token.
func TestBatchSliceOfText(t *testing.T) {
	b := Batch{
		N: 3, Labels: []int32{7, 8, 9},
		Tokens: []int32{1, 2, 3, 4, 5, 6}, Segments: []uint8{0, 0, 1, 0, 1, 1}, Starts: []int{10, 11, 14, 16},
	}
	assert.Equal(t, Batch{
		N: 2, Labels: []int32{8, 9},
		Tokens: []int32{2, 3, 4, 5, 6}, Segments: []uint8{0, 1, 0, 1, 1}, Starts: []int{11, 14, 16},
	}, b.Slice(1, 2))
	assert.Equal(t, b, b.Slice(0, 3))
	assert.Equal(t, b.Slice(2, 1), b.Slice(1, 2).Slice(1, 1))
	assert.Empty(t, b.Slice(3, 0).Tokens)
	assert.Nil(t, Batch{N: 1, Tokens: []int32{1}, Starts: []int{0, 1}}.Slice(0, 1).Segments)
}

func TestTensorOfSequences(t *testing.T) {
	x := Tensor{
		N: 3, Shape: Shape{4, 2}, Starts: []int{5, 6, 9, 10},
		Data: []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9},
	}
	assert.Equal(t, 2, x.Width())
	assert.Equal(t, 5, x.Rows())
	assert.Equal(t, Shard{First: 1, N: 3}, x.Run(1))
	assert.Equal(t, Shard{First: 1, N: 4}, x.RowsOf(Shard{First: 1, N: 2}))
	part := x.Slice(1, 2)
	assert.Equal(t, Tensor{N: 2, Shape: Shape{4, 2}, Starts: []int{6, 9, 10}, Data: []float32{2, 3, 4, 5, 6, 7, 8, 9}}, part)
	assert.Equal(t, Shard{First: 3, N: 1}, part.Run(1))
	assert.Equal(t, []float32{8, 9}, part.Slice(1, 1).Data)

	unwanted := Tensor{N: 3, Shape: Shape{4, 2}, Starts: x.Starts}.Slice(1, 1)
	assert.False(t, unwanted.Wanted())
	assert.Equal(t, 3, unwanted.Rows(), "lengths are known without data")

	tokens := Tensor{N: 3, Shape: Shape{4}, Starts: x.Starts, Tokens: []int32{0, 1, 2, 3, 4}, Segments: []uint8{0, 0, 1, 1, 0}}
	assert.Equal(t, Tensor{N: 1, Shape: Shape{4}, Starts: []int{6, 9}, Tokens: []int32{1, 2, 3}, Segments: []uint8{0, 1, 1}}, tokens.Slice(1, 1))

	fixed := Tensor{N: 2, Shape: Shape{3, 2}, Data: make([]float32, 12)}
	assert.Equal(t, 6, fixed.Rows())
	assert.Equal(t, Shard{First: 3, N: 3}, fixed.Run(1))
	flat := Tensor{N: 2, Shape: Shape{5}, Data: make([]float32, 10)}
	assert.Equal(t, 2, flat.Rows())
	assert.Equal(t, Shard{First: 1, N: 1}, flat.Run(1))
}
