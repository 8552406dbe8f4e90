package main

import (
	"math"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// powerSeries is 2^f for |f| <= 1/2, to 2^-23.3 of it: a minimax polynomial that is 1 at 0, whose
// coefficients were rounded as those of math.go.
var powerSeries = []float32{1, 0x1.62e42ap-1, 0x1.ebf9c2p-3, 0x1.c6b6dcp-5, 0x1.3ce8bep-7, 0x1.5bd892p-10}

const (
	// biasedRounder rounds as rounder does, with the exponent's bias once: with the nearest integer
	// n, the last bits of what it is added to are those of n+127, which is the exponent's field of
	// 2^n.
	biasedRounder = 0x1.8p23 + 127
	// powerLeast is where 2^x becomes 0. It does so from -126.5 on, without underflowing gradually
	// as exp does: less than 2^-126 of a row's probability is none.
	powerLeast = -127
)

// scores is the plan of a kernel on rows of scores, which may grow in length from one to the next.
//
// channels.setMask says what is the mask of a row's last elements.
type scores struct {
	vectors
	constants numbers
	left      reg.Register // rows left
	columns   reg.Register // elements of the row
	row       reg.Register // bytes from row to row
}

// beginScores opens a kernel.
func beginScores(s isa.Set, name, doc, operands string, pointers ...string) *scores {
	k := &scores{
		vectors: vectorsOf(beginMatrices(s, name, doc, "rows, columns, growth, width, stride int, "+operands, pointers...)),
		left:    GP64(), columns: GP64(), row: GP64(),
	}
	Load(Param("stride"), k.row)
	k.BytesOf(k.row)
	return k
}

// eachRow emits body in a loop over the rows. matrices are pointers that go from row to row,
// vectors those that go from element to element.
func (k *scores) eachRow(label string, matrices, vectors []string, body func()) {
	k.label = label
	for _, name := range append(matrices, vectors...) {
		Load(Param(name), k.p[name])
	}
	Load(Param("rows"), k.left)
	Load(Param("columns"), k.columns)
	Label(label + "Row")
	k.setLength(k.columns)
	body()
	for _, name := range matrices {
		ADDQ(k.row, k.p[name])
	}
	for _, name := range vectors {
		ADDQ(operand.U32(4), k.p[name])
	}
	ADDQ(isa.Parameter("growth"), k.columns)
	DECQ(k.left)
	JNZ(operand.LabelRef(label + "Row"))
}

// along is vectors' along, with labels of the loop over the rows.
func (k *scores) along(name string, most int, body func(turns int)) {
	k.vectors.along(k.label+name, most, body, nil)
}

// clearBehind clears the elements from the row's end to the width of all rows.
func (k *scores) clearBehind(name string) {
	left := GP64()
	Load(Param("width"), left)
	SUBQ(k.columns, left)
	JLE(operand.LabelRef(k.label + "Cleared"))
	MOVQ(k.columns, k.at)
	k.BytesOf(k.at)
	k.Zero(0)
	JMP(operand.LabelRef(k.label + "Clearnext"))
	Label(k.label + "Clear")
	VMOVUPS(k.V(0), k.mem(name))
	ADDQ(operand.U32(k.Bytes), k.at)
	SUBQ(operand.U32(k.Lanes()), left)
	Label(k.label + "Clearnext")
	CMPQ(left, operand.U32(k.Lanes()))
	JGE(operand.LabelRef(k.label + "Clear"))
	TESTQ(left, left)
	JZ(operand.LabelRef(k.label + "Cleared"))
	k.setMask(left)
	k.store(k.V(0), name)
	Label(k.label + "Cleared")
}

func scoresKernels(s isa.Set) {
	softmaxScores(s)
	softmaxScoresAgain(s)
	softmaxScoresBackward(s)
	rowDots(s)
}

// exponentials are the registers of a kernel that computes some: 0 to 2 at hand, 3 largest, 4
// total, 5 factor, 6 the limit of differences.
type exponentials struct {
	*scores
	x, n, y                       reg.Register
	largest, total, factor, limit int
}

func (k *scores) exponentials() exponentials {
	e := exponentials{k, k.V(0), k.V(1), k.V(2), 3, 4, 5, 6}
	k.constants = hold(k.Set, 7, append([]float32{1, biasedRounder}, powerSeries...)...)
	k.Broadcast("factor", k.V(e.factor))
	VMOVUPS(inMemory(k.Set, math.Float32bits(powerLeast)), k.V(e.limit))
	VDIVPS(k.V(e.factor), k.V(e.limit), k.V(e.limit))
	return e
}

// power sets y to 2^(factor*(largest-x)), and uses up x: a row's exponential. factor is negative,
// and has the logarithm of 2. It takes 12 instructions, and the CPU computes some four vectors of
// them at a time, as it meets them.
func (k exponentials) power() {
	c, x, n, y, factor := k.constants, k.x, k.n, k.y, k.V(k.factor)
	VSUBPS(x, k.V(k.largest), x)
	VMINPS(x, k.V(k.limit), x) // NaN wins: the operand named first does
	VMOVUPS(c.of(biasedRounder), n)
	VFMADD231PS(x, factor, n)
	VSUBPS(c.of(biasedRounder), n, y)
	VFMSUB213PS(y, factor, x)
	VPSLLD(operand.U8(23), n, n)
	c.horner(powerSeries, x, y)
	VMULPS(n, y, y)
}

// softmaxScores takes three passes over a row, as softmaxRows does, but divides when all rows have
// been summed: so no row waits for its sum. It looks for no NaN: one makes the sum NaN, and so the
// row. The largest of the others doesn't matter then.
func softmaxScores(s isa.Set) {
	b := beginScores(s, "softmaxScores", "sets each row of x to its softmax, the exponent's factor being -factor*ln(2), and largest and total to what exponents are reduced by and what exponentials are divided by.",
		"x, largest, total *float32, factor float32", "x", "largest", "total")
	k := b.exponentials()
	largest, total := s.V(k.largest), s.V(k.total)
	k.eachRow("exponentials", []string{"x"}, []string{"largest", "total"}, func() {
		lowest := inMemory(s, math.Float32bits(minusInf))
		most := []reg.Register{largest, k.y, total}
		for _, r := range most {
			VMOVUPS(lowest, r)
		}
		k.along("Largest", len(most), func(turns int) {
			k.each(turns, func(turn int) {
				if k.mask == nil {
					VMAXPS(k.mem("x"), most[turn], most[turn])
					return
				}
				k.loadLast("x", k.x, k.n, lowest)
				VMAXPS(k.x, largest, largest)
			})
		})
		for _, r := range most[1:] {
			VMAXPS(r, largest, largest)
		}
		k.foldAll(VMAXPS, k.largest)
		k.Zero(k.total)
		k.along("Sum", 1, func(int) {
			if k.mask == nil {
				k.load("x", k.x)
			} else {
				k.loadLast("x", k.x, k.n, lowest)
			}
			k.power()
			VADDPS(k.y, total, total)
			k.store(k.y, "x")
		})
		k.Fold(VADDPS, k.total, 0)
		isa.FoldSingles(VADDPS, k.total, 0)
		VMOVSS(isa.X(k.largest), operand.Mem{Base: k.p["largest"]})
		VMOVSS(isa.X(k.total), operand.Mem{Base: k.p["total"]})
	})
	k.eachRow("quotients", []string{"x"}, []string{"total"}, func() {
		VBROADCASTSS(operand.Mem{Base: k.p["total"]}, total)
		VDIVPS(total, k.constants.in(1), total)
		k.along("", 2, func(turns int) {
			k.each(turns, func(turn int) {
				k.load("x", s.V(turn))
				VMULPS(s.V(turn), total, s.V(turn))
				k.store(s.V(turn), "x")
			})
		})
		k.clearBehind("x")
	})
	isa.End()
}

// loadLast reads a row's last elements, with those of other behind them.
func (k *scores) loadLast(name string, r, spare reg.Register, other operand.Mem) {
	switch {
	case k.Counts:
		VMOVUPS(other, r)
		k.FillCounted(k.mem(name), k.mask, r)
	case k.Opmasks:
		VMOVUPS(other, r)
		VMOVUPS(k.mem(name), k.mask, r)
	default:
		k.load(name, r)
		VPANDN(other, k.mask, spare)
		VORPS(spare, r, r)
	}
}

// foldAll folds the lanes of register r, and sets all of them to the result.
func (k *scores) foldAll(op func(...operand.Op), r int) {
	k.Fold(op, r, 0)
	isa.FoldSingles(op, r, 0)
	VBROADCASTSS(isa.X(r), k.V(r))
}

func softmaxScoresAgain(s isa.Set) {
	b := beginScores(s, "softmaxScoresAgain", "sets each row of x to what softmaxScores made of the same x, from largest and total.",
		"x, largest, total *float32, factor float32", "x", "largest", "total")
	k := b.exponentials()
	share := s.V(k.total)
	k.eachRow("quotients", []string{"x"}, []string{"largest", "total"}, func() {
		VBROADCASTSS(operand.Mem{Base: k.p["largest"]}, s.V(k.largest))
		VBROADCASTSS(operand.Mem{Base: k.p["total"]}, share)
		VDIVPS(share, k.constants.in(1), share)
		k.along("", 1, func(int) {
			k.load("x", k.x)
			k.power()
			VMULPS(k.y, share, k.y)
			k.store(k.y, "x")
		})
		k.clearBehind("x")
	})
	isa.End()
}

func softmaxScoresBackward(s isa.Set) {
	k := beginScores(s, "softmaxScoresBackward", "sets d to scale*p*(d-delta).",
		"d, p, delta *float32, scale float32", "d", "p", "delta")
	scale, delta := s.V(8), s.V(9)
	s.Broadcast("scale", scale)
	k.eachRow("products", []string{"d", "p"}, []string{"delta"}, func() {
		VBROADCASTSS(operand.Mem{Base: k.p["delta"]}, delta)
		k.along("", 2, func(turns int) {
			k.each(turns, func(turn int) {
				d, p := s.V(turn), s.V(2+turn)
				k.load("d", d)
				k.load("p", p)
				VSUBPS(delta, d, d)
				VMULPS(p, scale, p)
				VMULPS(p, d, d)
				k.store(d, "d")
			})
		})
		k.clearBehind("d")
	})
	isa.End()
}

// rowDots' vector registers: 0 to 3 sums, 4 to 7 of every second vector, 12 at hand.
func rowDots(s isa.Set) {
	k := beginRows(s, "rowDots", "func(rows, columns, strideA, strideB int, dst, a, b *float32)", "sets dst to the sums of a*b, row by row.", "columns")
	k.countVectors()
	matrix := func(name, stride string) matrix {
		m := matrix{name, GP64(), GP64(), GP64(), GP64()}
		Load(Param(name), m.at)
		Load(Param(stride), m.stride)
		s.BytesOf(m.stride)
		LEAQ(operand.Mem{Base: m.stride, Index: m.stride, Scale: 2}, m.stride3)
		return m
	}
	a, b, dst := matrix("a", "strideA"), matrix("b", "strideB"), GP64()
	Load(Param("dst"), dst)
	k.left = isa.Parameter("rows")
	k.groups("", func() {
		for i := range k.n {
			k.Zero(i)
			k.Zero(4 + i)
		}
		MOVQ(a.at, a.cursor)
		MOVQ(b.at, b.cursor)
		k.along("sum", 2, []reg.Register{a.cursor, b.cursor}, func(turn int) {
			for i := range k.n {
				x := s.V(12)
				k.load(k.vector(a, i, turn), x)
				VFMADD231PS(k.in(k.vector(b, i, turn), s.V(13)), x, s.V(4*turn+i))
			}
		})
		for i := range k.n {
			VADDPS(s.V(4+i), s.V(i), s.V(i))
		}
		k.fold(0, 14)
		if k.n == 4 {
			VMOVUPS(isa.X(0), operand.Mem{Base: dst})
		} else {
			VMOVSS(isa.X(0), operand.Mem{Base: dst})
		}
	}, func(n int) {
		a.advance(n)
		b.advance(n)
		ADDQ(operand.U32(4*n), dst)
	})
	isa.End()
}
