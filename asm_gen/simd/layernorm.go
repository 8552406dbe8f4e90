package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// The three floats that layerNorm keeps of a row, by their bytes. The normalized element is
// (x-center)*inverse + offset.
const (
	keptCenter  = 0 // the mean, or nearly so
	keptInverse = 4 // 1/sqrt(variance + epsilon)
	keptOffset  = 8 // (center-mean)*inverse
	keptBytes   = 12
)

func layerNormKernels(s isa.Set) {
	layerNorm(s)
	layerNormBackward(s)
	layerNormSums(s)
}

// norm is the plan of layerNorm and its backward pass. All matrices have rows of channels, one
// behind the other.
type norm struct {
	*rows
	kept            reg.Register
	stride, stride3 reg.Register
}

func beginNorm(s isa.Set, name, signature, doc string) norm {
	k := norm{beginRows(s, name, signature, doc, "channels"), GP64(), GP64(), GP64()}
	MOVQ(k.whole, k.stride)
	s.BytesOf(k.stride)
	LEAQ(operand.Mem{Base: k.stride, Index: k.stride, Scale: 2}, k.stride3)
	k.countVectors()
	return k
}

func (k norm) matrix(name string) matrix { return matrix{name, GP64(), GP64(), k.stride, k.stride3} }

func (k norm) keptOf(i, which int) operand.Mem {
	return operand.Mem{Base: k.kept, Disp: keptBytes*i + which}
}

// eachNorm is eachBlock for matrices with their kept floats.
func (k norm) eachNorm(matrices []matrix, phases func()) {
	move := map[string]operand.Op{"kept": operand.U32(keptBytes)}
	for _, m := range matrices {
		move[m.name] = k.stride
	}
	k.eachBlock(move, phases)
}

// phase is that of rows, on the matrices named.
func (k norm) phase(name string, matrices []matrix, body func()) {
	Load(Param("kept"), k.kept)
	for _, m := range matrices {
		Load(Param(m.name), m.at)
	}
	k.rows.phase(name, body, func(n int) {
		for _, m := range matrices {
			m.advance(n)
		}
		ADDQ(operand.U32(keptBytes*n), k.kept)
	})
}

// broadcast sets registers from number first on to a kept float of each row from number row on.
func (k norm) broadcast(which, row, n, first int) {
	for i := range n {
		VBROADCASTSS(k.keptOf(row+i, which), k.V(first+i))
	}
}

// clear clears as many registers as there are rows, from number first on.
func (k norm) clear(first int) {
	for i := range k.n {
		k.Zero(first + i)
	}
}

// layerNorm takes three passes. The first sums x, for a center close to the mean. The second sums
// the differences from the center, and their squares. What the differences sum up to is what the
// center is off the mean: so neither the center's rounding error nor that of the first sum is left,
// however far from 0 the mean is. The third pass normalizes.
func layerNorm(s isa.Set) {
	k := beginNorm(s, "layerNorm", "func(rows, channels, block int, dst, x, scale, shift, kept *float32, share, epsilon float32)",
		"sets dst to the rows of x, normalized, scaled and shifted, and keeps three floats a row. The caches hold block rows.")
	dst, x := k.matrix("dst"), k.matrix("x")
	k.eachNorm([]matrix{dst, x}, func() {
		k.center(x)
		k.deviate(x)
		k.normalize(dst, x)
	})
}

// center's vector registers: 0 to 7 sums, of two vectors in turn.
func (k norm) center(x matrix) {
	k.phase("center", []matrix{x}, func() {
		k.clear(0)
		k.clear(4)
		MOVQ(x.at, x.cursor)
		k.along("sum", 2, []reg.Register{x.cursor}, func(turn int) {
			for i := range k.n {
				sum := k.V(4*turn + i)
				VADDPS(k.in(k.vector(x, i, turn), k.V(12)), sum, sum)
			}
		})
		for i := range k.n {
			VADDPS(k.V(4+i), k.V(i), k.V(i))
		}
		k.fold(0, 14)
		VBROADCASTSS(isa.Parameter("share"), isa.X(12))
		VMULPS(isa.X(12), isa.X(0), isa.X(0))
		for i := range k.n {
			lane(i, isa.X(0), k.keptOf(i, keptCenter))
		}
	})
}

