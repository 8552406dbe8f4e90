package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// channels is the plan for a kernel on rows of channels: pointers to matrices, which
// move from row to row, and to vectors of one element a channel, which don't.
type channels struct {
	isa.Set
	p     map[string]reg.GPVirtual
	at    reg.Register // bytes from a pointer to the elements at hand
	mask  reg.Register // of the last elements of a row; nil for all
	disp  int          // bytes further on
	label string
	half  bool // of vectors: elements are widened to float64
}

// channelKernels emits the kernels of normalization.
func channelKernels(s isa.Set) {
	channelSums(s)
	for _, add := range []bool{false, true} {
		scaleShift(s, add)
	}
	for _, kind := range []maskKind{noMask, outputMask, affineMask} {
		channelGradSums(s, kind)
	}
	for _, kind := range []maskKind{noMask, affineMask} {
		scaleAddShift(s, kind)
	}
}

// beginChannels opens a kernel, and loads the pointers named.
func beginChannels(s isa.Set, name, doc, operands string, pointers ...string) *channels {
	return beginMatrices(s, name, doc, "rows, channels int, "+operands, pointers...)
}

// beginMatrices opens a kernel that takes operands, and loads the pointers named.
func beginMatrices(s isa.Set, name, doc, operands string, pointers ...string) *channels {
	TEXT(name+s.Name, attr.NOSPLIT, "func("+operands+")")
	Doc(name + s.Name + " " + doc)
	c := &channels{Set: s, p: map[string]reg.GPVirtual{}, at: GP64()}
	for _, name := range pointers {
		c.p[name] = GP64()
		Load(Param(name), c.p[name])
	}
	return c
}

func (c *channels) mem(name string) operand.Mem {
	return operand.Mem{Base: c.p[name], Index: c.at, Scale: 1, Disp: c.disp}
}

func (c *channels) load(name string, r reg.Register) {
	switch {
	case c.mask != nil:
		c.LoadMasked(c.mem(name), c.mask, r)
	case c.half:
		c.MoveHalf(c.mem(name), r)
	default:
		VMOVUPS(c.mem(name), r)
	}
}

func (c *channels) store(r reg.Register, name string) {
	switch {
	case c.mask != nil:
		c.StoreMasked(r, c.mask, c.mem(name))
	case c.half:
		c.MoveHalf(r, c.mem(name))
	default:
		VMOVUPS(r, c.mem(name))
	}
}

// setMask sets the mask to the lowest n lanes, AVX2's of half vectors to half of it.
func (c *channels) setMask(n reg.Register) {
	c.mask = c.TailMask(n)
	if c.half && c.Name == "AVX2" {
		c.mask = isa.X(15)
	}
}

// eachRow emits the loops of an element-wise kernel: along the vectors of a row, and
// from row to row, which moves the matrices.
func (c *channels) eachRow(matrices []string, body func()) {
	whole, tail, row := GP64(), GP64(), GP64()
	Load(Param("channels"), row)
	MOVQ(row, tail)
	ANDQ(operand.U32(c.Lanes()-1), tail)
	MOVQ(row, whole)
	SUBQ(tail, whole)
	c.BytesOf(whole)
	c.BytesOf(row)
	c.setMask(tail)
	mask := c.mask
	Label("row")
	XORQ(c.at, c.at)
	TESTQ(whole, whole)
	JZ(operand.LabelRef("tail"))
	Label("whole")
	c.mask = nil
	body()
	ADDQ(operand.U32(c.Bytes), c.at)
	CMPQ(c.at, whole)
	JL(operand.LabelRef("whole"))
	Label("tail")
	TESTQ(tail, tail)
	JZ(operand.LabelRef("next"))
	c.mask = mask
	body()
	Label("next")
	for _, name := range matrices {
		ADDQ(row, c.p[name])
	}
	DECQ(isa.Parameter("rows"))
	JNZ(operand.LabelRef("row"))
	isa.End()
}

