package gemm

import (
	"math"
	"unsafe"
)

// A pair is two bfloat16 values that follow each other along k, in the memory of a float32: the
// first one, of even index, in the lower half of its bits. Whatever moves float32s, and copies them
// to panels, moves pairs. So a product of operands that were rounded to bfloat16 is an
// Operation[float32] that a table of pairs computes: its K counts pairs, and its C, biases and
// scales are float32s. An odd last value of k has a zero behind it.
//
// Tile kernels of pairs sum float32s with VDPBF16PS's arithmetic. Each pair adds the product of the
// odd values to the sum, then that of the even ones. Both are fused multiply-adds, rounded to
// nearest even. Denormal values, the sum's too, count as zeros of their sign, and a denormal result
// becomes one. What follows the sum is as in other kernels, with beta*C(i,j) added by a fused
// multiply-add. All tables of pairs give the same bits, save those of NaNs.

// Pairs returns the table whose tile kernels multiply pairs: that of AVX512_BF16 or AVX2 where the
// active instruction set has it, else the reference. It has neither taps nor dots, so Run and
// RunInAnyOrder add the same products in the same order, unless the latter splits K.
func Pairs() *Table[float32] { return pairsTable() }

// kcPairs is the KC of all tables of pairs, since it decides bits.
const kcPairs = 1024

var genericPairs = pairsReference()

// pairsReference returns the reference: generic's table, but for its tiles and KC.
func pairsReference() Table[float32] {
	t := generic[float32]()
	t.KC, t.OfPairs = kcPairs, true
	for i := range t.panels[0].tile {
		t.panels[0].tile[i] = genericPairsTile(i + 1)
	}
	return t
}

func genericPairsTile(rows int) TileKernel[float32] {
	return func(tiles, n, k int, a *float32, aRow, aCol, aTile int, b *float32, bRow int, c *float32, cRow int, alpha, beta float32, bias, rowBias *float32, relu bool) {
		for tile := range tiles {
			var acc [4][nrGeneric]float32
			for l := range k {
				var even, odd [nrGeneric]float64
				for j, pair := range (*[nrGeneric]float32)(unsafe.Pointer(At(b, l*bRow))) {
					even[j], odd[j] = halves(pair)
				}
				for i := range rows {
					ae, ao := halves(*At(a, tile*aTile+i*aRow+l*aCol))
					for j := range nrGeneric {
						acc[i][j] = multiplyAdd(ae, even[j], multiplyAdd(ao, odd[j], acc[i][j]))
					}
				}
			}
			for i := range rows {
				row := tile*rows + i
				for j := range n {
					cij := At(c, row*cRow+j)
					v := float32(acc[i][j] * alpha)
					if beta != 0 {
						v = fma32(beta, *cij, v)
					}
					if bias != nil {
						v += *At(bias, j)
					}
					if rowBias != nil {
						v += *At(rowBias, row)
					}
					if relu && v < 0 {
						v = 0
					}
					*cij = v
				}
			}
		}
	}
}

// halves returns the values of a pair, with zeros in place of denormal ones.
func halves(pair float32) (even, odd float64) {
	bits := math.Float32bits(pair)
	return float64(flush(math.Float32frombits(bits << 16))), float64(flush(math.Float32frombits(bits &^ 0xffff)))
}

// flush returns x, or a zero of its sign if x is denormal.
func flush(x float32) float32 {
	const sign, exponent = 1 << 31, 0xff << 23
	if bits := math.Float32bits(x); bits&exponent == 0 {
		return math.Float32frombits(bits & sign)
	}
	return x
}

// tiny is where results of magnitudes below it are flushed: AVX-512 looks at what a result is when
// rounded to 24 bits with no bound for its exponent, so that those halfway to 2^-126 aren't
// denormal.
const tiny = 0x1p-126 - 0x1p-151

// multiplyAdd returns x*y + sum, rounded once to float32, for values of bfloat16 and a float32.
//
// The sum of the exact product, of 16 bits, and of a float32 is computed in float64, and rounded
// again. That is as one rounding, for only a sum that is inexact in float64, and so close to the
// middle of two float32s that it is rounded to it, would give another result. There is none. If
// the float64 isn't exact, the bits of both terms span more than 53, so that one of them is less
// than 2^-29 of the other one: the greater one has 24 bits and the lesser one 16, or the greater
// one 16 and the lesser one 24. Since the greater term is a float32, or a product of 16 bits, the
// sum differs from a number of 24 bits by less than 2^-29 of it, and middles lie at least 2^-25 of
// it away. The bound tiny is such a middle.
func multiplyAdd(x, y float64, sum float32) float32 {
	s := x*y + float64(flush(sum)) // the product is exact, so it makes no difference if it's fused
	if -tiny < s && s < tiny {
		return float32(math.Copysign(0, s))
	}
	return float32(s)
}

// fma32 returns x*y + z, rounded once. The exact product and z are added in float64 and rounded to
// odd, with which the rounding to float32 is as if it were the only one (S. Boldo and G. Melquiond,
// "Emulation of a FMA and correctly-rounded sums", IEEE Trans. Computers 57(4), 2008).
func fma32(x, y, z float32) float32 {
	product, addend := float64(float64(x)*float64(y)), float64(z)
	sum := product + addend
	part := sum - product
	lost := (product - (sum - part)) + (addend - part)
	if bits := math.Float64bits(sum); bits&1 == 0 && (lost < 0 || lost > 0) {
		if (lost > 0) == (sum > 0) {
			bits++
		} else {
			bits--
		}
		sum = math.Float64frombits(bits)
	}
	return float32(sum)
}
