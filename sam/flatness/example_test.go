package flatness_test

import (
	"context"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/sam/flatness"
)

// A line y = w x + b through four points, by least squares: the Hessian is that of a parabola, the
// same everywhere,
//
//	[2 mean(x^2)  2 mean(x)]   [3 1]
//	[2 mean(x)    2        ] = [1 2]
func Example() {
	model, err := net.Compile(net.Shape{1}, net.Dense{Out: 1}, net.MSE{})
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1)
	copy(params.Values, []float32{2, -1})
	batch := net.Batch{N: 4, X: []float32{-1, 0, 1, 2}, Targets: []float32{-3, -1, 1, 3}}
	s, err := flatness.New(model, params, []net.Batch{batch}, flatness.Config{Seed: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	spectrum, err := s.Spectrum(ctx, 2)
	if err != nil {
		fmt.Println(err)
		return
	}
	sharpness, err := s.Sharpness(ctx, flatness.Ball{Rho: 0.1})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("on %d samples, loss %.4f\n", spectrum.Samples, spectrum.Loss)
	fmt.Printf("eigenvalues %.3f\n", spectrum.Eigenvalues)
	fmt.Printf("the loss rises by up to %.5f within 0.1\n", sharpness.Worst)
	// Output:
	// on 4 samples, loss 0.0000
	// eigenvalues [3.618 1.382]
	// the loss rises by up to 0.01809 within 0.1
}
