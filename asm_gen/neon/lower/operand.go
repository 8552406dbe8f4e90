package lower

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/asm_gen/neon"
)

// general is where amd64's general registers go.
var general = map[string]neon.R{
	"AX": 0, "CX": 1, "DX": 2, "BX": 3, "SI": 4, "DI": 5, "R8": 6, "R9": 7, "R10": 8,
	"R11": 9, "R12": 10, "R13": 11, "R14": 12, "R15": 13, "BP": 14,
}

// Registers at hand: for addresses, for values, and V28 up for vectors.
const (
	address neon.R = 15
	value   neon.R = 19
	other   neon.R = 20
	spare          = Registers
)

func isRegister(op string) bool { _, ok := general[op]; return ok }

func register(op string) neon.R {
	r, ok := general[op]
	if !ok {
		panic(fmt.Sprintf("%s is no general register", op))
	}
	return r
}

var vectorName = regexp.MustCompile(`^X(\d+)$`)

func isVector(op string) bool { return vectorName.MatchString(op) }

// number is the number of a vector register.
func number(op string) int {
	m := vectorName.FindStringSubmatch(op)
	if m == nil {
		panic(fmt.Sprintf("%s is no vector register of 128 bits", op))
	}
	n, _ := strconv.Atoi(m[1])
	if n >= Registers {
		panic(fmt.Sprintf("%s is the lowering's", op))
	}
	return n
}

func isConstant(op string) bool { return strings.HasPrefix(op, "$") }

// constant is the value of an immediate operand.
func constant(op string) int {
	if !isConstant(op) {
		panic(fmt.Sprintf("%s is no constant", op))
	}
	n, err := strconv.ParseInt(op[1:], 0, 64)
	if err != nil {
		u, err := strconv.ParseUint(op[1:], 0, 64)
		if err != nil {
			panic(err)
		}
		return int(u)
	}
	return int(n)
}

// memory is an operand in memory: a parameter or a symbol, as Go's assembler writes it, or
// registers with a displacement.
type memory struct {
	named       string
	base, index neon.R
	indexed     bool
	shift       int // of the index
	disp        int
}

var (
	symbol = regexp.MustCompile(`^(\w+)<>\+0\(SB\)$`)
	place  = regexp.MustCompile(`^(-?\d+)?\((\w+)\)(?:\((\w+)\*(\d)\))?$`)
)

// stack stands for the stack pointer as a base.
const stack neon.R = -1

// memoryOf reads an operand in memory.
func memoryOf(op string) memory {
	if strings.HasSuffix(op, "(FP)") {
		return memory{named: op}
	}
	if m := symbol.FindStringSubmatch(op); m != nil {
		return memory{named: m[1] + "<>(SB)"}
	}
	m := place.FindStringSubmatch(op)
	if m == nil {
		panic(fmt.Sprintf("%s is no operand in memory", op))
	}
	var at memory
	at.disp, _ = strconv.Atoi(m[1])
	if m[2] == "SP" {
		if at.base = stack; m[3] != "" {
			panic("an index on the stack")
		}
	} else {
		at.base = register(m[2])
	}
	if m[3] != "" {
		at.index, at.indexed = register(m[3]), true
		at.shift = map[string]int{"1": 0, "2": 1, "4": 2, "8": 3}[m[4]]
	}
	return at
}

// offset reports whether m is at the sum of two registers, for which loads and stores have a form.
func (m memory) offset() bool { return m.indexed && m.shift == 0 && m.disp == 0 }

// reference returns memory as an operand of a load or a store. It may leave the address in a
// register at hand. Vectors at the sum of two registers have LDRQ and STRQ instead.
func (l *lowering) reference(m memory) neon.Operand {
	switch {
	case strings.HasSuffix(m.named, "(SB)"):
		l.Emit("MOVD", neon.Text("$"+m.named), address)
		return neon.Ptr(address, 0)
	case m.named != "":
		return neon.Text(m.named)
	case m.base == stack:
		return neon.Text(fmt.Sprintf("%d(RSP)", m.disp+8)) // the return address lies below
	case m.offset():
		return neon.Indexed(m.base, m.index)
	case m.indexed:
		l.Emit("ADD", shifted(m.index, m.shift), m.base, address)
		return neon.Ptr(address, m.disp)
	}
	return neon.Ptr(m.base, m.disp)
}

// pointer returns a register with the address of m.
func (l *lowering) pointer(m memory) neon.R {
	switch {
	case m.named == "" && m.base != stack && !m.indexed && m.disp == 0:
		return m.base
	case strings.HasSuffix(m.named, "(FP)"):
		panic("the address of a parameter")
	}
	l.lea(m, address)
	return address
}

// lea sets r to the address of m.
func (l *lowering) lea(m memory, r neon.R) {
	switch {
	case m.named != "":
		l.Emit("MOVD", neon.Text("$"+m.named), r)
		return
	case m.base == stack:
		l.Emit("MOVD", neon.Text(fmt.Sprintf("$%d(RSP)", m.disp+8)), r)
		return
	case m.indexed:
		l.Emit("ADD", shifted(m.index, m.shift), m.base, r)
	case m.disp == 0:
		l.Emit("MOVD", m.base, r)
		return
	default:
		l.add(m.disp, m.base, r)
		return
	}
	if m.disp != 0 {
		l.add(m.disp, r, r)
	}
}

// add sets r to x + n.
func (l *lowering) add(n int, x, r neon.R) {
	if n < 0 {
		l.Emit("SUB", neon.Imm(-n), x, r)
	} else {
		l.Emit("ADD", neon.Imm(n), x, r)
	}
}

// shifted is a register's value times a power of two.
func shifted(r neon.R, shift int) neon.Operand {
	if shift == 0 {
		return r
	}
	return neon.Text(fmt.Sprintf("%v<<%d", r, shift))
}