// eachColumn emits the loops of a kernel that sums over rows, in float64: half a
// vector of channels at a time, and for it down the rows, four of them in turn with
// accumulators of their own. begin and end stand before and after the rows.
func (c *channels) eachColumn(pointers, sums []string, begin func(), body func(turn int), end func()) {
	c.half = true
	left, rows, stride := GP64(), GP64(), GP64()
	Load(Param("channels"), left)
	MOVQ(left, stride)
	c.BytesOf(stride)
	lanes := c.Lanes() / 2
	down := func(label string) {
		c.label = label
		begin()
		XORQ(c.at, c.at)
		Load(Param("rows"), rows)
		CMPQ(rows, operand.U32(4))
		JL(operand.LabelRef(label + "Single"))
		Label(label + "Four")
		for turn := range 4 {
			body(turn)
			ADDQ(stride, c.at)
		}
		SUBQ(operand.U32(4), rows)
		CMPQ(rows, operand.U32(4))
		JGE(operand.LabelRef(label + "Four"))
		Label(label + "Single")
		TESTQ(rows, rows)
		JZ(operand.LabelRef(label + "Summed"))
		body(0)
		ADDQ(stride, c.at)
		DECQ(rows)
		JMP(operand.LabelRef(label + "Single"))
		Label(label + "Summed")
		end()
	}
	Label("columns")
	CMPQ(left, operand.U32(lanes))
	JL(operand.LabelRef("tail"))
	c.mask = nil
	down("whole")
	for _, name := range pointers {
		ADDQ(operand.U32(4*lanes), c.p[name])
	}
	for _, name := range sums {
		ADDQ(operand.U32(8*lanes), c.p[name])
	}
	SUBQ(operand.U32(lanes), left)
	JMP(operand.LabelRef("columns"))
	Label("tail")
	TESTQ(left, left)
	JZ(operand.LabelRef("done"))
	c.setMask(left)
	down("tail")
	Label("done")
	isa.End()
}

// addSums adds accumulators 4*i to 4*i+3 to what sum i of the channels has been.
func (c *channels) addSums(names ...string) {
	XORQ(c.at, c.at)
	for i, name := range names {
		acc := func(turn int) reg.Register { return c.V(4*i + turn) }
		VADDPD(acc(1), acc(0), acc(0))
		VADDPD(acc(3), acc(2), acc(2))
		VADDPD(acc(2), acc(0), acc(0))
		m := c.mem(name)
		switch {
		case c.mask == nil:
			VADDPD(m, acc(0), acc(0))
			VMOVUPD(acc(0), m)
		case c.Counts:
			doubles := c.Set
			doubles.Float = 64
			doubles.LoadMasked(m, c.mask, acc(1))
			VADDPD(acc(1), acc(0), acc(0))
			doubles.StoreMasked(acc(0), c.mask, m)
		case c.Opmasks:
			VMOVUPD_Z(m, c.mask, acc(1))
			VADDPD(acc(1), acc(0), acc(0))
			VMOVUPD(acc(0), c.mask, m)
		default:
			VPMOVSXDQ(isa.X(15), acc(2))
			VMASKMOVPD(m, acc(2), acc(1))
			VADDPD(acc(1), acc(0), acc(0))
			VMASKMOVPD(acc(0), acc(2), m)
		}
	}
}

// clearSums clears the accumulators of so many sums.
func (c *channels) clearSums(sums int) {
	for i := range 4 * sums {
		c.Zero(i)
	}
}

// widen loads half a vector, and makes float64 of it.
func (c *channels) widen(name string, r int) {
	c.load(name, c.Half(r))
	VCVTPS2PD(c.Half(r), c.V(r))
}

func channelSums(s isa.Set) {
	c := beginChannels(s, "channelSums", "adds the sums of x, and of its squares, to those of each channel.",
		"x *float32, sum, squares *float64", "x", "sum", "squares")
	const x = 8
	c.eachColumn([]string{"x"}, []string{"sum", "squares"}, func() { c.clearSums(2) },
		func(turn int) {
			c.widen("x", x)
			VADDPD(s.V(x), s.V(turn), s.V(turn))
			VFMADD231PD(s.V(x), s.V(x), s.V(4+turn))
		},
		func() { c.addSums("sum", "squares") })
}

// scaleShift's registers: 0 the result, 1 scale, 14 the least result.
func scaleShift(s isa.Set, add bool) {
	name, doc, operands := "scaleShift", "sets dst to (x-center)*scale + shift, and to no less than floor.", "dst, x, center, scale, shift *float32, floor float32"
	matrices := []string{"dst", "x"}
	if add {
		name, doc, operands = "scaleShiftAdd", "sets dst to (x-center)*scale + shift + z, and to no less than floor.", "dst, x, center, scale, shift, z *float32, floor float32"
		matrices = append(matrices, "z")
	}
	c := beginChannels(s, name, doc, operands, append([]string{"center", "scale", "shift"}, matrices...)...)
	floor := s.V(14)
	s.Broadcast("floor", floor)
	c.eachRow(matrices, func() {
		y, factor, x := s.V(0), s.V(1), s.V(2)
		c.affine(x, factor, y)
		if add {
			c.load("z", x)
			VADDPS(x, y, y)
		}
		VMAXPS(y, floor, y) // NaN wins: the operand named first does
		c.store(y, "dst")
	})
}

// affine sets y to (x-center)*scale + shift.
func (c *channels) affine(x, factor, y reg.Register) {
	c.load("shift", y)
	c.load("center", factor)
	c.load("x", x)
	VSUBPS(factor, x, x)
	c.load("scale", factor)
	VFMADD231PS(x, factor, y)
}

