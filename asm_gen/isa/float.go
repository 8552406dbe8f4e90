package isa

import (
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// These are the instructions that have one form for float32 and one for
// float64, named without the P and the S or D of Intel's names.

func (s Set) VFMADD231(ops ...operand.Op) { s.choose(VFMADD231PS, VFMADD231PD)(ops...) }
func (s Set) VFMSUB213(ops ...operand.Op) { s.choose(VFMSUB213PS, VFMSUB213PD)(ops...) }
func (s Set) VMUL(ops ...operand.Op)      { s.choose(VMULPS, VMULPD)(ops...) }
func (s Set) VADD(ops ...operand.Op)      { s.choose(VADDPS, VADDPD)(ops...) }
func (s Set) VMAX(ops ...operand.Op)      { s.choose(VMAXPS, VMAXPD)(ops...) }
func (s Set) VAND(ops ...operand.Op)      { s.choose(VANDPS, VANDPD)(ops...) }
func (s Set) VCMP(ops ...operand.Op)      { s.choose(VCMPPS, VCMPPD)(ops...) }
func (s Set) VMOVU(ops ...operand.Op)     { s.choose(VMOVUPS, VMOVUPD)(ops...) }

// VFMADD231_BCST adds x times an element in memory to each lane of sum: AVX-512's
// FMA that broadcasts its operand.
func (s Set) VFMADD231_BCST(element operand.Mem, x, sum reg.Register) {
	s.choose(VFMADD231PS_BCST, VFMADD231PD_BCST)(element, x, sum)
}

// Of one element:

func (s Set) VFMADD231S(ops ...operand.Op) { s.choose(VFMADD231SS, VFMADD231SD)(ops...) }
func (s Set) VMULS(ops ...operand.Op)      { s.choose(VMULSS, VMULSD)(ops...) }
func (s Set) VMOVS(ops ...operand.Op)      { s.choose(VMOVSS, VMOVSD)(ops...) }

// VBROADCAST sets every lane of r to an element, in memory or a register.
func (s Set) VBROADCAST(element operand.Op, r reg.Register) {
	if s.Float == 64 && s.Narrow() {
		VMOVDDUP(element, r) // which fills 128 bits, where VBROADCASTSD has 256 at least
	} else {
		s.choose(VBROADCASTSS, VBROADCASTSD)(element, r)
	}
}

// VHADD sets sum to the sums of neighboring lanes: of each 128 bits of y, then of x.
func (s Set) VHADD(x, y operand.Op, sum reg.Register) {
	if s.Float == 64 {
		VHADDPD(x, y, sum)
	} else {
		VHADDPS(x, y, sum)
	}
}

// VUCOMIS sets the flags as a comparison of x with m does.
func (s Set) VUCOMIS(m operand.Mem, x reg.Register) {
	if s.Float == 64 {
		VUCOMISD(m, x)
	} else {
		VUCOMISS(m, x)
	}
}

// VMOVMSK collects the signs of the lanes.
func (s Set) VMOVMSK(x, bits reg.Register) {
	if s.Float == 64 {
		VMOVMSKPD(x, bits)
	} else {
		VMOVMSKPS(x, bits)
	}
}

func (s Set) choose(float32s, float64s func(...operand.Op)) func(...operand.Op) {
	if s.Float == 64 {
		return float64s
	}
	return float32s
}

// TestOne sets the flags as a comparison of a parameter with 1 does.
func (s Set) TestOne(param operand.Mem) {
	if s.Float == 64 {
		one := GP64()
		MOVQ(operand.U64(0x3ff0000000000000), one)
		CMPQ(param, one)
	} else {
		CMPL(param, operand.U32(0x3f800000))
	}
}

// TestZero sets the flags as a comparison of a parameter with 0 does, which
// equals -0.
func (s Set) TestZero(param operand.Mem) {
	if s.Float == 64 {
		bits := GP64()
		MOVQ(param, bits)
		SHLQ(operand.U8(1), bits)
	} else {
		bits := GP32()
		MOVL(param, bits)
		SHLL(operand.U8(1), bits)
	}
}

// BytesOf turns a count of elements into bytes.
func (s Set) BytesOf(count reg.Register) {
	SHLQ(operand.U8(map[int]int{32: 2, 64: 3}[s.Float]), count)
}
