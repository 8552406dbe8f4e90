package simd

import "fmt"

// Elementary functions of float32, element by element. What an element becomes
// depends on its bits and the instruction set alone, not on where it is. They take and
// return what Go's math package does for NaN, Inf and zeros, and any finite number:
// subnormal ones are neither taken for zero nor flushed to it, but rounded like others
// (gradual underflow). dst may be an operand itself, but must not overlap one otherwise.
//
// Errors are the largest ones of all 2^32 arguments, measured by "go test ./simd -run
// AgainstOracle -simd.all" against float64, in units in the last place (ULP) of the
// exact result; correct rounding is 0.5. The first is that of all assembly, AVX2, AVX-512 and
// NEON, that in parentheses plain Go's.

// Exp sets dst to e^x. The error is 0.92 ULP (0.57). It is Inf above 88.72284,
// subnormal below -87.33655 and 0 below -103.97208.
func Exp(dst, x []float32) {
	sameLength("Exp", len(dst), len(x))
	elementwise(kernels().exp, dst, x)
}

// Log sets dst to the natural logarithm of x: NaN below 0, -Inf at 0 of either sign. The
// error is 0.96 ULP (0.58).
func Log(dst, x []float32) {
	sameLength("Log", len(dst), len(x))
	elementwise(kernels().log, dst, x)
}

// Tanh sets dst to the hyperbolic tangent of x. The error is 1.71 ULP (0.71).
func Tanh(dst, x []float32) {
	sameLength("Tanh", len(dst), len(x))
	elementwise(kernels().tanh, dst, x)
}

// TanhBackward sets dst to dy * (1 - y*y), where y is what Tanh returned. The factor has
// an error of 0.5 ULP, and the product is rounded again.
func TanhBackward(dst, dy, y []float32) {
	sameLength("TanhBackward", len(dst), len(dy), len(y))
	kernels().tanhBackward(dst, dy, y)
}

// Sigmoid sets dst to 1/(1 + e^-x). The error is 1.48 ULP (0.57), on both sides of 0: it
// is subnormal below -87.33655 and 0 below -103.97208.
func Sigmoid(dst, x []float32) {
	sameLength("Sigmoid", len(dst), len(x))
	elementwise(kernels().sigmoid, dst, x)
}

// SigmoidBackward sets dst to dy * (y - y*y), where y is what Sigmoid returned. The
// factor has an error of 0.5 ULP, and the product is rounded again.
func SigmoidBackward(dst, dy, y []float32) {
	sameLength("SigmoidBackward", len(dst), len(dy), len(y))
	kernels().sigmoidBackward(dst, dy, y)
}

// GELU sets dst to x*Phi(x), Phi being the distribution function of the normal
// distribution: the exact form, x/2 * (1 + erf(x/sqrt(2))), and not that with tanh. The
// error is 3.91 ULP (0.64), in the negative tail, too, where 1 + erf would have no digits
// left. It is subnormal below -13.146 and -0 below -14.356, so at -Inf, too, where the
// formula would say NaN.
func GELU(dst, x []float32) {
	sameLength("GELU", len(dst), len(x))
	elementwise(kernels().gelu, dst, x)
}

// GELUBackward sets dst to dy * (Phi(x) + x*phi(x)), Phi and phi being the distribution
// function and the density of the normal distribution. The factor has an error of 3.39
// ULP (0.61), but from -1.5 to -0.25, where it changes its sign, of 2.46 ULP of 1/4 (0.57),
// an ULP of 1/4 being 2^-25. The product is rounded again.
func GELUBackward(dst, dy, x []float32) {
	sameLength("GELUBackward", len(dst), len(dy), len(x))
	const most = mathBytes / 4
	for len(x) > most {
		kernels().geluBackward(dst[:most], dy[:most], x[:most])
		dst, dy, x = dst[most:], dy[most:], x[most:]
	}
	kernels().geluBackward(dst, dy, x)
}

// GELUAndSlope sets dst to what GELU does, and slope to the factor of GELUBackward, bit for bit, in
// little more than the time of one of them. dst may be x.
func GELUAndSlope(dst, slope, x []float32) {
	sameLength("GELUAndSlope", len(dst), len(slope), len(x))
	const most = mathBytes / 4
	for len(x) > most {
		kernels().geluAndSlope(dst[:most], slope[:most], x[:most])
		dst, slope, x = dst[most:], slope[most:], x[most:]
	}
	kernels().geluAndSlope(dst, slope, x)
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
// total. Sums are in an order that depends on width and the instruction set alone. An
// element is within (|x-largest| + width + 8) * 2^-24 of itself, since the difference is
// rounded, or within 2 ULP if it is subnormal; total within (width+3) * 2^-24.
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
