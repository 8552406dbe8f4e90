// Command pool generates the kernels of pooling of package conv.
package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// pool is the plan for a kernel that goes along pixels and in each along vectors of
// channels. x is the memory of windows, of which each vector visits the taps; the
// others have one vector a pixel.
type pool struct {
	isa.Set
	x      reg.GPVirtual
	others []reg.GPVirtual
	label  string
	mask   reg.Register // of the last vector, or on NEON how many elements it has; nil for whole ones
}

func main() { isa.Program(poolings) }

// poolings emits the kernels of pooling. Vector register 0 is what a pixel has one
// of, 1 what is the same for all; 15 is AVX2's mask.
func poolings(s isa.Set) {
	p := begin(s, "maxPool", "sets y to the largest of floor and each window: NaN if any is.",
		"x *float32, xPixel int, y *float32, floor float32", "x", "y")
	s.Broadcast("floor", s.V(1))
	p.emit(maxPool)
	p = begin(s, "maxPoolBackward", "adds dy to dx, at the first tap of each window whose x is y or NaN, unless y <= floor.",
		"dx, x *float32, xPixel int, y, dy *float32, floor float32", "x", "dx", "y", "dy")
	s.Broadcast("floor", s.V(1))
	p.emit(func(p *pool) { maxPoolBackward(p, true) })
	p = begin(s, "maxPoolSpread", "sets dx to dy, at the first tap of each window whose x is y or NaN, unless y <= floor, and to 0 at its others.",
		"dx, x *float32, xPixel int, y, dy *float32, floor float32", "x", "dx", "y", "dy")
	s.Broadcast("floor", s.V(1))
	p.emit(func(p *pool) { maxPoolBackward(p, false) })
	p = begin(s, "sumPool", "sets y to scale times the sum of each window.",
		"x *float32, xPixel int, y *float32, scale float32", "x", "y")
	s.Broadcast("scale", s.V(1))
	p.emit(sumPool)
	p = begin(s, "sumPoolBackward", "adds scale*dy to each tap of dx.",
		"dx *float32, xPixel int, dy *float32, scale float32", "dx", "dy")
	s.Broadcast("scale", s.V(1))
	p.emit(sumPoolBackward)
}

func begin(s isa.Set, name, doc, operands, x string, others ...string) *pool {
	TEXT(name+s.Name, attr.NOSPLIT, "func(pixels, channels int, tap *int, taps int, "+operands+")")
	Doc(name + s.Name + " " + doc)
	p := &pool{Set: s, x: GP64()}
	Load(Param(x), p.x)
	for _, name := range others {
		r := GP64()
		Load(Param(name), r)
		p.others = append(p.others, r)
	}
	return p
}

// emit emits the loops around body, and returns. Where x and dx both have taps, dx is
// the first of the others, and moves as x does.
func (p *pool) emit(body func(*pool)) {
	left, pixel := GP64(), GP64()
	windows := []reg.GPVirtual{p.x}
	if len(p.others) == 3 {
		windows = append(windows, p.others[0])
	}
	advance := func(bytes operand.Op, registers []reg.GPVirtual) {
		for _, r := range registers {
			ADDQ(bytes, r)
		}
	}
	Label("pixel")
	Load(Param("channels"), left)
	CMPQ(left, operand.U32(p.Lanes()))
	JL(operand.LabelRef("tail"))
	Label("whole")
	p.label = "whole"
	body(p)
	advance(operand.U32(p.Bytes), append([]reg.GPVirtual{p.x}, p.others...))
	SUBQ(operand.U32(p.Lanes()), left)
	CMPQ(left, operand.U32(p.Lanes()))
	JGE(operand.LabelRef("whole"))
	Label("tail")
	TESTQ(left, left)
	JZ(operand.LabelRef("next"))
	p.mask = p.TailMask(left)
	p.label = "tail"
	body(p)
	p.BytesOf(left)
	advance(left, append([]reg.GPVirtual{p.x}, p.others...))
	Label("next")
	// x stands at the end of the pixel's channels.
	Load(Param("xPixel"), pixel)
	Load(Param("channels"), left)
	SUBQ(left, pixel)
	p.BytesOf(pixel)
	advance(pixel, windows)
	DECQ(isa.Parameter("pixels"))
	JNZ(operand.LabelRef("pixel"))
	isa.End()
}

