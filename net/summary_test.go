package net

import (
	"testing"

	"github.com/steppe-ml/steppe/net/op"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestSummary(t *testing.T) {
	m, err := Compile(Shape{4, 4, 1},
		Conv2D{Out: 2, Kernel: 3, Padding: Same, NoBias: true}, BatchNorm{}, ReLU{}, MaxPool{Size: 2}, Flatten{}, Dense{Out: 3})
	require.NoError(t, err)
	assert.Equal(t, `layer        output  parameters  MFLOP
input        4x4x1               
0.Conv2D     4x4x2   18          0.000576
1.BatchNorm  4x4x2   4           
2.ReLU       4x4x2               
3.MaxPool    2x2x2               
5.Dense      3       27          4.8e-05
in all               49          0.000624
A training step takes 0.0013 MFLOP a sample; there are 4 floats of running state.
`, m.Summary())
	assert.Equal(t, op.Flops{Forward: 576, Gradient: 576}, m.Layers()[0].Flops, "2 * 16 pixels * 18 weights")
	assert.Equal(t, 5, len(m.Layers()), "as written, not as fused")
}
