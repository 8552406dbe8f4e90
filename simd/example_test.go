package simd_test

import (
	"fmt"

	"github.com/steppe-ml/steppe/simd"
)

// A gradient step by hand: the loss is half the squared length of w, so its gradient is w.
func Example() {
	w := []float32{3, -4, 0, 12}
	fmt.Println("norm squared:", simd.SumSquares(w))
	simd.AxpyTo(w, -0.5, w, w) // w = w - 0.5*w
	fmt.Println("after a step:", w, simd.SumSquares(w))
	// Output:
	// norm squared: 169
	// after a step: [1.5 -2 0 6] 42.25
}

// SoftmaxRows turns rows of outputs into probabilities. Outputs as large as these would overflow if
// they were not reduced by the row's largest.
func ExampleSoftmaxRows() {
	x := []float32{
		1000, 1000, 1000, 1000,
		0, -1000, 0, -1000,
	}
	simd.SoftmaxRows(x, x, 4, nil, nil)
	fmt.Println(x[:4])
	fmt.Println(x[4:])
	// Output:
	// [0.25 0.25 0.25 0.25]
	// [0.5 0 0.5 0]
}

// Use chooses the instruction set, here plain Go, and returns the one that was active.
func ExampleUse() {
	before, err := simd.Use(simd.Generic)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() { _, _ = simd.Use(before) }()
	fmt.Println(simd.Active(), simd.Dot([]float32{1, 2, 3}, []float32{4, 5, 6}))
	// Output: generic 32
}
