package main

import (
	"math"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// softmax is softmaxRows' plan. The last elements of a row, fewer than a vector, stay
// in a register from when they are read until they are written, so that a short row
// is read and written once. -Inf stands for those that a vector lacks: it adds 0.
//
// Vector registers: 0 x, 1 n, 2 e, 3 the last elements, 4 the largest ones, 5 the
// sums, 6 where NaN has been met, without opmasks.
type softmax struct {
	vectors
	constants                          numbers
	x, n, e, last, largest, total, nan int
}

var inf, minusInf, nan = float32(math.Inf(1)), float32(math.Inf(-1)), float32(math.NaN())

func softmaxRows(s isa.Set) {
	k := softmax{
		vectors: vectorsOf(beginChannels(s, "softmaxRows", "sets dst to the softmax of each row of x, and largest and total, unless they are nil, to what exponents are reduced by and what exponentials are divided by.",
			"dst, x, largest, total *float32", "dst", "x", "largest", "total")),
		x: 0, n: 1, e: 2, last: 3, largest: 4, total: 5, nan: 6,
	}
	k.constants = hold(s, 7, append(append([]float32{minusInf}, expNumbers...), nan)...)
	row := k.measure()
	Label("row")
	k.findLargest()
	k.sumExponentials()
	k.divide()
	for _, name := range []string{"dst", "x"} {
		ADDQ(row, k.p[name])
	}
	DECQ(isa.Parameter("rows"))
	JNZ(operand.LabelRef("row"))
	isa.End()
}

// measure sets whole, tail and the mask, and returns the bytes of a row.
func (k *softmax) measure() (row reg.Register) {
	row = GP64()
	Load(Param("channels"), row)
	k.setLength(row)
	k.BytesOf(row)
	return row
}

// along is vectors' along, a vector at a time.
func (k *softmax) along(name string, vector, last func()) {
	k.vectors.along(name, 1, func(int) { vector() }, last)
}

// findLargest leaves the largest element in every lane of its register, NaN if any
// is NaN, which VMAXPS alone would forget.
func (k *softmax) findLargest() {
	last, largest, anyNaN := k.V(k.last), k.V(k.largest), reg.K3
	VMOVAPS(k.constants.in(minusInf), largest)
	if k.Opmasks {
		KXORW(anyNaN, anyNaN, anyNaN)
	} else {
		k.Zero(k.nan)
	}
	compare := func(x reg.Register) {
		const unordered = operand.U8(3)
		VMAXPS(x, largest, largest)
		if k.Opmasks {
			VCMPPS(unordered, x, x, reg.K2)
			KORW(reg.K2, anyNaN, anyNaN)
		} else {
			VCMPPS(unordered, x, x, k.V(k.e))
			VORPS(k.V(k.e), k.V(k.nan), k.V(k.nan))
		}
	}
	k.along("largest", func() {
		k.load("x", k.V(k.x))
		compare(k.V(k.x))
	}, func() {
		k.FillMasked(k.mem("x"), k.mask, k.constants.in(minusInf), last)
		compare(last)
	})
	k.foldAll(VMAXPS, k.largest)
	if k.Opmasks {
		KORTESTW(anyNaN, anyNaN)
	} else {
		VPTEST(k.V(k.nan), k.V(k.nan))
	}
	JZ(operand.LabelRef("noNaN"))
	VMOVUPS(k.constants.of(nan), largest)
	Label("noNaN")
}

// foldAll folds the lanes of register r, and sets all of them to the result.
func (k *softmax) foldAll(op func(...operand.Op), r int) {
	k.Fold(op, r, k.x)
	isa.FoldSingles(op, r, k.x)
	VBROADCASTSS(isa.X(r), k.V(r))
}

// sumExponentials sets dst to the exponentials, but for the last ones, which stay in
// their register, and leaves the sum in every lane of its register.
func (k *softmax) sumExponentials() {
	k.Zero(k.total)
	exp := func(x, e reg.Register) {
		VSUBPS(k.V(k.largest), x, x)
		VMAXPS(x, k.constants.in(expLeast), x) // NaN wins: the operand named first does
		k.constants.exp(x, k.V(k.n), e)
		VADDPS(e, k.V(k.total), k.V(k.total))
	}
	k.along("exponentials", func() {
		k.load("x", k.V(k.x))
		exp(k.V(k.x), k.V(k.e))
		k.store(k.V(k.e), "dst")
	}, func() {
		VMOVAPS(k.V(k.last), k.V(k.x))
		exp(k.V(k.x), k.V(k.last))
	})
	k.foldAll(VADDPS, k.total)
	k.export("largest", k.largest)
	k.export("total", k.total)
}

// export writes register r to the row's element of a vector that may be nil.
func (k *softmax) export(name string, r int) {
	TESTQ(k.p[name], k.p[name])
	JZ(operand.LabelRef(name + "Nil"))
	VMOVSS(isa.X(r), operand.Mem{Base: k.p[name]})
	ADDQ(operand.U32(4), k.p[name])
	Label(name + "Nil")
}

// divide multiplies by the sum's reciprocal, which is between 1 and that of the
// row's length.
func (k *softmax) divide() {
	VDIVPS(k.V(k.total), k.constants.in(1), k.V(k.total))
	k.along("quotients", func() {
		VMULPS(k.mem("dst"), k.V(k.total), k.V(k.e))
		k.store(k.V(k.e), "dst")
	}, func() {
		VMULPS(k.V(k.last), k.V(k.total), k.V(k.last))
		k.store(k.V(k.last), "dst")
	})
}
