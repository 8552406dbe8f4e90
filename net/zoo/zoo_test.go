package zoo

import (
	"slices"
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

// The numbers of parameters are those that are published: of the small ResNets in He et al., table
// 6 (0.27M, 0.46M, 0.85M), and exactly in reimplementations with option A; of ResNet-18 in
// torchvision and, for small images, in the usual PyTorch trainers; of WRN-16-4 in Zagoruyko and
// Komodakis (2.7M).
func TestParameters(t *testing.T) {
	small := net.Shape{32, 32, 3}
	for _, c := range []struct {
		name    string
		input   net.Shape
		classes int
		params  int
	}{
		{"resnet20", small, 10, 269_722},
		{"resnet32", small, 10, 464_154},
		{"resnet56", small, 10, 853_018},
		{"resnet18", small, 10, 11_173_962},
		{"resnet18", net.Shape{224, 224, 3}, 1000, 11_689_512},
		{"wrn16-4", small, 10, 2_748_890},
		{"lenet", net.Shape{28, 28, 1}, 10, 421_642},
		{"mlp", net.Shape{28, 28, 1}, 10, 669_706},
		{"vit-tiny", small, 10, 2_693_194}, // (4*4*3+1 + 64 + 6*(12*192+13) + 2 + 10) * 192 + 10
	} {
		row, err := Lookup(c.name)
		require.NoError(t, err)
		m, err := row.Compile(c.input, c.classes)
		require.NoError(t, err, c.name)
		assert.Equal(t, c.params, m.NumParams(), "%s for %v", c.name, c.input)
	}
}

func TestDepthErrors(t *testing.T) {
	_, err := CIFARResNet(21)(net.Shape{32, 32, 3}, 10)
	assert.EqualError(t, err, "zoo: a ResNet of 21 layers for small images, want 6n+2 such as 20")
	_, err = WideResNet(16, 0)(net.Shape{32, 32, 3}, 10)
	assert.EqualError(t, err, "zoo: a wide ResNet of 16 layers and width 0, want 6n+4 such as 16, and at least 1")
	_, err = LeNet(net.Shape{784}, 10)
	assert.ErrorContains(t, err, "net: layer 0, Conv2D{Out:32 Kernel:3 Padding:-1}: input 784: ")
}

// Every row of the table compiles and predicts, and can train on its usual batch.
func TestModels(t *testing.T) {
	names := map[string]bool{}
	for _, row := range Models {
		assert.False(t, names[row.Name], "%s stands there twice", row.Name)
		names[row.Name] = true
		assert.NotEmpty(t, row.About, row.Name)

		found, err := Lookup(row.Name)
		require.NoError(t, err)
		assert.Equal(t, row.About, found.About)

		if row.Text != nil {
			continue
		}
		m, err := row.Compile(row.Input, 10)
		require.NoError(t, err, row.Name)
		assert.GreaterOrEqual(t, row.Batch, m.MinShard(), row.Name)

		m, err = row.Compile(net.Shape{28, 28, 1}, 10)
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

// Every row makes a model for targets, too, with the same layers before its outputs.
func TestRegressors(t *testing.T) {
	for _, row := range Models {
		if row.Text != nil {
			continue
		}
		input := net.Shape{16, 16, 3}
		classifier, err := row.Compile(input, 3)
		require.NoError(t, err, row.Name)
		m, err := row.Regressor(input, 3)
		require.NoError(t, err, row.Name)
		assert.Equal(t, net.MSE{}, m.Loss(), row.Name)
		assert.True(t, slices.Equal(classifier.Init(1).Values, m.Init(1).Values), row.Name)
		require.NoError(t, m.ValidateBatch(net.Batch{N: 2, X: make([]float32, 2*768), Targets: make([]float32, 6)}))

		one, err := row.Regressor(input, 1)
		require.NoError(t, err, "a single number will do for %s", row.Name)
		assert.Equal(t, net.Shape{1}, one.OutputShape())
		_, err = row.Regressor(input, 0)
		assert.Error(t, err, row.Name)
	}
	row, err := Lookup("mlp")
	require.NoError(t, err)
	_, err = row.Regressor(net.Shape{}, 1)
	assert.Error(t, err)
}