// deviate's vector registers: 0 to 3 centers, 4 to 7 sums of what x is below them, 8 to 11 of its
// square, 12 and 13 at hand.
func (k norm) deviate(x matrix) {
	const centers, sums, squares = 0, 4, 8
	k.phase("deviate", []matrix{x}, func() {
		k.broadcast(keptCenter, 0, k.n, centers)
		k.clear(sums)
		k.clear(squares)
		MOVQ(x.at, x.cursor)
		k.along("square", 1, []reg.Register{x.cursor}, func(int) {
			for i := range k.n {
				d := k.V(12 + i%2)
				VSUBPS(k.in(k.vector(x, i, 0), d), k.V(centers+i), d)
				k.clearLacking(d)
				VADDPS(d, k.V(sums+i), k.V(sums+i))
				VFMADD231PS(d, d, k.V(squares+i))
			}
		})
		k.fold(sums, 14)
		k.fold(squares, 14)
		k.deviation(isa.X(sums), isa.X(squares))
	})
}

// normalize's vector registers: 0 to 3 centers, 4 to 7 inverses, 8 to 11 offsets, 12 and 13 scale,
// 14 at hand. A row's stores come in twos, to one cache line.
func (k norm) normalize(dst, x matrix) {
	scaleAt, shiftAt := GP64(), GP64()
	const centers, inverses, offsets, scale = 0, 4, 8, 12
	y := k.V(14)
	k.phase("normalize", []matrix{dst, x}, func() {
		k.broadcast(keptCenter, 0, k.n, centers)
		k.broadcast(keptInverse, 0, k.n, inverses)
		k.broadcast(keptOffset, 0, k.n, offsets)
		MOVQ(x.at, x.cursor)
		MOVQ(dst.at, dst.cursor)
		Load(Param("scale"), scaleAt)
		Load(Param("shift"), shiftAt)
		k.alongTurns("affine", 2, []reg.Register{x.cursor, dst.cursor, scaleAt, shiftAt}, func(turns int) {
			for turn := range turns {
				k.load(k.shared(scaleAt, turn), k.V(scale+turn))
			}
			for i := range k.n {
				for turn := range turns {
					VSUBPS(k.in(k.vector(x, i, turn), y), k.V(centers+i), y)
					VFNMADD213PS(k.V(offsets+i), k.V(inverses+i), y)
					VFMADD213PS(k.in(k.shared(shiftAt, turn), k.V(13)), k.V(scale+turn), y)
					k.store(y, k.vector(dst, i, turn))
				}
			}
		})
	})
}

// deviation keeps each row's inverse and offset, from the sums of center-x and of its square, and
// uses them up. The root is divided by the variance, and not 1 by the root: if squares overflow,
// the row is NaN.
func (k norm) deviation(sum, square reg.Register) {
	factor, zero, inverse := isa.X(12), isa.X(13), isa.X(14)
	VBROADCASTSS(isa.Parameter("share"), factor)
	VMULPS(factor, sum, sum)
	VMULPS(factor, square, square)
	VFNMADD231PS(sum, sum, square)
	k.Zero(13)
	VMAXPS(square, zero, square) // NaN wins: the operand named first does
	VBROADCASTSS(isa.Parameter("epsilon"), factor)
	VADDPS(factor, square, square)
	VSQRTPS(square, inverse)
	VDIVPS(square, inverse, inverse)
	VMULPS(inverse, sum, sum)
	for i := range k.n {
		lane(i, inverse, k.keptOf(i, keptInverse))
		lane(i, sum, k.keptOf(i, keptOffset))
	}
}

// mostRows is the most rows of a block.
const mostRows = 32

