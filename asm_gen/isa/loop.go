package isa

import (
	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Vec is one vector's worth of elements inside a loop: the bodies that loops
// take are written once against it, and emitted for whole vectors and for the
// tail, whose missing elements are neither read nor written.
type Vec struct {
	Set
	Index int          // which of the unrolled vectors this is
	lanes int          // elements of a vector
	mask  reg.Register // of a tail; nil for whole vectors
}

// half reports whether the vectors are half ones.
func (v Vec) half() bool { return v.lanes < v.Lanes() }

// move moves a whole vector from or to memory.
func (v Vec) move(from, to operand.Op) {
	if v.half() {
		v.MoveHalf(from, to)
	} else {
		v.VMOVU(from, to)
	}
}

// At is vector v of the slice at p.
func (v Vec) At(p reg.Register) operand.Mem { return v.Of(Ptr(p, 0)) }

// Of is vector v of what begins at m.
func (v Vec) Of(m operand.Mem) operand.Mem {
	m.Disp += v.Size() * v.lanes * v.Index
	return m
}

// Load reads v of the slice at p into r; elements that a tail lacks are 0.
func (v Vec) Load(p, r reg.Register) { v.LoadAt(v.At(p), r) }

// LoadAt reads v's memory m into r.
func (v Vec) LoadAt(m operand.Mem, r reg.Register) {
	if v.mask == nil {
		v.move(m, r)
	} else {
		v.LoadMasked(m, v.maskOf(r), r)
	}
}

// Fill reads v of the slice at p into r; elements that a tail lacks are those
// of other.
func (v Vec) Fill(p, other, r reg.Register) {
	if v.mask == nil {
		VMOVUPS(v.At(p), r)
	} else {
		v.FillMasked(v.At(p), v.maskOf(r), other, r)
	}
}

// Store writes r to v of the slice at p.
func (v Vec) Store(r, p reg.Register) { v.StoreAt(r, v.At(p)) }

// StoreAt writes r to v's memory m.
func (v Vec) StoreAt(r reg.Register, m operand.Mem) {
	if v.mask == nil {
		v.move(r, m)
	} else {
		v.StoreMasked(r, v.maskOf(r), m)
	}
}

// FMA adds v's memory m times x to sum, and leaves sum's lanes that a tail lacks
// as they are. It may use the register spare.
func (v Vec) FMA(m operand.Mem, x, sum, spare reg.Register) {
	switch {
	case v.mask == nil:
		v.VFMADD231(m, x, sum)
	case v.Opmasks:
		v.VFMADD231(m, x, v.mask, sum)
	default:
		v.LoadMasked(m, v.maskOf(spare), spare)
		v.VFMADD231(spare, x, sum)
	}
}

// maskOf is the tail's mask, AVX2's at the width of r.
func (v Vec) maskOf(r reg.Register) reg.Register {
	if v.masksLanes() && r.Size() == 16 {
		return X(MaskRegister)
	}
	return v.mask
}

// Loop emits body over n elements of the slices at ptrs: unroll vectors of lanes elements at a
// time, if that is more than one, then one at a time, then the tail under a mask, TailMask's. It uses up n
// and ptrs. A function with several loops gives each a Label.
func (s Set) Loop(n reg.Register, ptrs []reg.Register, unroll, lanes int, body func(Vec)) {
	v := Vec{Set: s, lanes: lanes}
	advance := func(vectors int) {
		for _, p := range ptrs {
			ADDQ(operand.U32(s.Size()*lanes*vectors), p)
		}
	}

	if unroll > 1 {
		CMPQ(n, operand.U32(lanes*unroll))
		JL(operand.LabelRef(s.Label + "single"))
		Label(s.Label + "unrolled")
		for v.Index = 0; v.Index < unroll; v.Index++ {
			body(v)
		}
		advance(unroll)
		SUBQ(operand.U32(lanes*unroll), n)
		CMPQ(n, operand.U32(lanes*unroll))
		JGE(operand.LabelRef(s.Label + "unrolled"))
		v.Index = 0
	}

	Label(s.Label + "single")
	CMPQ(n, operand.U32(lanes))
	JL(operand.LabelRef(s.Label + "tail"))
	body(v)
	advance(1)
	SUBQ(operand.U32(lanes), n)
	JMP(operand.LabelRef(s.Label + "single"))

	Label(s.Label + "tail")
	TESTQ(n, n)
	JZ(operand.LabelRef(s.Label + "done"))
	v.mask = s.TailMask(n)
	body(v)
	Label(s.Label + "done")
}

// SetOpmasks sets masks, of 16 lanes each, to the lowest n lanes of them all.
func (s Set) SetOpmasks(n reg.Register, masks ...reg.Register) {
	bits := GP64()
	MOVQ(operand.I32(-1), bits)
	BZHIQ(n, bits, bits)
	for i, k := range masks {
		if i > 0 {
			SHRQ(operand.U8(16), bits)
		}
		KMOVW(bits.As32(), k)
	}
}

// Masks sets vectors, of 32 bytes each, to all ones in the lowest n lanes of
// them all, and to zeros above; n is at most two vectors' worth.
func (s Set) Masks(n reg.Register, vectors ...reg.Register) {
	at, off := GP64(), GP64()
	LEAQ(maskTable(), at)
	MOVQ(operand.U32(64/s.Size()), off)
	SUBQ(n, off)
	for i, v := range vectors {
		VMOVUPS(operand.Mem{Base: at, Index: off, Scale: uint8(s.Size()), Disp: 32 * i}, v)
	}
}

// LowestLanes is the mask, in memory, of the lowest n lanes of a vector of 32 bytes.
func LowestLanes(n int) operand.Mem { return maskTable().Offset(4 * (16 - n)) }

var mask *operand.Mem

// maskTable is 16 words of ones, then 16 of zeros.
func maskTable() operand.Mem {
	if mask == nil {
		table := GLOBL("mask", attr.RODATA|attr.NOPTR)
		for i := range 32 {
			word := operand.U32(0)
			if i < 16 {
				word = 0xffffffff
			}
			DATA(4*i, word)
		}
		mask = &table
	}
	return *mask
}

// Broadcast sets every lane of r to a parameter of the function.
func (s Set) Broadcast(param string, r reg.Register) { s.VBROADCAST(Parameter(param), r) }

// Parameter is a parameter of the function, in memory.
func Parameter(name string) operand.Mem {
	p, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return p.Addr
}

// Zero clears vector register i.
func (s Set) Zero(i int) {
	if i < 16 || s.Narrow() {
		VXORPS(X(i), X(i), X(i)) // clears all of Z(i)
	} else {
		VPXORD(Z(i), Z(i), Z(i))
	}
}

// End ends a function that has used wide registers.
func End() {
	VZEROUPPER()
	RET()
}
