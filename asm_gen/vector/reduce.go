package main

import (
	"math"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Reductions keep four accumulators, vector registers 0 to 3: an FMA takes four cycles,
// and the loads for one take one. They are folded in pairs, then the upper half of
// the lanes onto the lower, until one lane is left. A tail goes to accumulator 0.

func dot(s isa.Set) {
	n, p := begin(s, "dot", "func(n int, x, y *T) T", "returns the sum of x*y.", "x", "y")
	zero(s, unroll)
	spare := s.V(9)
	s.Loop(n, p, unroll, s.Lanes(), func(v isa.Vec) {
		x := s.V(8)
		v.Load(p[0], x)
		v.FMA(v.At(p[1]), x, s.V(v.Index), spare)
	})
	fold(s, s.VADD)
	end(s)
}

func asum(s isa.Set) {
	n, p := begin(s, "asum", "func(n int, x *T) T", "returns the sum of |x|.", "x")
	zero(s, unroll)
	magnitude := s.V(14)
	magnitudes(s, magnitude)
	s.Loop(n, p, unroll, s.Lanes(), func(v isa.Vec) {
		x := s.V(8)
		v.Load(p[0], x)
		s.VAND(magnitude, x, x)
		s.VADD(x, s.V(v.Index), s.V(v.Index))
	})
	fold(s, s.VADD)
	end(s)
}

// iamax finds the largest |x|, then where it is. Its accumulators stay as they are where
// they meet a NaN, since the operand named first wins.
func iamax(s isa.Set) {
	n, p := begin(s, "iamax", "func(n int, x *T, floor T) int",
		"returns the index of the first of the largest |x|, but for NaNs, and -1 if it is no larger than floor.", "x")
	zero(s, unroll)
	magnitude := s.V(14)
	magnitudes(s, magnitude)
	s.Label = "largest_"
	s.Loop(n, p, unroll, s.Lanes(), func(v isa.Vec) {
		x := s.V(8)
		v.Load(p[0], x)
		s.VAND(magnitude, x, x)
		s.VMAX(s.V(v.Index), x, s.V(v.Index))
	})
	fold(s, s.VMAX)
	index := GP64()
	MOVQ(operand.I32(-1), index)
	s.VUCOMIS(isa.Parameter("floor"), isa.X(0))
	JLS(operand.LabelRef("found"))
	s.VBROADCAST(isa.X(0), s.V(13))
	find(s, load("n"), load("x"), s.V(13), magnitude, index)
	Label("found")
	Store(index, ReturnIndex(0))
	isa.End()
}

// find sets index to that of the first |x| that equals an element of want, of which there is
// one: so a tail's missing elements don't matter, which come after it.
func find(s isa.Set, n, x, want, magnitude, index reg.Register) {
	first, lanes := GP64(), GP32()
	MOVQ(x, first)
	s.Label = "find_"
	s.Loop(n, []reg.Register{x}, 1, s.Lanes(), func(v isa.Vec) {
		y := s.V(8)
		v.Load(x, y)
		s.VAND(magnitude, y, y)
		const equal = operand.U8(0)
		switch {
		case s.Counts: // to collect the lanes takes as long as to compare them one by one
			s.VCMP(equal, y, want, y)
			VPTEST(y, y)
			JNZ(operand.LabelRef("here"))
			return
		case s.Wide():
			s.VCMP(equal, y, want, reg.K2)
			KMOVW(reg.K2, lanes)
		default:
			s.VCMP(equal, y, want, y)
			s.VMOVMSK(y, lanes)
		}
		TESTL(lanes, lanes)
		JNZ(operand.LabelRef("here"))
	})
	Label("here")
	if s.Counts {
		s.VMOVMSK(s.V(8), lanes)
	}
	BSFL(lanes, index.(reg.GP).As32())
	SUBQ(first, x)
	SHRQ(operand.U8(map[int]int{32: 2, 64: 3}[s.Float]), x)
	ADDQ(x, index)
}

// magnitudes sets every lane of a register to all bits of an element but its sign.
func magnitudes(s isa.Set, r reg.Register) {
	bits := GP64()
	if s.Float == 64 {
		MOVQ(operand.U64(math.MaxInt64), bits)
		VMOVQ(bits, r.(reg.Vec).AsX())
		s.VBROADCAST(r.(reg.Vec).AsX(), r)
	} else {
		MOVL(operand.U32(math.MaxInt32), bits.As32())
		VMOVD(bits.As32(), r.(reg.Vec).AsX())
		s.VBROADCAST(r.(reg.Vec).AsX(), r)
	}
}

func zero(s isa.Set, accumulators int) {
	for i := range accumulators {
		s.Zero(i)
	}
}

// fold folds the accumulators to one element, in register 0.
func fold(s isa.Set, op func(...operand.Op)) {
	for step := 1; step < unroll; step *= 2 {
		for i := 0; i < unroll; i += 2 * step {
			op(s.V(i+step), s.V(i), s.V(i))
		}
	}
	s.Fold(op, 0, 1)
	if s.Float == 32 {
		isa.FoldSingles(op, 0, 1)
	} else {
		isa.FoldDoubles(op, 0, 1)
	}
}

// end returns register 0's first element.
func end(s isa.Set) {
	result, err := ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	s.VMOVS(isa.X(0), result.Addr)
	isa.End()
}