// layerNormBackward takes two passes. With e = scale*d, t = center-x and the normalized element
// z = offset - inverse*t, the gradient is
//
//	inverse*(e - mean(e) - z*mean(e*z)) = inverse*e + q*t - r
//
// The first pass sums e and e*t, of which q and r are made. The second takes two rows at a time,
// since AVX2 has no registers for the factors of four.
//
// Vector registers of the first pass: 0 to 3 centers, 4 to 7 sums of e, 8 to 11 of e*t, 12 scale,
// 13 e, 14 t. Of the second: 0 and 1 centers, 2 and 3 inverses, 4 and 5 q, 6 and 7 r, 10 and 11
// scale, 13 e, 14 t.
func layerNormBackward(s isa.Set) {
	k := beginNorm(s, "layerNormBackward", "func(rows, channels, block int, dst, d, x, scale, kept *float32, share float32)",
		"sets dst to the gradient of layerNorm's input, of which d is the output's. The caches hold block rows, at most 32.")
	dst, d, x := k.matrix("dst"), k.matrix("d"), k.matrix("x")
	scaleAt, at, qr := GP64(), GP64(), AllocLocal(8*mostRows) // q and r of the block's rows
	k.eachNorm([]matrix{dst, d, x}, func() {
		LEAQ(qr, at)
		k.weigh(d, x, scaleAt, at)
		LEAQ(qr, at)
		k.gradient(dst, d, x, scaleAt, at)
	})
}

// terms sets e and t for a vector of row i.
func (k norm) terms(d, x matrix, i, turn int, center, scale reg.Register) (e, t reg.Register) {
	e, t = k.V(13), k.V(14)
	VMULPS(k.in(k.vector(d, i, turn), e), scale, e)
	VSUBPS(k.in(k.vector(x, i, turn), t), center, t)
	return e, t
}

func (k norm) weigh(d, x matrix, scaleAt, to reg.Register) {
	const centers, sums, weighted = 0, 4, 8
	scale := k.V(12)
	k.phase("weigh", []matrix{d, x}, func() {
		k.broadcast(keptCenter, 0, k.n, centers)
		k.clear(sums)
		k.clear(weighted)
		MOVQ(d.at, d.cursor)
		MOVQ(x.at, x.cursor)
		Load(Param("scale"), scaleAt)
		k.along("sum", 1, []reg.Register{d.cursor, x.cursor, scaleAt}, func(int) {
			k.load(k.shared(scaleAt, 0), scale)
			for i := range k.n {
				e, t := k.terms(d, x, i, 0, k.V(centers+i), scale)
				VADDPS(e, k.V(sums+i), k.V(sums+i))
				VFMADD231PS(e, t, k.V(weighted+i))
			}
		})
		k.fold(sums, 14)
		k.fold(weighted, 14)
		k.factors(isa.X(sums), isa.X(weighted), to)
		ADDQ(operand.U32(8*k.n), to)
	})
}

func (k norm) gradient(dst, d, x matrix, scaleAt, from reg.Register) {
	const centers, inverses, qs, rs, scale = 0, 2, 4, 6, 10
	k.phase("gradient", []matrix{dst, d, x}, func() {
		for first := 0; first < k.n; first += 2 {
			n := min(2, k.n)
			k.broadcast(keptCenter, first, n, centers)
			k.broadcast(keptInverse, first, n, inverses)
			for i := range n {
				VBROADCASTSS(operand.Mem{Base: from, Disp: 4 * (first + i)}, k.V(qs+i))
				VBROADCASTSS(operand.Mem{Base: from, Disp: 4 * (k.n + first + i)}, k.V(rs+i))
			}
			MOVQ(dst.at, dst.cursor)
			MOVQ(d.at, d.cursor)
			MOVQ(x.at, x.cursor)
			Load(Param("scale"), scaleAt)
			k.alongTurns(fmt.Sprint("gradientOf", first), 2, []reg.Register{dst.cursor, d.cursor, x.cursor, scaleAt}, func(turns int) {
				for turn := range turns {
					k.load(k.shared(scaleAt, turn), k.V(scale+turn))
				}
				for i := range n {
					for turn := range turns {
						e, t := k.terms(d, x, first+i, turn, k.V(centers+i), k.V(scale+turn))
						VFMSUB213PS(k.V(rs+i), k.V(qs+i), t)
						VFMADD231PS(e, k.V(inverses+i), t)
						k.store(t, k.vector(dst, first+i, turn))
					}
				}
			})
		}
		ADDQ(operand.U32(8*k.n), from)
	})
}

