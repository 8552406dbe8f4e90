package zoo_test

import (
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/zoo"
)

// A model of the table is compiled for samples of another shape.
func Example() {
	row, err := zoo.Lookup("resnet20")
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := row.Compile(net.Shape{28, 28, 1}, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(row.About, "usually takes", row.Input, "in batches of", row.Batch)
	fmt.Println("for", model.InputShape(), "it has", model.NumParams(), "parameters")
	// Output:
	// ResNet-20 for small images usually takes 32x32x3 in batches of 128
	// for 28x28x1 it has 269434 parameters
}

// Summary lists the layers of a model.
func ExampleMLP() {
	model, err := zoo.MLP(net.Shape{28, 28, 1}, 10, 300, 100)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, layer := range model.Layers() {
		fmt.Println(layer.Name, layer.Out, layer.Params)
	}
	// Output:
	// 1.Dense 300 235500
	// 2.ReLU 300 0
	// 3.Dense 100 30100
	// 4.ReLU 100 0
	// 5.Dense 10 1010
}
