package zoo

import "github.com/steppe-ml/steppe/net"

// MLP returns a multi-layer perceptron: it flattens samples of any shape, and has hidden layers of
// the given numbers of features with ReLU, and one output a class.
func MLP(input net.Shape, classes int, hidden ...int) (*net.Model, error) {
	return net.Compile(input, mlp(classes, hidden...)...)
}

func mlp(outputs int, hidden ...int) []net.Layer {
	layers := []net.Layer{net.Flatten{}}
	for _, features := range hidden {
		layers = append(layers, net.Dense{Out: features}, net.ReLU{})
	}
	return append(layers, net.Dense{Out: outputs})
}
