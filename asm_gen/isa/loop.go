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
	Index int // which of the unrolled vectors this is
	lanes int // elements of a vector
	tail  bool
	left  reg.Register // elements of the tail
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
	switch {
	case !v.tail:
		v.move(m, r)
	case v.Counts:
		v.LoadMasked(m, v.left, r)
	case v.Wide():
		v.LoadMasked(m, reg.K1, r)
	default:
		v.LoadMasked(m, v.maskOf(r), r)
	}
}

// Fill reads v of the slice at p into r; elements that a tail lacks are those
// of other.
func (v Vec) Fill(p, other, r reg.Register) {
	switch {
	case !v.tail:
		VMOVUPS(v.At(p), r)
	case v.Counts:
		VMOVAPS(other, r)
		v.FillCounted(v.At(p), v.left, r)
	case v.Wide():
		VMOVAPS(other, r)
		VMOVUPS(v.At(p), reg.K1, r)
	default:
		VMASKMOVPS(v.At(p), v.maskOf(r), r)
		VBLENDVPS(v.maskOf(r), r, other, r)
	}
}

// Store writes r to v of the slice at p.
func (v Vec) Store(r, p reg.Register) { v.StoreAt(r, v.At(p)) }

// StoreAt writes r to v's memory m.
func (v Vec) StoreAt(r reg.Register, m operand.Mem) {
	switch {
	case !v.tail:
		v.move(r, m)
	case v.Counts:
		v.StoreMasked(r, v.left, m)
	case v.Wide():
		v.StoreMasked(r, reg.K1, m)
	default:
		v.StoreMasked(r, v.maskOf(r), m)
	}
}

// FMA adds v's memory m times x to sum, and leaves sum's lanes that a tail lacks
// as they are. It may use the register spare.
func (v Vec) FMA(m operand.Mem, x, sum, spare reg.Register) {
	switch {
	case !v.tail:
		v.VFMADD231(m, x, sum)
	case v.Wide():
		v.VFMADD231(m, x, reg.K1, sum)
	case v.Counts:
		v.LoadMasked(m, v.left, spare)
		v.VFMADD231(spare, x, sum)
	default:
		v.LoadMasked(m, v.maskOf(spare), spare)
		v.VFMADD231(spare, x, sum)
	}
}

// maskOf is the tail's mask at the width of r.
func (v Vec) maskOf(r reg.Register) reg.Register {
	if r.Size() == 16 {
		return X(maskRegister)
	}
	return Y(maskRegister)
}

// maskRegister holds an AVX2 tail's mask.
const maskRegister = 15

// Loop emits body over n elements of the slices at ptrs: unroll vectors of lanes elements at a
// time, if that is more than one, then one at a time, then the tail under a mask. It uses up n and
// ptrs. On AVX2 the tail's mask lives in vector register 15, on AVX-512 in K1; NEON's tail counts
// its elements in n. A function with several loops gives each a Label.
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
	v.tail, v.left = true, n
	switch {
	case s.Counts:
	case s.Wide():
		s.SetOpmasks(n, reg.K1)
	default:
		s.Masks(n, Y(maskRegister))
	}
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
	if i < 16 || s.Counts {
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