// factors stores the rows' q, then their r, made of the sums of e and of e*t, which it uses up.
func (k norm) factors(sum, weighted, to reg.Register) {
	inverse, offset, weight, q, r := isa.X(0), isa.X(1), isa.X(2), isa.X(3), isa.X(12)
	gather := func(which int, v reg.Register) {
		VMOVSS(k.keptOf(0, which), v)
		for i := 1; i < k.n; i++ {
			VINSERTPS(operand.U8(i<<4), k.keptOf(i, which), v, v)
		}
	}
	gather(keptInverse, inverse)
	gather(keptOffset, offset)
	VBROADCASTSS(isa.Parameter("share"), r)
	VMULPS(r, sum, sum)
	VMULPS(r, weighted, weighted)
	VMULPS(offset, sum, weight)
	VFNMADD231PS(inverse, weighted, weight) // mean(e*z)
	VMULPS(inverse, weight, weight)
	VMULPS(inverse, weight, q)
	VMULPS(inverse, sum, r)
	VFMADD231PS(weight, offset, r)
	for i := range k.n {
		lane(i, q, operand.Mem{Base: to, Disp: 4 * i})
		lane(i, r, operand.Mem{Base: to, Disp: 4 * (k.n + i)})
	}
}

// blockRows is how many rows layerNormSums sums in float32, before it adds to the sums in
// float64.
const blockRows = 16

// layerNormSums goes down the rows of a block, some vectors of channels at a time, and from block
// to block.
//
// Vector registers: 0 to 3 sums of d, 4 to 7 of d*z, 8 center, 9 inverse, 10 offset, 11 d, 12 z.
func layerNormSums(s isa.Set) {
	TEXT("layerNormSums"+s.Name, attr.NOSPLIT, "func(rows, channels int, d, x, kept *float32, sumD, sumDZ *float64)")
	Doc("layerNormSums" + s.Name + " adds the sums of d, and of d*z, z being the normalized x, to those of each channel.")
	k := &rows{Set: s}
	block, left, stride, at := GP64(), GP64(), GP64(), GP64()
	columns := GP64() // bytes from a row's begin
	Load(Param("channels"), stride)
	s.BytesOf(stride)
	dp, xp, kp := GP64(), GP64(), GP64()
	const center, inverse, offset, d, z = 8, 9, 10, 11, 12

	// down emits the loop down the rows of a block, and adds up the sums.
	down := func(label string, vectors int) {
		for i := range vectors {
			s.Zero(i)
			s.Zero(4 + i)
		}
		Load(Param("d"), dp)
		Load(Param("x"), xp)
		Load(Param("kept"), kp)
		ADDQ(columns, dp)
		ADDQ(columns, xp)
		MOVQ(block, at)
		Label(label + "Row")
		VBROADCASTSS(operand.Mem{Base: kp, Disp: keptCenter}, s.V(center))
		VBROADCASTSS(operand.Mem{Base: kp, Disp: keptInverse}, s.V(inverse))
		VBROADCASTSS(operand.Mem{Base: kp, Disp: keptOffset}, s.V(offset))
		for i := range vectors {
			k.load(operand.Mem{Base: dp, Disp: s.Bytes * i}, s.V(d))
			VSUBPS(k.in(operand.Mem{Base: xp, Disp: s.Bytes * i}, s.V(z)), s.V(center), s.V(z))
			VFNMADD213PS(s.V(offset), s.V(inverse), s.V(z))
			VADDPS(s.V(d), s.V(i), s.V(i))
			VFMADD231PS(s.V(d), s.V(z), s.V(4+i))
		}
		ADDQ(stride, dp)
		ADDQ(stride, xp)
		ADDQ(operand.U32(keptBytes), kp)
		DECQ(at)
		JNZ(operand.LabelRef(label + "Row"))
		for nr, name := range []string{"sumD", "sumDZ"} {
			Load(Param(name), dp)
			for i := range vectors {
				k.addWidened(4*nr+i, operand.Mem{Base: dp, Index: columns, Scale: 2, Disp: 2 * s.Bytes * i}, d)
			}
		}
	}

	Label("block")
	MOVQ(operand.U32(blockRows), block)
	atMost(block, "rows")
	XORQ(columns, columns)
	Load(Param("channels"), left)
	for _, vectors := range []int{4, 1} {
		label := map[int]string{4: "four", 1: "single"}[vectors]
		Label(label)
		CMPQ(left, operand.U32(vectors*s.Lanes()))
		JL(operand.LabelRef(map[int]string{4: "single", 1: "tail"}[vectors]))
		down(label, vectors)
		ADDQ(operand.U32(vectors*s.Bytes), columns)
		SUBQ(operand.U32(vectors*s.Lanes()), left)
		JMP(operand.LabelRef(label))
	}
	Label("tail")
	TESTQ(left, left)
	JZ(operand.LabelRef("next"))
	k.mask = s.TailMask(left)
	k.masked = true
	down("tail", 1)
	Label("next")
	MOVQ(block, at)
	IMULQ(stride, at)
	ADDQ(at, isa.Parameter("d"))
	ADDQ(at, isa.Parameter("x"))
	LEAQ(operand.Mem{Base: block, Index: block, Scale: 2}, at)
	SHLQ(operand.U8(2), at)
	ADDQ(at, isa.Parameter("kept"))
	SUBQ(block, isa.Parameter("rows"))
	JNZ(operand.LabelRef("block"))
	isa.End()
}

