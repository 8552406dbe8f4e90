package neon

import "fmt"

// The instructions that kernels need, by the names and in the operand order
// of Go's assembler: what is written to comes last.

func (f *Func) MOVD(from, to Operand)     { f.emit("MOVD", from, to) }
func (f *Func) MOVWU(from, to Operand)    { f.emit("MOVWU", from, to) }
func (f *Func) ADD(x Operand, y, sum R)   { f.emit("ADD", x, y, sum) }
func (f *Func) SUB(x Operand, y, rest R)  { f.emit("SUB", x, y, rest) }
func (f *Func) LSL(bits Operand, x, to R) { f.emit("LSL", bits, x, to) }
func (f *Func) CMP(x Operand, y R)        { f.emit("CMP", x, y) }
func (f *Func) TST(x Operand, y R)        { f.emit("TST", x, y) }
func (f *Func) CSET(cond string, to R)    { f.emit("CSET", text(cond), to) }
func (f *Func) CINC(cond string, x, to R) { f.emit("CINC", text(cond), x, to) }
func (f *Func) B(label string)            { f.emit("B", text(label)) }
func (f *Func) BEQ(label string)          { f.emit("BEQ", text(label)) }
func (f *Func) BGE(label string)          { f.emit("BGE", text(label)) }
func (f *Func) BLE(label string)          { f.emit("BLE", text(label)) }
func (f *Func) BLT(label string)          { f.emit("BLT", text(label)) }
func (f *Func) CBZ(x R, label string)     { f.emit("CBZ", x, text(label)) }
func (f *Func) CBNZ(x R, label string)    { f.emit("CBNZ", x, text(label)) }
func (f *Func) RET()                      { f.emit("RET") }
func (f *Func) FMOVS(from, to Operand)    { f.emit("FMOVS", from, to) }
func (f *Func) FMOVQ(from, to Operand)    { f.emit("FMOVQ", from, to) }
func (f *Func) FADDS(x, y, sum V)         { f.emit("FADDS", x.F(), y.F(), sum.F()) }
func (f *Func) FMADDS(x, y, sum V)        { f.emit("FMADDS", x.F(), sum.F(), y.F(), sum.F()) }
func (f *Func) VLD1P(from, to Operand)    { f.emit("VLD1.P", from, to) }
func (f *Func) VST1P(from, to Operand)    { f.emit("VST1.P", from, to) }
func (f *Func) VDUP(x Lane, to V)         { f.emit("VDUP", x, to) }
func (f *Func) VEOR(x, y, to V)           { f.emit("VEOR", x.bytes(), y.bytes(), to.bytes()) }

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
// Words are the opcode with the registers' numbers at bits 16, 5 and 0.

// VFMUL sets product to a lane times the vector y.
func (f *Func) VFMUL(x Lane, y, product V) { f.byLane(0x4f809000, "fmul", x, y, product) }

// VFADD sets sum to x + y.
func (f *Func) VFADD(x, y, sum V) { f.byVector(0x4e20d400, "fadd", x, y, sum) }

// VFADDP sets sum to the sums of neighbouring lanes: y's two, then x's.
func (f *Func) VFADDP(x, y, sum V) { f.byVector(0x6e20d400, "faddp", x, y, sum) }

func (f *Func) byVector(opcode uint32, name string, x, y, to V) {
	f.word(opcode|uint32(x)<<16|uint32(y)<<5|uint32(to), "%s v%d.4s, v%d.4s, v%d.4s", name, int(to), int(y), int(x))
}

// byLane emits a multiplication by a lane, whose index is at bits 11 and 21.
func (f *Func) byLane(opcode uint32, name string, x Lane, y, to V) {
	opcode |= uint32(x.Index>>1)<<11 | uint32(x.Index&1)<<21
	f.word(opcode|uint32(x.V)<<16|uint32(y)<<5|uint32(to), "%s v%d.4s, v%d.4s, v%d.s[%d]", name, int(to), int(y), int(x.V), x.Index)
}

func (f *Func) word(word uint32, format string, args ...any) {
	f.emit("WORD", text(fmt.Sprintf("$%#x // ", word)+fmt.Sprintf(format, args...)))
}
