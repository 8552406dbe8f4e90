package net_test

import (
	"fmt"

	"github.com/steppe-ml/steppe/net"
)

// A model is compiled for samples of one shape. Its parameters are apart from it.
func Example() {
	model, err := net.Compile(net.Shape{2, 2, 1},
		net.Flatten{}, net.Dense{Out: 8}, net.ReLU{}, net.Dense{Out: 3})
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1)
	images := []float32{
		0, 0, 0, 0,
		1, 0, 0, 1,
	}
	probabilities, err := model.Predict(params, images)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(model.NumParams(), "parameters")
	fmt.Printf("%.3f\n", probabilities[:3])
	fmt.Printf("%.3f\n", probabilities[3:])
	// Output:
	// 67 parameters
	// [0.333 0.333 0.333]
	// [0.128 0.636 0.236]
}

// Errors name the layer that doesn't fit, and the shape of its input.
func ExampleCompile() {
	_, err := net.Compile(net.Shape{28, 28, 1}, net.Dense{Out: 10})
	fmt.Println(err)
	_, err = net.Compile(net.Shape{784}, net.Dense{Out: 64}, net.ReLU{}, net.Dense{})
	fmt.Println(err)
	// Output:
	// net: layer 0, Dense{Out:10}: input 28x28x1: samples must be flat: put Flatten{} before it
	// net: layer 2, Dense{}: input 64: Out is 0, want at least 1
}

// Parameters are one flat vector. Views give access to its tensors by name: here, to write down a
// network that computes exclusive or.
func ExampleModel_Params() {
	model, err := net.Compile(net.Shape{2}, net.Dense{Out: 2}, net.ReLU{}, net.Dense{Out: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1)
	values := map[string][]float32{
		"0.Dense.weight": {1, 1, 1, 1}, // both features are the sum of the inputs
		"0.Dense.bias":   {0, -1},      // the second counts from 1
		"2.Dense.weight": {0, 1, 0, -2},
		"2.Dense.bias":   {0.5, 0},
	}
	for _, view := range model.Params() {
		copy(view.Of(params.Values), values[view.Name])
		fmt.Println(view.Offset, view.Name, view.Shape, view.Role)
	}
	outputs, err := model.Outputs(params, []float32{0, 0, 0, 1, 1, 0, 1, 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	for i := range 4 {
		fmt.Println(outputs[2*i+1] > outputs[2*i])
	}
	// Output:
	// 0 0.Dense.weight 2x2 weight
	// 4 0.Dense.bias 2 bias
	// 6 2.Dense.weight 2x2 weight
	// 10 2.Dense.bias 2 bias
	// false
	// true
	// true
	// false
}

// A Predictor has a copy of the parameters. It can serve many goroutines, and its calls allocate
// nothing.
func ExamplePredictor_Classify() {
	model, err := net.Compile(net.Shape{2, 2, 1}, net.Flatten{}, net.Dense{Out: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1)
	copy(params.Values, []float32{ // W [4, 2], then b [2]
		1, 0, // the upper row speaks for class 0
		1, 0,
		0, 1, // the lower row for class 1
		0, 1,
		0, 0,
	})
	predictor, err := model.Predictor(params)
	if err != nil {
		fmt.Println(err)
		return
	}
	class, probability, err := predictor.Classify([]float32{
		0, 0.5,
		1, 1,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("class %d with probability %.2f\n", class, probability)
	// Output:
	// class 1 with probability 0.82
}

// Gradient is enough for an algorithm of your own: here, gradient descent on the line y = 2x - 1.
func ExampleModel_Gradient() {
	model, err := net.Compile(net.Shape{1}, net.Dense{Out: 1}, net.MSE{})
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1)
	batch := net.Batch{N: 4, X: []float32{-1, 0, 1, 2}, Targets: []float32{-3, -1, 1, 3}}
	gradient := make([]float32, model.NumParams())
	for range 200 {
		if _, err := model.Gradient(params, batch, 0, gradient); err != nil {
			fmt.Println(err)
			return
		}
		for i, g := range gradient {
			params.Values[i] -= 0.1 * g
		}
	}
	fmt.Printf("y = %.3f x %+.3f\n", params.Values[0], params.Values[1])
	// Output:
	// y = 2.000 x -1.000
}
