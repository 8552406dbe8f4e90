package lower

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/neon"
)

// jumps has arm64's conditional branches by amd64's, where integers have been compared.
var jumps = map[string]string{
	"JL": "BLT", "JGE": "BGE", "JG": "BGT", "JLE": "BLE", "JEQ": "BEQ", "JZ": "BEQ", "JNE": "BNE", "JNZ": "BNE",
}

// floatJumps has them where VUCOMIS has compared floats: amd64's below or equal and its parity are
// true of unordered ones.
var floatJumps = map[string]string{"JLS": "BLE", "JP": "BVS"}

// arithmetic is the operations of two operands that set the flags.
var arithmetic = map[string]string{"ADDQ": "ADDS", "SUBQ": "SUBS", "ANDQ": "ANDS"}

// general emits an instruction of general registers.
func (l *lowering) general(i instruction) {
	op := i.operands
	switch i.opcode {
	case "RET":
		l.RET()
	case "JMP":
		l.B(op[0])
	case "MOVL":
		if !isConstant(op[0]) {
			panic("a move of 32 bits that are no constant")
		}
		l.move(op[0], op[1])
	case "MOVQ":
		l.move(op[0], op[1])
	case "LEAQ":
		l.lea(memoryOf(op[0]), register(op[1]))
	case "ADDQ", "SUBQ", "ANDQ":
		l.update(op[1], func(r neon.R) { l.Emit(arithmetic[i.opcode], l.value(op[0]), r, r) })
		l.compared = i.opcode
	case "INCQ", "DECQ":
		opcode := map[string]string{"INCQ": "ADDS", "DECQ": "SUBS"}[i.opcode]
		l.update(op[0], func(r neon.R) { l.Emit(opcode, neon.Imm(1), r, r) })
		l.compared = i.opcode
	case "XORQ", "XORL":
		l.compared = "" // they set amd64's flags, and not arm64's
		if op[0] != op[1] {
			panic("an exclusive or that clears nothing")
		}
		l.MOVD(neon.Imm(0), register(op[1]))
	case "NEGQ":
		l.compared = ""
		l.Emit("NEG", register(op[0]), register(op[0]))
	case "SHLQ":
		l.compared = ""
		l.Emit("LSL", neon.Imm(constant(op[0])), register(op[1]), register(op[1]))
	case "SHRQ":
		l.compared = ""
		l.Emit("LSR", neon.Imm(constant(op[0])), register(op[1]), register(op[1]))
	case "IMULQ":
		l.compared = ""
		l.Emit("MUL", l.inRegister(op[0], value), register(op[1]), register(op[1]))
	case "BSFL":
		l.compared = ""
		l.Emit("RBITW", register(op[0]), register(op[1]))
		l.Emit("CLZW", register(op[1]), register(op[1]))
	case "CMPQ":
		first := l.inRegister(op[0], other)
		l.Emit("CMP", l.value(op[1]), first)
		l.compared = i.opcode
	case "TESTQ", "TESTL":
		if op[0] != op[1] {
			panic("a test of two operands")
		}
		opcode := map[string]string{"TESTQ": "CMP", "TESTL": "CMPW"}[i.opcode]
		l.Emit(opcode, neon.Imm(0), register(op[0]))
		l.compared = i.opcode
	case "PREFETCHT0":
		l.Emit("PRFM", neon.Ptr(l.pointer(memoryOf(op[0])), 0), neon.Text("PLDL1KEEP"))
	default:
		l.jump(i)
	}
}

// jump emits a conditional branch.
func (l *lowering) jump(i instruction) {
	table := jumps
	switch l.compared {
	case "":
		panic("nothing has been compared")
	case "VUCOMISS", "VUCOMISD":
		table = floatJumps
	}
	branch, ok := table[i.opcode]
	if !ok {
		panic(fmt.Sprintf("not known behind %s", l.compared))
	}
	l.Emit(branch, neon.Text(i.operands[0]))
}

// move copies 8 bytes, or a constant.
func (l *lowering) move(from, to string) {
	switch {
	case isRegister(to) && isConstant(from):
		l.MOVD(neon.Imm(constant(from)), register(to))
	case isRegister(to) && isRegister(from):
		l.MOVD(register(from), register(to))
	case isRegister(to):
		l.MOVD(l.reference(memoryOf(from)), register(to))
	default:
		r := l.inRegister(from, value)
		l.MOVD(r, l.reference(memoryOf(to)))
	}
}

// inRegister returns the register of an operand, loading it to spare if it is elsewhere.
func (l *lowering) inRegister(op string, spare neon.R) neon.R {
	switch {
	case isRegister(op):
		return register(op)
	case isConstant(op):
		l.MOVD(neon.Imm(constant(op)), spare)
	default:
		l.MOVD(l.reference(memoryOf(op)), spare)
	}
	return spare
}

// value is an operand that may be a constant.
func (l *lowering) value(op string) neon.Operand {
	if isConstant(op) {
		return neon.Imm(constant(op))
	}
	return l.inRegister(op, value)
}

// update lets do change the operand to, which may be in memory.
func (l *lowering) update(to string, do func(r neon.R)) {
	if isRegister(to) {
		do(register(to))
		return
	}
	m := memoryOf(to)
	l.MOVD(l.reference(m), other)
	do(other)
	l.MOVD(other, l.reference(m))
}
