package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Reductions keep four accumulators, vector registers 0 to 3, and fold them
// in a fixed order: (0+1) + (2+3), then the upper half of the lanes onto the
// lower, until one lane is left. A tail goes to accumulator 0.

func dot(s isa.Set) {
	n, p := begin(s, "dot", "func(x, y []float32) float32", "returns the sum of x*y.", "x", "x", "y")
	clear(s)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x, y := s.V(4+2*v.Index), s.V(5+2*v.Index)
		v.Load(p[0], x)
		v.Load(p[1], y)
		VFMADD231PS(x, y, s.V(v.Index))
	})
	fold(s, VADDPS)
	isa.FoldSingles(VADDPS, 0, 1)
	VMOVSS(isa.X(0), returned())
	isa.End()
}

func dot64(s isa.Set) {
	n, p := begin(s, "dot64", "func(x, y []float32) float64", "returns the sum of x*y, in float64.", "x", "x", "y")
	clear(s)
	s.Loop(n, p, 4, s.Lanes()/2, func(v isa.Vec) {
		x, y := 4+2*v.Index, 5+2*v.Index
		v.Load(p[0], s.Half(x))
		v.Load(p[1], s.Half(y))
		VCVTPS2PD(s.Half(x), s.V(x))
		VCVTPS2PD(s.Half(y), s.V(y))
		VFMADD231PD(s.V(x), s.V(y), s.V(v.Index))
	})
	fold(s, VADDPD)
	isa.FoldDoubles(VADDPD, 0, 1)
	VMOVSD(isa.X(0), returned())
	isa.End()
}

// squares has the bits of dot64 of x with itself, for half of the loads and conversions.
func squares(s isa.Set) {
	n, p := begin(s, "squares", "func(x []float32) float64", "returns the sum of the squares of x, in float64.", "x", "x")
	clear(s)
	s.Loop(n, p, 4, s.Lanes()/2, func(v isa.Vec) {
		x := 4 + v.Index
		v.Load(p[0], s.Half(x))
		VCVTPS2PD(s.Half(x), s.V(x))
		VFMADD231PD(s.V(x), s.V(x), s.V(v.Index))
	})
	fold(s, VADDPD)
	isa.FoldDoubles(VADDPD, 0, 1)
	VMOVSD(isa.X(0), returned())
	isa.End()
}

// scaledSquares multiplies in float64, where neither the product nor its square can
// overflow.
func scaledSquares(s isa.Set) {
	n, p := begin(s, "scaledSquares", "func(eta float32, x, y []float32) float64", "returns the sum of the squares of (|y|+eta)*x, in float64.", "x", "x", "y")
	eta, magnitude := 12, 13
	s.Broadcast("eta", s.Half(eta))
	VCVTPS2PD(s.Half(eta), s.V(eta))
	VMOVUPS(signs(s), s.V(magnitude))
	clear(s)
	s.Loop(n, p, 4, s.Lanes()/2, func(v isa.Vec) {
		x, y := 4+2*v.Index, 5+2*v.Index
		v.Load(p[0], s.Half(x))
		v.Load(p[1], s.Half(y))
		VANDPS(s.Half(y), s.Half(magnitude), s.Half(y))
		VCVTPS2PD(s.Half(x), s.V(x))
		VCVTPS2PD(s.Half(y), s.V(y))
		VADDPD(s.V(y), s.V(eta), s.V(y))
		VMULPD(s.V(x), s.V(y), s.V(x))
		VFMADD231PD(s.V(x), s.V(x), s.V(v.Index))
	})
	fold(s, VADDPD)
	isa.FoldDoubles(VADDPD, 0, 1)
	VMOVSD(isa.X(0), returned())
	isa.End()
}

// maximum keeps the lanes' maxima, and in register 14 whether any lane has
// met a NaN, which VMAXPS alone would forget.
func maximum(s isa.Set) {
	n, p := begin(s, "max", "func(x []float32) float32", "returns the largest x, NaN if any is NaN, -Inf if there is none.", "x", "x")
	s.Zero(14)
	minusInf := GP32()
	MOVL(operand.U32(0xff800000), minusInf)
	VMOVD(minusInf, isa.X(13))
	VBROADCASTSS(isa.X(13), s.V(13))
	for i := range 4 {
		VMOVAPS(s.V(13), s.V(i))
	}
	nan := s.V(14)
	s.Loop(n, p, 4, s.Lanes(), func(v isa.Vec) {
		x := s.V(4 + v.Index)
		v.Fill(p[0], s.V(13), x)
		VMAXPS(x, s.V(v.Index), s.V(v.Index))
		const unordered = operand.U8(3)
		if s.Wide() {
			VCMPPS(unordered, x, x, reg.K2)
			VMOVAPS(x, reg.K2, nan)
		} else {
			VCMPPS(unordered, x, x, x)
			VORPS(x, nan, nan)
		}
	})
	fold(s, VMAXPS)
	isa.FoldSingles(VMAXPS, 0, 1)
	VMOVAPS(isa.X(0), isa.X(15))
	VMOVAPS(nan, s.V(0)) // 0, or a NaN, in every lane: any sum with a NaN is one
	for i := 1; i < 4; i++ {
		s.Zero(i)
	}
	fold(s, VADDPS)
	isa.FoldSingles(VADDPS, 0, 1)
	VUCOMISS(isa.X(0), isa.X(0))
	JP(operand.LabelRef("isNaN"))
	VMOVAPS(isa.X(15), isa.X(0))
	Label("isNaN")
	VMOVSS(isa.X(0), returned())
	isa.End()
}

// returned is the memory of the function's result.
func returned() operand.Mem {
	r, err := ReturnIndex(0).Resolve()
	if err != nil {
		panic(err)
	}
	return r.Addr
}

func clear(s isa.Set) {
	for i := range 4 {
		s.Zero(i)
	}
}

// fold folds the four accumulators to the 128 bits of X0.
func fold(s isa.Set, op func(...operand.Op)) {
	op(s.V(1), s.V(0), s.V(0))
	op(s.V(3), s.V(2), s.V(2))
	op(s.V(2), s.V(0), s.V(0))
	s.Fold(op, 0, 1)
}

// peak multiplies and adds in registers alone, with more accumulators than
// the latency of an FMA times the number of FMA units of any CPU.
func peak(s isa.Set) {
	TEXT("peak"+s.Name, attr.NOSPLIT, "func(iterations int)")
	sums := min(s.Registers, 26) - 2
	if !s.Counts {
		sums = 14
	}
	Doc(fmt.Sprintf("peak%s runs %d vector FMAs of float32 an iteration, independent of each other.", s.Name, sums))
	n := Load(Param("iterations"), GP64())
	for i := range sums + 2 {
		s.Zero(i)
	}
	Label("loop")
	for i := range sums {
		VFMADD231PS(s.V(sums), s.V(sums+1), s.V(i))
	}
	DECQ(n)
	JNZ(operand.LabelRef("loop"))
	isa.End()
}
