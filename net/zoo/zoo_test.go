package zoo

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

func TestMLP(t *testing.T) {
	m, err := MLP(net.Shape{28, 28, 1}, 10, 512, 512)
	require.NoError(t, err)
	assert.Equal(t, 669_706, m.NumParams(), "(784+1)*512 + (512+1)*512 + (512+1)*10")
	assert.Equal(t, net.Shape{10}, m.OutputShape())

	linear, err := MLP(net.Shape{784}, 10)
	require.NoError(t, err)
	assert.Equal(t, 7850, linear.NumParams(), "without hidden layers")
}

func TestMLPErrors(t *testing.T) {
	_, err := MLP(net.Shape{784}, 10, 512, 0)
	assert.EqualError(t, err, "net: layer 3, Dense{}: input 512: Out is 0, want at least 1")
}

// Every row of the table compiles, and predicts.
func TestModels(t *testing.T) {
	names := map[string]bool{}
	for _, row := range Models {
		assert.False(t, names[row.Name], "%s stands there twice", row.Name)
		names[row.Name] = true
		assert.NotEmpty(t, row.About, row.Name)

		found, err := Lookup(row.Name)
		require.NoError(t, err)
		assert.Equal(t, row.About, found.About)

		m, err := row.Compile(net.Shape{28, 28, 1}, 10)
		require.NoError(t, err, row.Name)
		assert.Equal(t, net.Shape{10}, m.OutputShape())
		_, err = m.Predict(m.Init(1), make([]float32, 2*784))
		assert.NoError(t, err, row.Name)
	}
}

func TestLookupOfUnknown(t *testing.T) {
	_, err := Lookup("resnet-9000")
	require.ErrorContains(t, err, `unknown model "resnet-9000", want one of `)
	for _, row := range Models {
		assert.ErrorContains(t, err, row.Name)
	}
}
