package simd

import "math"

// The reference of the elementary functions. It evaluates the polynomials that the
// kernels of asm_gen/simd/math.go do, in float64, and rounds to float32 once, at the
// end: so it needs none of their precautions. Products are rounded explicitly, so that
// every compiler makes the same of it.

// expSeries is (e^r-1-r)/r^2 for |r| <= ln(2)/2.
var expSeries = []float64{0x1.fffffep-2, 0x1.5554aap-3, 0x1.55579ep-5, 0x1.122c7ap-7, 0x1.6ab2bcp-10}

func horner(coefficients []float64, x float64) (p float64) {
	for i := len(coefficients) - 1; i >= 0; i-- {
		p = float64(p*x) + coefficients[i]
	}
	return p
}

// expm1Reduced splits x into n*ln(2) + r, with |r| <= ln(2)/2, and returns 2^n and e^r - 1.
func expm1Reduced(x float64) (power, expm1 float64) {
	n := math.RoundToEven(float64(x * math.Log2E))
	r := x - float64(n*math.Ln2)
	return math.Float64frombits(uint64(int64(n)+1023) << 52), r + float64(float64(r*r)*horner(expSeries, r))
}

// exp is e^x, for x that are no larger than float32 has them.
func exp(x float64) float64 {
	x = max(-200, min(x, 200)) // NaN stays NaN
	if x != x {
		return x
	}
	power, expm1 := expm1Reduced(x)
	return float64(power * (1 + expm1))
}

func expSlice(dst, x []float32) {
	for i, v := range x {
		dst[i] = float32(exp(float64(v)))
	}
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