// maskKind is how a gradient is cut off where a ReLU cut off its output.
type maskKind int

const (
	noMask     maskKind = iota
	outputMask          // where y <= 0, y being the output
	affineMask          // where (x-center)*scale + shift <= 0
)

const notLessEqual = operand.U8(6) // true of NaN

// cut clears d where y <= 0. Vector register 14 is 0.
func (c *channels) cut(d, y, zero reg.Register) {
	if c.Opmasks {
		VCMPPS(notLessEqual, zero, y, reg.K2)
		VMOVAPS_Z(d, reg.K2, d)
	} else {
		VCMPPS(notLessEqual, zero, y, y)
		VANDPS(d, y, d)
	}
}

// channelGradSums' registers: 0 to 7 are sums, 8 d, 9 x, 10 y, 11 to 13 scale, shift
// and center, 14 zero.
func channelGradSums(s isa.Set, kind maskKind) {
	name, doc, operands := "channelGradSums", "adds the sums of d, and of d*x, to those of each channel.", "d, x *float32, sumD, sumDX *float64"
	pointers := []string{"d", "x"}
	switch kind {
	case outputMask:
		name += "Output"
		doc = "sets dst to d, and to 0 where y <= 0, and adds the sums of dst, and of dst*x, to those of each channel."
		operands = "dst, d, x, y *float32, sumD, sumDX *float64"
		pointers = append(pointers, "dst", "y")
	case affineMask:
		name += "Affine"
		doc = "adds the sums of d, and of d*x, to those of each channel, leaving out where (x-center)*scale + shift <= 0."
		operands = "d, x, center, scale, shift *float32, sumD, sumDX *float64"
	}
	loaded := append([]string{"sumD", "sumDX"}, pointers...)
	if kind == affineMask {
		loaded = append(loaded, "center", "scale", "shift")
	}
	c := beginChannels(s, name, doc, operands, loaded...)
	const d, x, y, scale, shift, center = 8, 9, 10, 11, 12, 13
	s.Zero(14)
	moved := pointers
	if kind == affineMask {
		moved = append(moved, "center", "scale", "shift")
	}
	c.eachColumn(moved, []string{"sumD", "sumDX"}, func() {
		c.clearSums(2)
		if kind == affineMask {
			XORQ(c.at, c.at)
			c.load("center", s.Half(center))
			c.load("scale", s.Half(scale))
			c.load("shift", s.Half(shift))
		}
	}, func(turn int) {
		c.load("d", s.Half(d))
		c.load("x", s.Half(x))
		switch kind {
		case outputMask:
			c.load("y", s.Half(y))
			c.cut(s.Half(d), s.Half(y), s.Half(14))
			c.store(s.Half(d), "dst")
		case affineMask:
			VSUBPS(s.Half(center), s.Half(x), s.Half(y))
			VFMADD213PS(s.Half(shift), s.Half(scale), s.Half(y))
			c.cut(s.Half(d), s.Half(y), s.Half(14))
		}
		VCVTPS2PD(s.Half(d), s.V(d))
		VCVTPS2PD(s.Half(x), s.V(x))
		VADDPD(s.V(d), s.V(turn), s.V(turn))
		VFMADD231PD(s.V(d), s.V(x), s.V(4+turn))
	}, func() { c.addSums("sumD", "sumDX") })
}

// scaleAddShift's registers: 0 the result, 1 d, 2 x, 3 what multiplies, 4 y, 14
// zero.
func scaleAddShift(s isa.Set, kind maskKind) {
	name, doc, operands := "scaleAddShift", "sets dst to scale*d + q*(x-center) + r.", "dst, d, x, center, scale, q, r *float32"
	pointers := []string{"dst", "d", "x", "center", "scale", "q", "r"}
	if kind == affineMask {
		name += "Affine"
		doc = "sets dst to scale*d + q*(x-center) + r, with 0 for d where (x-center)*scale + shift <= 0."
		operands = "dst, d, x, center, scale, shift, q, r *float32"
		pointers = append(pointers, "shift")
	}
	c := beginChannels(s, name, doc, operands, pointers...)
	s.Zero(14)
	c.eachRow([]string{"dst", "d", "x"}, func() {
		sum, d, x, factor, y := s.V(0), s.V(1), s.V(2), s.V(3), s.V(4)
		c.load("d", d)
		if kind == affineMask {
			c.affine(x, factor, y)
			c.cut(d, y, s.V(14))
		} else {
			c.load("center", factor)
			c.load("x", x)
			VSUBPS(factor, x, x)
			c.load("scale", factor)
		}
		c.load("r", sum)
		VFMADD231PS(d, factor, sum)
		c.load("q", factor)
		VFMADD231PS(x, factor, sum)
		c.store(sum, "dst")
	})
}