// taps emits the loop over the taps of the vector at hand, whose offset in bytes is in
// a register.
func (p *pool) taps(body func(offset reg.GPVirtual)) {
	tap, left, offset := GP64(), GP64(), GP64()
	Load(Param("tap"), tap)
	Load(Param("taps"), left)
	Label(p.label + "Tap")
	MOVQ(isa.Ptr(tap, 0), offset)
	p.BytesOf(offset)
	body(offset)
	ADDQ(operand.U32(8), tap)
	DECQ(left)
	JNZ(operand.LabelRef(p.label + "Tap"))
}

func at(base, offset reg.Register) operand.Mem {
	return operand.Mem{Base: base, Index: offset, Scale: 1}
}

func (p *pool) load(m operand.Mem, r reg.Register) {
	if p.mask == nil {
		p.VMOVU(m, r)
	} else {
		p.LoadMasked(m, p.mask, r)
	}
}

func (p *pool) store(r reg.Register, m operand.Mem) {
	if p.mask == nil {
		p.VMOVU(r, m)
	} else {
		p.StoreMasked(r, p.mask, m)
	}
}

const (
	equal        = operand.U8(0)
	unordered    = operand.U8(3)
	notLessEqual = operand.U8(6) // true of NaN
)

func maxPool(p *pool) {
	largest, floor, x, nan := p.V(0), p.V(1), p.V(2), p.V(3)
	VMOVAPS(floor, largest)
	p.Zero(3)
	p.taps(func(offset reg.GPVirtual) {
		p.load(at(p.x, offset), x)
		VMAXPS(x, largest, largest)
		if p.Opmasks { // VMAXPS alone would forget a NaN with the next x
			VCMPPS(unordered, x, x, reg.K2)
			VMOVAPS(x, reg.K2, nan)
		} else {
			VCMPPS(unordered, x, x, x)
			VORPS(x, nan, nan)
		}
	})
	if p.Opmasks {
		VADDPS(nan, largest, largest)
	} else {
		VORPS(nan, largest, largest) // all ones are a NaN
	}
	p.store(largest, isa.Ptr(p.others[0], 0))
}

// maxPoolBackward adds to what dx was, or overwrites it.
func maxPoolBackward(p *pool, add bool) {
	dx, dy, floor := p.others[0], p.V(0), p.V(1)
	sum, here, left, y, nan := p.V(2), p.V(3), p.V(4), p.V(5), p.V(6)
	p.load(isa.Ptr(p.others[1], 0), y)
	p.load(isa.Ptr(p.others[2], 0), dy)
	if p.Opmasks {
		VCMPPS(notLessEqual, floor, y, reg.K3)
	} else {
		VCMPPS(notLessEqual, floor, y, left)
	}
	p.taps(func(offset reg.GPVirtual) {
		p.load(at(p.x, offset), here)
		if add {
			p.load(at(dx, offset), sum)
		}
		if p.Opmasks {
			VCMPPS(equal, here, y, reg.K3, reg.K2)
			VCMPPS(unordered, here, here, reg.K3, reg.K4)
			KORW(reg.K4, reg.K2, reg.K2)
			KANDNW(reg.K3, reg.K2, reg.K3)
			if add {
				VADDPS(dy, sum, reg.K2, sum)
			} else {
				VMOVAPS_Z(dy, reg.K2, sum)
			}
		} else {
			VCMPPS(unordered, here, here, nan)
			VCMPPS(equal, here, y, here)
			VORPS(nan, here, here)
			VANDPS(left, here, here)
			VANDNPS(left, here, left)
			VANDPS(dy, here, here)
			if add {
				VADDPS(here, sum, sum)
			} else {
				sum = here
			}
		}
		p.store(sum, at(dx, offset))
	})
}

func sumPool(p *pool) {
	p.Zero(0)
	p.taps(func(offset reg.GPVirtual) {
		p.load(at(p.x, offset), p.V(2))
		VADDPS(p.V(2), p.V(0), p.V(0))
	})
	VMULPS(p.V(1), p.V(0), p.V(0))
	p.store(p.V(0), isa.Ptr(p.others[0], 0))
}

func sumPoolBackward(p *pool) {
	p.load(isa.Ptr(p.others[0], 0), p.V(0))
	VMULPS(p.V(1), p.V(0), p.V(0))
	p.taps(func(offset reg.GPVirtual) {
		p.load(at(p.x, offset), p.V(2))
		VADDPS(p.V(0), p.V(2), p.V(2))
		p.store(p.V(2), at(p.x, offset))
	})
}
