package simd

import "math"

// The reference of the elementary functions. It evaluates the polynomials that the
// kernels of asm_gen/simd/math.go do, in float64, and rounds to float32 once, at the
// end: so it needs none of their precautions. Products are rounded explicitly, so that
// every compiler makes the same of it.

var (
	// (e^r-1-r)/r^2, for |r| <= ln(2)/2
	expSeries = []float64{0x1.fffffep-2, 0x1.5554aap-3, 0x1.55579ep-5, 0x1.122c7ap-7, 0x1.6ab2bcp-10}
	// (log(1+f)-f)/f^2, for 3/4 <= 1+f <= 3/2
	logSeries = []float64{
		-0.5, 0x1.5555acp-2, -0x1.000082p-2, 0x1.996722p-3, -0x1.54d6d4p-3,
		0x1.28758ap-3, -0x1.0e8c76p-3, 0x1.b1ec4p-4, -0x1.794df6p-5,
	}
	// Phi(-a) / (t e^(-a^2/2)), with t = 1/(1+a/2), of t - tailCenter, for 0 <= a <= 14.5
	tailSeries = []float64{
		0x1.4dbaeap-2, 0x1.4f3b84p-2, 0x1.24149ap-4, -0x1.299d08p-3, -0x1.5f55cp-6, 0x1.e4163ep-4,
		-0x1.88c0dap-5, -0x1.48d196p-4, 0x1.cf1bbp-4, -0x1.cb49a4p-8, -0x1.97b88ep-4, 0x1.15309p-4,
	}
)

const tailCenter = 15.0 / 32

// eachOf is a kernel that rounds f to float32.
func eachOf(f func(float64) float64) func(dst, x []float32) {
	return func(dst, x []float32) {
		for i, v := range x {
			dst[i] = float32(f(float64(v)))
		}
	}
}

// slopes is a kernel that multiplies by f, rounded to float32.
func slopes(f func(float64) float64) func(dst, dy, x []float32) {
	return func(dst, dy, x []float32) {
		for i, v := range x {
			dst[i] = dy[i] * float32(f(float64(v)))
		}
	}
}

// geluAndSlope sets dst to gelu and slope to its slope.
func geluAndSlope(dst, slope, x []float32) {
	for i, v := range x {
		dst[i], slope[i] = float32(gelu(float64(v))), float32(geluSlope(float64(v)))
	}
}

func horner(coefficients []float64, x float64) (p float64) {
	for i := len(coefficients) - 1; i >= 0; i-- {
		p = float64(p*x) + coefficients[i]
	}
	return p
}

// expReduced splits x into n*ln(2) + r, with an integer n and |r| <= ln(2)/2, and
// returns 2^n and e^r - 1, which is NaN if x is.
func expReduced(x float64) (power, expm1 float64) {
	n := math.RoundToEven(float64(x * math.Log2E))
	r := x - float64(n*math.Ln2)
	return math.Float64frombits(uint64(int64(n)+1023) << 52), r + float64(float64(r*r)*horner(expSeries, r))
}

func exp(x float64) float64 {
	power, expm1 := expReduced(max(-200, min(x, 200))) // beyond float32's range
	return float64(power * (1 + expm1))
}

func log(x float64) float64 {
	if !(x > 0 && x <= math.MaxFloat32) {
		return math.Log(x) // of 0, Inf, NaN and negative numbers
	}
	m, k := math.Frexp(x)
	if m < 0.75 {
		m, k = 2*m, k-1
	}
	f := m - 1
	return float64(float64(k)*math.Ln2) + f + float64(float64(f*f)*horner(logSeries, f))
}

func tanh(x float64) float64 {
	power, expm1 := expReduced(2 * min(math.Abs(x), 10)) // 1, when rounded
	e := float64(power*expm1) + (power - 1)              // e^(2|x|) - 1
	return math.Copysign(e/(e+2), x)
}

func sigmoid(x float64) float64 {
	e := exp(-math.Abs(x))
	if x < 0 {
		return e / (1 + e)
	}
	return 1 / (1 + e)
}

// normalTail returns |x|, but no more than 14.75, and for this a and the normal
// distribution function Phi, g and e with Phi(-a) = g*e.
func normalTail(x float64) (a, g, e float64) {
	a = min(math.Abs(x), 14.75)
	t := 1 / (1 + 0.5*a)
	return a, float64(t * horner(tailSeries, t-tailCenter)), exp(-0.5 * float64(a*a))
}

// gelu is x*Phi(x) = max(x, 0) - a*Phi(-a).
func gelu(x float64) float64 {
	a, g, e := normalTail(x)
	return max(x, math.Copysign(0, -1)) - float64(float64(a*g)*e)
}

// geluSlope is Phi(x) + x*phi(x), with the normal density phi.
func geluSlope(x float64) float64 {
	const density = 1 / (math.Sqrt2 * math.SqrtPi)
	a, g, e := normalTail(x)
	slope := float64((g - float64(density*a)) * e)
	if x < 0 {
		return slope
	}
	return 1 - slope
}

func softmaxRows(rows, width int, dst, x, largest, total *float32) {
	m := matrix{rows, width}
	to, xs := m.of(dst), m.of(x)
	for row := range rows {
		d, v := to[row*width:][:width], xs[row*width:][:width]
		most, sum := minusInf, float32(0)
		for _, e := range v {
			most = max(most, e)
		}
		for i, e := range v {
			d[i] = float32(exp(float64(e - most)))
			sum += d[i]
		}
		for i := range d {
			d[i] /= sum
		}
		if largest != nil {
			floats(rows, largest)[row] = most
		}
		if total != nil {
			floats(rows, total)[row] = sum
		}
	}
}
