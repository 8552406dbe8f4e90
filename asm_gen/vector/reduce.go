package main

import (
	"math"

	"github.com/steppe-ml/steppe/asm_gen/avx"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Reductions keep eight accumulators, vector registers 0 to 7: an FMA takes four
// cycles, and two begin in each. They are folded in pairs, then the upper half of
// the lanes onto the lower, until one lane is left. A tail goes to accumulator 0.
const accumulators = 8

func dot(s avx.Set) {
	n, p := begin(s, "dot", "func(n int, x, y *T) T", "returns the sum of x*y.", "x", "y")
	zero(s)
	spare := s.V(9)
	s.Loop(n, p, accumulators, s.Lanes(), func(v avx.Vec) {
		x := s.V(8)
		v.Load(p[0], x)
		v.FMA(v.At(p[1]), x, s.V(v.Index), spare)
	})
	fold(s, s.VADD)
	avx.End()
}

func asum(s avx.Set) {
	n, p := begin(s, "asum", "func(n int, x *T) T", "returns the sum of |x|.", "x")
	zero(s)
	magnitude := s.V(14)
	magnitudes(s, magnitude)
	s.Loop(n, p, accumulators, s.Lanes(), func(v avx.Vec) {
		x := s.V(8)
		v.Load(p[0], x)
		s.VAND(magnitude, x, x)
		s.VADD(x, s.V(v.Index), s.V(v.Index))
	})
	fold(s, s.VADD)
	avx.End()
}

// amax keeps the accumulator where it meets a NaN: the operand named first wins.
func amax(s avx.Set) {
	n, p := begin(s, "amax", "func(n int, x *T) T", "returns the largest |x| but for NaNs, and 0 if there is none.", "x")
	zero(s)
	magnitude := s.V(14)
	magnitudes(s, magnitude)
	s.Loop(n, p, accumulators, s.Lanes(), func(v avx.Vec) {
		x := s.V(8)
		v.Load(p[0], x)
		s.VAND(magnitude, x, x)
		s.VMAX(s.V(v.Index), x, s.V(v.Index))
	})
	fold(s, s.VMAX)
	avx.End()
}

// find needs no care for its tail: what a mask leaves out comes after what it
// doesn't, and there is an element to be found.
func find(s avx.Set) {
	n, p := begin(s, "find", "func(n int, x *T, v T) int", "returns the index of the first |x| that equals v. There must be one.", "x")
	magnitude, want := s.V(14), s.V(13)
	magnitudes(s, magnitude)
	s.Broadcast("v", want)
	lanes := GP32()
	first := load("x")
	s.Loop(n, p, 1, s.Lanes(), func(v avx.Vec) {
		x := s.V(0)
		v.Load(p[0], x)
		s.VAND(magnitude, x, x)
		const equal = operand.U8(0)
		if s.Wide() {
			s.VCMP(equal, x, want, reg.K2)
			KMOVW(reg.K2, lanes)
		} else {
			s.VCMP(equal, x, want, x)
			s.VMOVMSK(x, lanes)
		}
		TESTL(lanes, lanes)
		JNZ(operand.LabelRef("found"))
	})
	Label("found")
	index := GP64()
	BSFL(lanes, index.As32())
	SUBQ(first, p[0])
	SHRQ(operand.U8(map[int]int{32: 2, 64: 3}[s.Float]), p[0])
	ADDQ(p[0], index)
	Store(index, ReturnIndex(0))
	avx.End()
}

// magnitudes sets every lane of a register to all bits of an element but its sign.
func magnitudes(s avx.Set, r reg.Register) {
	bits := GP64()
	if s.Float == 64 {
		MOVQ(operand.U64(math.MaxInt64), bits)
		VMOVQ(bits, r.(reg.Vec).AsX())
		VBROADCASTSD(r.(reg.Vec).AsX(), r)
	} else {
		MOVL(operand.U32(math.MaxInt32), bits.As32())
		VMOVD(bits.As32(), r.(reg.Vec).AsX())
		VBROADCASTSS(r.(reg.Vec).AsX(), r)
	}
}

func zero(s avx.Set) {
	for i := range accumulators {
		s.Zero(i)
	}
}

// fold folds the accumulators to one element, and returns it.
func fold(s avx.Set, op func(...operand.Op)) {
	for step := 1; step < accumulators; step *= 2 {
		for i := 0; i < accumulators; i += 2 * step {
			op(s.V(i+step), s.V(i), s.V(i))
		}
	}
	s.Fold(op, 0, 1)
	if s.Float == 32 {
		avx.FoldSingles(op, 0, 1)
	} else {
		avx.FoldDoubles(op, 0, 1)
	}
	result, err := ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	s.VMOVS(avx.X(0), result.Addr)
}
