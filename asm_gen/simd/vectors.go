package main

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// vectors is a row of matrices, for kernels that go along it by vectors: whole ones, and then the
// last elements, fewer than a vector, under the mask.
type vectors struct {
	*channels
	whole, tail reg.Register // bytes of the row's whole vectors, elements of its last one
}

func vectorsOf(k *channels) vectors { return vectors{channels: k, whole: GP64(), tail: GP64()} }

// setLength sets whole, tail and the mask for rows of n elements.
func (k *vectors) setLength(n reg.Register) {
	MOVQ(n, k.tail)
	ANDQ(operand.U32(k.Lanes()-1), k.tail)
	MOVQ(n, k.whole)
	SUBQ(k.tail, k.whole)
	k.BytesOf(k.whole)
	k.setMask(k.tail)
}

// along emits a loop over the row's whole vectors, most of them at a time, then one at a time, and
// last for its last elements, if there are any; nil is body once more. body is emitted for so many
// vectors at once.
func (k *vectors) along(name string, most int, body func(turns int), last func()) {
	mask := k.mask
	k.mask = nil
	XORQ(k.at, k.at)
	if most > 1 {
		end := GP64()
		MOVQ(k.whole, end)
		SUBQ(operand.U32(most*k.Bytes), end)
		JL(operand.LabelRef(name + "Next"))
		Label(name + "Turns")
		body(most)
		ADDQ(operand.U32(most*k.Bytes), k.at)
		CMPQ(k.at, end)
		JLE(operand.LabelRef(name + "Turns"))
	}
	JMP(operand.LabelRef(name + "Next"))
	Label(name)
	body(1)
	ADDQ(operand.U32(k.Bytes), k.at)
	Label(name + "Next")
	CMPQ(k.at, k.whole)
	JL(operand.LabelRef(name))
	k.mask = mask
	TESTQ(k.tail, k.tail)
	JZ(operand.LabelRef(name + "Done"))
	if last != nil {
		last()
	} else {
		body(1)
	}
	Label(name + "Done")
}

// each calls do for each of the vectors that along's body is emitted for; mem is at it meanwhile.
func (k *vectors) each(turns int, do func(turn int)) {
	for turn := range turns {
		k.disp = k.Bytes * turn
		do(turn)
	}
	k.disp = 0
}
