// Package zoo has models ready for use.
package zoo

import (
	"fmt"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// Model is one row of the table of models.
type Model struct {
	Name  string
	About string
	// Compile makes the model for samples of shape input.
	Compile func(input net.Shape, classes int) (*net.Model, error)
}

// Models lists the models by the names that the command knows.
var Models = []Model{
	{
		Name:  "mlp",
		About: "two hidden layers of 512 features with ReLU",
		Compile: func(input net.Shape, classes int) (*net.Model, error) {
			return MLP(input, classes, 512, 512)
		},
	},
}

// Lookup returns the model of a name, or an error that lists those there are.
func Lookup(name string) (Model, error) {
	var known []string
	for _, m := range Models {
		if m.Name == name {
			return m, nil
		}
		known = append(known, m.Name)
	}
	return Model{}, fmt.Errorf("unknown model %q, want one of %s", name, strings.Join(known, ", "))
}

// MLP is a multi-layer perceptron: the samples flattened, hidden layers of the
// given numbers of features with ReLU, and one output a class.
func MLP(input net.Shape, classes int, hidden ...int) (*net.Model, error) {
	layers := []net.Layer{net.Flatten{}}
	for _, features := range hidden {
		layers = append(layers, net.Dense{Out: features}, net.ReLU{})
	}
	return net.Compile(input, append(layers, net.Dense{Out: classes})...)
}
