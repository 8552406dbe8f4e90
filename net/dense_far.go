package net

import (
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net/op"
)

// leastLargest is the least magnitude that the largest product of samples may have. Products below
// 2^-149, which vanish, are nothing beside it.
const leastLargest = 0x1p-110

// inRange reports whether float32 holds products of samples: they are finite, and the largest is
// far above those that vanish.
func inRange(products []float32) bool {
	largest := float32(0)
	for _, p := range products {
		if p-p != 0 {
			return false
		}
		largest = max(largest, p, -p)
	}
	return largest > leastLargest
}

// gramInRange is inRange for the products of n samples with each other. The largest is a squared
// norm, which lies on the diagonal.
func gramInRange(products []float32, n int) bool {
	largest := float32(0)
	for i := range n {
		square := products[i*n+i]
		if square-square != 0 {
			return false
		}
		largest = max(largest, square)
	}
	return largest > leastLargest
}

// gradNormSqFar is GradNormSq in float64.
func gradNormSqFar(in, dout op.Tensor) (sum float64) {
	for a := range in.N {
		sum += float64(dot64(dout, a, dout, a) * (dot64(in, a, in, a) + 1))
		for b := range a {
			sum += 2 * float64(dot64(dout, a, dout, b)*(dot64(in, a, in, b)+1))
		}
	}
	return max(0, sum)
}

// forwardDeltaFar is ForwardDelta in float64.
func forwardDeltaFar(x, in, dout, out op.Tensor) {
	clear(out.Data)
	addProducts(x, in, 1, dout, out)
}

// backwardDeltaFar is BackwardDelta in float64.
func backwardDeltaFar(e, in, dout, din op.Tensor) { addProducts(e, dout, 0, in, din) }

// addProducts adds (X Y' + constant) Z to out, with a sample of each tensor in a row.
func addProducts(x, y op.Tensor, constant float64, z, out op.Tensor) {
	size := out.Shape.Size()
	s := farSums.Get()
	defer farSums.Put(s)
	s.sums = room(s.sums, size)
	sums := s.sums
	for a := range x.N {
		to := out.Data[a*size:][:size]
		for j, v := range to {
			sums[j] = float64(v)
		}
		for b := range y.N {
			product := dot64(x, a, y, b) + constant
			for j, v := range z.Slice(b, 1).Data {
				sums[j] += float64(product * float64(v))
			}
		}
		for j, sum := range sums {
			to[j] = float32(sum)
		}
	}
}

// farSum is a row of sums, kept for the next call.
type farSum struct{ sums []float64 }

var farSums parallel.Pool[farSum]

// dot64 returns the product of sample i of x with sample j of y, in float64.
func dot64(x op.Tensor, i int, y op.Tensor, j int) (sum float64) {
	to := y.Slice(j, 1).Data
	for k, v := range x.Slice(i, 1).Data {
		sum += float64(float64(v) * float64(to[k]))
	}
	return sum
}
