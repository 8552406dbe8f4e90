package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// rotateHalves rotates the first half of each block with the second one. The pointers are to the
// first halves of dst and x, and to the second ones, dst2 and x2.
func rotateHalves(s isa.Set) {
	k := vectorsOf(beginMatrices(s, "rotateHalves", "sets dst to x, with the halves of each block rotated by the row's angles.",
		"rows, blocks, half, stride int, dst, x, cos, sin *float32, sign float32", "dst", "x", "cos", "sin"))
	half := Load(Param("half"), GP64())
	k.setLength(half)
	k.BytesOf(half)
	for _, name := range []string{"dst", "x"} {
		k.p[name+"2"] = GP64()
		LEAQ(operand.Mem{Base: k.p[name], Index: half, Scale: 1}, k.p[name+"2"])
	}
	sign := s.V(14)
	s.Broadcast("sign", sign)
	moving := []string{"dst", "x", "dst2", "x2"}

	// The parameter's place holds the bytes from the last block of a row to the next row.
	rest, left := isa.Parameter("stride"), GP64()
	Load(Param("blocks"), left)
	IMULQ(half, left)
	ADDQ(left, left)
	NEGQ(left)
	stride := Load(Param("stride"), GP64())
	k.BytesOf(stride)
	ADDQ(stride, left)
	MOVQ(left, rest)

	Label("row")
	Load(Param("blocks"), left)
	Label("block")
	k.along("pairs", 2, func(turns int) {
		k.each(turns, func(turn int) {
			a, b, cos, sin, product := s.V(5*turn), s.V(5*turn+1), s.V(5*turn+2), s.V(5*turn+3), s.V(5*turn+4)
			k.load("sin", sin)
			k.load("x2", b)
			VMULPS(sign, sin, sin)
			k.load("x", a)
			VMULPS(b, sin, product)
			k.load("cos", cos)
			VMULPS(a, sin, sin)
			VFMSUB213PS(product, cos, a)
			VFMADD231PS(b, cos, sin)
			k.store(a, "dst")
			k.store(sin, "dst2")
		})
	}, nil)
	for _, name := range moving {
		LEAQ(operand.Mem{Base: k.p[name], Index: half, Scale: 2}, k.p[name])
	}
	DECQ(left)
	JNZ(operand.LabelRef("block"))
	for _, name := range moving {
		ADDQ(rest, k.p[name])
	}
	ADDQ(half, k.p["cos"])
	ADDQ(half, k.p["sin"])
	DECQ(isa.Parameter("rows"))
	JNZ(operand.LabelRef("row"))
	isa.End()
}