// addWidened adds the lanes of register r to the float64 at m. It uses the registers spare and
// the one behind it.
func (k *rows) addWidened(r int, m operand.Mem, spare int) {
	if k.Counts {
		k.addWidenedCounted(r, m, spare)
		return
	}
	sum, wide := k.V(spare), k.V(spare+1)
	for half := range 2 {
		at := m.Offset(k.Bytes * half)
		lower := k.Half(r)
		if half == 1 {
			lower = k.Half(spare)
			if k.Wide() {
				VEXTRACTF64X4(operand.U8(1), k.V(r), lower)
			} else {
				VEXTRACTF128(operand.U8(1), k.V(r), lower)
			}
		}
		VCVTPS2PD(lower, sum)
		switch {
		case !k.masked:
			VADDPD(at, sum, sum)
			VMOVUPD(sum, at)
		case k.Opmasks:
			mask := k.mask
			if half == 1 {
				mask = reg.K2
				KSHIFTRW(operand.U8(8), k.mask, mask)
			}
			VMOVUPD_Z(at, mask, wide)
			VADDPD(wide, sum, sum)
			VMOVUPD(sum, mask, at)
		default:
			mask := k.V(spare + 2)
			if half == 0 {
				VPMOVSXDQ(isa.X(15), mask)
			} else {
				VEXTRACTI128(operand.U8(1), k.mask, isa.X(spare+2))
				VPMOVSXDQ(isa.X(spare+2), mask)
			}
			VMASKMOVPD(at, mask, wide)
			VADDPD(wide, sum, sum)
			VMASKMOVPD(sum, mask, at)
		}
	}
}

// addWidenedCounted is addWidened for NEON, whose tail has up to two float64 in the lower half of
// the vector, and one in the upper.
func (k *rows) addWidenedCounted(r int, m operand.Mem, spare int) {
	doubles, sum, old := k.Set, k.V(spare), k.V(spare+1)
	doubles.Float = 64
	whole := func(at operand.Mem) {
		VADDPD(at, sum, sum)
		VMOVUPD(sum, at)
	}
	one := func(at operand.Mem) {
		doubles.LoadMasked(at, k.mask, old)
		VADDPD(old, sum, sum)
		doubles.StoreMasked(sum, k.mask, at)
	}
	upper := m.Offset(k.Bytes)
	VCVTPS2PD(k.Half(r), sum)
	if !k.masked {
		whole(m)
		VPERMILPD(operand.U8(1), k.V(r), k.V(r))
		VCVTPS2PD(k.Half(r), sum)
		whole(upper)
		return
	}
	label := func(name string) string { return fmt.Sprintf("%s%d", name, r) }
	tail := k.mask.(reg.Register)
	CMPQ(tail, operand.U32(2))
	JL(operand.LabelRef(label("lowerOne")))
	whole(m)
	CMPQ(tail, operand.U32(2))
	JEQ(operand.LabelRef(label("added")))
	VPERMILPD(operand.U8(1), k.V(r), k.V(r))
	VCVTPS2PD(k.Half(r), sum)
	one(upper)
	JMP(operand.LabelRef(label("added")))
	Label(label("lowerOne"))
	one(m)
	Label(label("added"))
}
