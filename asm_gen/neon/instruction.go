package neon

import "fmt"

// The instructions that kernels need, by the names and in the operand order
// of Go's assembler: what is written to comes last.

func (f *Func) MOVD(from, to Operand)                  { f.emit("MOVD", from, to) }
func (f *Func) MOVBU(from, to Operand)                 { f.emit("MOVBU", from, to) }
func (f *Func) ADD(x Operand, y, sum R)                { f.emit("ADD", x, y, sum) }
func (f *Func) ADDS(x Operand, y, sum R)               { f.emit("ADDS", x, y, sum) }
func (f *Func) SUB(x Operand, y, rest R)               { f.emit("SUB", x, y, rest) }
func (f *Func) SUBS(x Operand, y, rest R)              { f.emit("SUBS", x, y, rest) }
func (f *Func) CSEL(cond string, x R, y Operand, to R) { f.emit("CSEL", text(cond), x, y, to) }
func (f *Func) MUL(x, y, product R)                    { f.emit("MUL", x, y, product) }
func (f *Func) LSL(bits Operand, x, to R)              { f.emit("LSL", bits, x, to) }
func (f *Func) CMP(x Operand, y R)                     { f.emit("CMP", x, y) }
func (f *Func) B(label string)                         { f.emit("B", text(label)) }
func (f *Func) BEQ(label string)                       { f.emit("BEQ", text(label)) }
func (f *Func) BNE(label string)                       { f.emit("BNE", text(label)) }
func (f *Func) BGE(label string)                       { f.emit("BGE", text(label)) }
func (f *Func) BGT(label string)                       { f.emit("BGT", text(label)) }
func (f *Func) BLT(label string)                       { f.emit("BLT", text(label)) }
func (f *Func) CBZ(x R, label string)                  { f.emit("CBZ", x, text(label)) }
func (f *Func) CBNZ(x R, label string)                 { f.emit("CBNZ", x, text(label)) }
func (f *Func) PRFM(memory Operand)                    { f.emit("PRFM", memory, text("PLDL1KEEP")) }
func (f *Func) RET()                                   { f.emit("RET") }
func (f *Func) FMOVQ(from, to Operand)                 { f.emit("FMOVQ", from, to) }
func (f *Func) VLD1P(from, to Operand)                 { f.emit("VLD1.P", from, to) }
func (f *Func) VLD1RP(from, to Operand)                { f.emit("VLD1R.P", from, to) }
func (f *Func) VST1P(from, to Operand)                 { f.emit("VST1.P", from, to) }
func (f *Func) VDUP(x Lane, to V)                      { f.emit("VDUP", x, to) }
func (f *Func) VEOR(x, y, to V)                        { f.emit("VEOR", x.bytes(), y.bytes(), to.bytes()) }
func (f *Func) VTRN1(x, y, to V)                       { f.emit("VTRN1", x, y, to) }
func (f *Func) VTRN2(x, y, to V)                       { f.emit("VTRN2", x, y, to) }

// FMOV moves an element to or from memory.
func (f *Func) FMOV(from, to Operand) {
	s, ok := to.(Scalar)
	if !ok {
		s = from.(Scalar)
	}
	f.emit("FMOV"+s.Of.letter(), from, to)
}

// FMOVP loads an element, and then adds the displacement to the address.
func (f *Func) FMOVP(from Operand, to Scalar) { f.emit("FMOV"+to.Of.letter()+".P", from, to) }

// FCMP0 compares x with 0.
func (f *Func) FCMP0(x V) { f.emit("FCMP"+x.Of.letter(), text("$(0.0)"), x.F()) }

// FCMP1 compares x with 1, for which it uses the register one.
func (f *Func) FCMP1(x, one V) {
	f.emit("FMOV"+x.Of.letter(), text("$(1.0)"), one.F())
	f.emit("FCMP"+x.Of.letter(), one.F(), x.F())
}

// VFMLA adds x*y to sum, rounding once; x is a vector or a lane.
func (f *Func) VFMLA(x Operand, y, sum V) {
	if lane, ok := x.(Lane); ok {
		f.byLane(0x4f801000, "fmla", lane, y, sum)
	} else {
		f.emit("VFMLA", x, y, sum)
	}
}

// What Go's assembler doesn't know goes in as words, each with a comment that
// says in GNU syntax what it is; a test holds the words to their comments.
// Words are the opcode, given for float32, with the registers' numbers at bits
// 16, 5 and 0, and bit 22 set for float64.

// VFMUL sets product to x*y; x is a vector or a lane.
func (f *Func) VFMUL(x Operand, y, product V) {
	if lane, ok := x.(Lane); ok {
		f.byLane(0x4f809000, "fmul", lane, y, product)
	} else {
		f.byVector(0x6e20dc00, "fmul", x.(V), y, product)
	}
}

// VFADD sets sum to x + y.
func (f *Func) VFADD(x, y, sum V) { f.byVector(0x4e20d400, "fadd", x, y, sum) }

// VFADDP sets sum to the sums of neighboring lanes: y's, then x's.
func (f *Func) VFADDP(x, y, sum V) { f.byVector(0x6e20d400, "faddp", x, y, sum) }

// VFCMLT0 sets the lanes of mask to all ones where x < 0, and to 0 elsewhere.
func (f *Func) VFCMLT0(x, mask V) {
	f.word(0x4ea0e800|double(x)|uint32(x.Number)<<5|uint32(mask.Number), "fcmlt %s, %s, #0", mask.gnu(), x.gnu())
}

// VBIC sets to to y without the bits of x.
func (f *Func) VBIC(x, y, to V) {
	f.word(0x4e601c00|registers(x, y, to), "bic v%d.16b, v%d.16b, v%d.16b", to.Number, y.Number, x.Number)
}

func (f *Func) byVector(opcode uint32, name string, x, y, to V) {
	f.word(opcode|double(to)|registers(x, y, to), "%s %s, %s, %s", name, to.gnu(), y.gnu(), x.gnu())
}

// byLane emits a multiplication by a lane, whose index is at bits 11 and 21,
// or, where it has one bit, at bit 11.
func (f *Func) byLane(opcode uint32, name string, x Lane, y, to V) {
	if x.V.Of == Float64 {
		opcode |= uint32(x.Index) << 11
	} else {
		opcode |= uint32(x.Index>>1)<<11 | uint32(x.Index&1)<<21
	}
	f.word(opcode|double(to)|registers(x.V, y, to), "%s %s, %s, %s", name, to.gnu(), y.gnu(), x.gnu())
}

// double is the bit that says that v's elements are float64.
func double(v V) uint32 {
	if v.Of == Float64 {
		return 1 << 22
	}
	return 0
}

func registers(x, y, to V) uint32 {
	return uint32(x.Number)<<16 | uint32(y.Number)<<5 | uint32(to.Number)
}

func (f *Func) word(word uint32, format string, args ...any) {
	f.emit("WORD", text(fmt.Sprintf("$0x%08x // ", word)+fmt.Sprintf(format, args...)))
}

// Zero clears vector registers.
func (f *Func) Zero(vs ...V) {
	for _, v := range vs {
		f.VEOR(v, v, v)
	}
}
