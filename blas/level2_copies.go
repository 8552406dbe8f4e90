package blas

import (
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// copies holds a level 2 call's contiguous copies of vectors, or the sums of its parts. It is nil
// if the call needs neither.
type copies[T Float] struct{ x, y, sums []T }

var (
	copies32 parallel.Pool[copies[float32]]
	copies64 parallel.Pool[copies[float64]]
)

func copiesPool[T Float]() *parallel.Pool[copies[T]] {
	return gemm.PoolOf[copies[T]](&copies32, &copies64)
}

func copiesFor[T Float](incX, incY int) *copies[T] {
	if incX == 1 && incY == 1 {
		return nil
	}
	return copiesPool[T]().Get()
}

func (c *copies[T]) release() {
	if c != nil {
		copiesPool[T]().Put(c)
	}
}

// ofX returns x, or a contiguous copy of it; ofY does the same for y.
func (c *copies[T]) ofX(n int, x []T, inc int) *T {
	if inc == 1 {
		return &x[0]
	}
	c.x = gemm.Grow(c.x, n)
	return gather(c.x[:n], x, inc)
}

func (c *copies[T]) ofY(n int, y []T, inc int) *T {
	if inc == 1 {
		return &y[0]
	}
	c.y = gemm.Grow(c.y, n)
	return gather(c.y[:n], y, inc)
}

func gather[T Float](to, x []T, inc int) *T {
	ix := first(len(to), inc)
	for i := range to {
		to[i] = x[ix]
		ix += inc
	}
	return &to[0]
}

// scatter copies a gathered vector back to its place.
func scatter[T Float](n int, from *T, x []T, inc int) {
	if inc == 1 {
		return // it is x
	}
	ix := first(n, inc)
	for i := range n {
		x[ix] = *gemm.At(from, i)
		ix += inc
	}
}

// first returns where the first of n elements lies: with a negative increment it
// is the last in memory.
func first(n, inc int) int {
	if inc < 0 {
		return (1 - n) * inc
	}
	return 0
}
