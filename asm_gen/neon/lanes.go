package neon

import "fmt"

// Instructions of vectors that the lowering of kernels needs, lane by lane unless they say other.

// VFSUB sets rest to y - x.
func (f *Func) VFSUB(x, y, rest V) { f.byVector(0x4ea0d400, "fsub", x, y, rest) }

// VFDIV sets quotient to y / x.
func (f *Func) VFDIV(x, y, quotient V) { f.byVector(0x6e20fc00, "fdiv", x, y, quotient) }

// VFCMGT sets the lanes of mask to all ones where y > x, and to 0 elsewhere.
func (f *Func) VFCMGT(x, y, mask V) { f.byVector(0x6ea0e400, "fcmgt", x, y, mask) }

// VFCMGE is VFCMGT for y >= x.
func (f *Func) VFCMGE(x, y, mask V) { f.byVector(0x6e20e400, "fcmge", x, y, mask) }

// VFCMEQ is VFCMGT for y == x.
func (f *Func) VFCMEQ(x, y, mask V) { f.byVector(0x4e20e400, "fcmeq", x, y, mask) }

// VFSQRT sets root to the square root of x.
func (f *Func) VFSQRT(x, root V) { f.ofOne(0x6ea1f800, "fsqrt", x, root) }

// VFNEG sets to to -x.
func (f *Func) VFNEG(x, to V) { f.ofOne(0x6ea0f800, "fneg", x, to) }

// VSCVTF makes floats of signed integers.
func (f *Func) VSCVTF(x, to V) { f.ofOne(0x4e21d800, "scvtf", x, to) }

// VCMLT0 sets the lanes of mask to all ones where x, as an integer, is negative.
func (f *Func) VCMLT0(x, mask V) {
	f.word(0x4ea0a800|double(x)|unary(x, mask), "cmlt %s, %s, #0", mask.gnu(), x.gnu())
}

// VFCVTL makes float64 of the first two float32 of x.
func (f *Func) VFCVTL(x, to V) {
	f.word(0x0e617800|unary(x, to), "fcvtl v%d.2d, v%d.2s", to.Number, x.Number)
}

// VNOT sets to to the complement of x.
func (f *Func) VNOT(x, to V) {
	f.word(0x6e205800|unary(x, to), "mvn v%d.16b, v%d.16b", to.Number, x.Number)
}

// VSSHR shifts float32's bits to the right, as signed integers.
func (f *Func) VSSHR(bits int, x, to V) {
	f.word(0x4f000400|uint32(64-bits)<<16|unary(x, to), "sshr v%d.4s, v%d.4s, #%d", to.Number, x.Number, bits)
}

// VUMAXV sets lane 0 of to to the largest lane of x, as unsigned integers of 32 bits.
func (f *Func) VUMAXV(x, to V) {
	f.word(0x6eb0a800|unary(x, to), "umaxv s%d, v%d.4s", to.Number, x.Number)
}

// LDRQ loads 16 bytes at base + index bytes.
func (f *Func) LDRQ(base, index R, to V) {
	f.word(0x3ce06800|uint32(index)<<16|uint32(base)<<5|uint32(to.Number), "ldr q%d, [x%d,x%d]", to.Number, base, index)
}

// STRQ stores 16 bytes at base + index bytes.
func (f *Func) STRQ(from V, base, index R) {
	f.word(0x3ca06800|uint32(index)<<16|uint32(base)<<5|uint32(from.Number), "str q%d, [x%d,x%d]", from.Number, base, index)
}

// Those that Go's assembler knows:

func (f *Func) VMOV(x, to V)      { f.emit("VMOV", x.bytes(), to.bytes()) }
func (f *Func) VAND(x, y, to V)   { f.emit("VAND", x.bytes(), y.bytes(), to.bytes()) }
func (f *Func) VORR(x, y, to V)   { f.emit("VORR", x.bytes(), y.bytes(), to.bytes()) }
func (f *Func) VSUB(x, y, rest V) { f.emit("VSUB", x, y, rest) }
func (f *Func) VREV64(x, to V)    { f.emit("VREV64", x, to) }

// VFMLS takes x*y off sum, rounding once.
func (f *Func) VFMLS(x, y, sum V) { f.emit("VFMLS", x, y, sum) }

// VBSL sets mask to y where it has ones, and to x where it has zeros.
func (f *Func) VBSL(x, y, mask V) { f.emit("VBSL", x.bytes(), y.bytes(), mask.bytes()) }

// VBIT sets the bits of to that mask has to those of x.
func (f *Func) VBIT(mask, x, to V) { f.emit("VBIT", mask.bytes(), x.bytes(), to.bytes()) }

// VBIF sets the bits of to that mask lacks to those of x.
func (f *Func) VBIF(mask, x, to V) { f.emit("VBIF", mask.bytes(), x.bytes(), to.bytes()) }

// VSHL shifts bits to the left.
func (f *Func) VSHL(bits int, x, to V) { f.emit("VSHL", Imm(bits), x, to) }

// VEXT sets to to the bytes from the given one on of y, and then those of x.
func (f *Func) VEXT(from int, x, y, to V) {
	f.emit("VEXT", Imm(from), x.bytes(), y.bytes(), to.bytes())
}

func (f *Func) ofOne(opcode uint32, name string, x, to V) {
	f.word(opcode|double(to)|unary(x, to), "%s %s, %s", name, to.gnu(), x.gnu())
}

func unary(x, to V) uint32 { return uint32(x.Number)<<5 | uint32(to.Number) }

// Emit adds an instruction that has no method.
func (f *Func) Emit(opcode string, operands ...Operand) { f.emit(opcode, operands...) }

// Text is an operand as Go's assembler writes it.
func Text(operand string) Operand { return text(fmt.Sprint(operand)) }
