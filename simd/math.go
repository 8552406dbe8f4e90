package simd

import "fmt"

// Elementary functions of float32, element by element. What an element becomes
// depends on its bits and the instruction set alone, not on where it is. Results
// below the normal numbers are rounded like all others (gradual underflow): nothing
// is flushed to zero, neither here nor in what is read.
//
// Errors are in units in the last place (ULP) of the exact result, the largest of all
// 2^32 arguments: math_test.go measures them with -simd.all. Correct rounding is 0.5.

// Exp sets dst to e^x: at most 0.9 ULP off, plain Go 0.57. It is Inf from 88.72284 on,
// subnormal below -87.33655, and 0 below -103.97208.
func Exp(dst, x []float32) {
	sameLength("Exp", len(dst), len(x))
	elementwise(kernels().exp, dst, x)
}

// SoftmaxRows sets each row of dst to the softmax of that row of x, rows having width
// elements:
//
//	largest = max(x)    total = sum(exp(x - largest))    dst = exp(x - largest) / total
//
// and stores largest and total, which have an element a row, unless they are nil. dst
// may be x. log(total) + largest is the logarithm of the sum of exponentials.
//
// A row with a NaN or +Inf in it, or of -Inf alone, becomes NaN, and so does its
// total. Sums are in an order that depends on width and the instruction set alone.
func SoftmaxRows(dst, x []float32, width int, largest, total []float32) {
	if width < 0 {
		panic(fmt.Sprintf("simd: SoftmaxRows: rows of %d elements", width))
	}
	rows := rowsOf("SoftmaxRows", width, len(dst), len(x))
	for _, s := range [][]float32{largest, total} {
		if s != nil {
			sameLength("SoftmaxRows", rows, len(s))
		}
	}
	for row := range pieces(rows, width, mathBytes) {
		kernels().softmaxRows(row.n, width, &dst[row.at], &x[row.at], from(largest, row.at/width), from(total, row.at/width))
	}
}

// mathBytes is what a kernel of elementary functions takes at a time: some 10
// microseconds, so that the scheduler and the garbage collector needn't wait.
const mathBytes = 64 << 10

// elementwise calls a kernel for one piece of the slices after the other.
func elementwise(kernel func(dst, x []float32), dst, x []float32) {
	const most = mathBytes / 4
	for len(x) > most {
		kernel(dst[:most], x[:most])
		dst, x = dst[most:], x[most:]
	}
	kernel(dst, x)
}

// from is the address of element i, or nil if there is no slice.
func from(s []float32, i int) *float32 {
	if s == nil {
		return nil
	}
	return &s[i]
}
