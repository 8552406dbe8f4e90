package evex

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Assembly returns Go assembly with bytes in place of the instructions of this package, each with a
// comment that says in GNU syntax what they are.
func Assembly(text []byte) ([]byte, error) {
	lines := strings.Split(string(text), "\n")
	for n, line := range lines {
		name, _, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ = strings.Cut(name, ".")
		if _, ours := opcodes[name]; !ours {
			continue
		}
		i, err := parse(opcodes, line)
		if err != nil {
			return nil, fmt.Errorf("evex: line %d, %q: %w", n+1, strings.TrimSpace(line), err)
		}
		bytes, err := i.encode()
		if err != nil {
			return nil, fmt.Errorf("evex: line %d, %q: %w", n+1, strings.TrimSpace(line), err)
		}
		directives := make([]string, len(bytes))
		for at, b := range bytes {
			directives[at] = fmt.Sprintf("BYTE $0x%02x", b)
		}
		lines[n] = "\t" + strings.Join(directives, "; ") + " // " + i.String()
	}
	return []byte(strings.Join(lines, "\n")), nil
}

var (
	line     = regexp.MustCompile(`^\s*([A-Z0-9]+)((?:\.[A-Z]+)*)\s+(.*?)\s*$`)
	operands = regexp.MustCompile(`,\s*`)
	register = regexp.MustCompile(`^([XYZK])(\d+)$`)
	address  = regexp.MustCompile(`^(-?\d+)?\(([A-Z0-9]+)\)(?:\(([A-Z0-9]+)\*([1248])\))?$`)
)

// general is the names of general registers, in Go's syntax, by their numbers.
var general = strings.Fields("AX CX DX BX SP BP SI DI R8 R9 R10 R11 R12 R13 R14 R15")

// parse reads an instruction in Go's syntax: the source, the second source, the opmask and the
// destination.
func parse(opcodes map[string]opcode, text string) (*instruction, error) {
	m := line.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("no instruction with operands")
	}
	op, ok := opcodes[m[1]]
	if !ok {
		return nil, fmt.Errorf("unknown instruction %s", m[1])
	}
	i := &instruction{name: m[1], opcode: op}
	broadcast := false
	for _, suffix := range strings.Split(m[2], ".")[1:] {
		switch {
		case suffix == "BCST" && !broadcast:
			broadcast = true
		case suffix == "Z" && !i.zero:
			i.zero = true
		default:
			return nil, fmt.Errorf("suffix %s, want BCST or Z, once", suffix)
		}
	}

	ops := operands.Split(m[3], -1)
	if at := len(ops) - 2; at > 0 && strings.HasPrefix(ops[at], "K") {
		k := register.FindStringSubmatch(ops[at])
		if k == nil || len(k[2]) > 1 || k[2] < "1" || k[2] > "7" {
			return nil, fmt.Errorf("opmask %s, want K1 to K7", ops[at])
		}
		i.mask, _ = strconv.Atoi(k[2])
		ops = slices.Delete(ops, at, at+1)
	}
	want := 3
	if op.two {
		want = 2
	}
	if len(ops) != want {
		return nil, fmt.Errorf("%d operands besides an opmask, want %d", len(ops), want)
	}

	var err error
	if i.destination, err = parseVector(ops[want-1]); err != nil {
		return nil, err
	}
	if !op.two {
		if i.second, err = parseVector(ops[1]); err != nil {
			return nil, err
		}
	}
	if !strings.Contains(ops[0], "(") {
		if broadcast {
			return nil, fmt.Errorf("a broadcast of register %s", ops[0])
		}
		i.register, err = parseVector(ops[0])
		return i, err
	}
	if op.halves && i.destination.bytes == 16 {
		return nil, fmt.Errorf("memory as the source of half a vector of 16 bytes, which may be 16 or 32 of it")
	}
	i.memory, err = parseMemory(ops[0])
	if err == nil {
		i.memory.broadcast = broadcast
	}
	return i, err
}

func parseVector(text string) (vector, error) {
	m := register.FindStringSubmatch(text)
	if m == nil || m[1] == "K" {
		return vector{}, fmt.Errorf("operand %s, want a vector register", text)
	}
	number, err := strconv.Atoi(m[2])
	if err != nil || number > 31 {
		return vector{}, fmt.Errorf("operand %s: there are 32 vector registers", text)
	}
	return vector{number, map[string]int{"X": 16, "Y": 32, "Z": 64}[m[1]]}, nil
}

func parseMemory(text string) (*memory, error) {
	m := address.FindStringSubmatch(text)
	if m == nil {
		return nil, fmt.Errorf("operand %s, want memory at displacement(base)(index*scale)", text)
	}
	of := &memory{base: slices.Index(general, m[2]), index: -1}
	if of.base < 0 {
		return nil, fmt.Errorf("operand %s: base %s, want a general register", text, m[2])
	}
	if m[1] != "" {
		displacement, err := strconv.ParseInt(m[1], 10, 32)
		if err != nil {
			return nil, fmt.Errorf("operand %s: %w", text, err)
		}
		of.displacement = int(displacement)
	}
	if m[3] != "" {
		if of.index = slices.Index(general, m[3]); of.index < 0 {
			return nil, fmt.Errorf("operand %s: index %s, want a general register", text, m[3])
		}
		of.scale, _ = strconv.Atoi(m[4])
	}
	return of, nil
}

// String returns i in GNU syntax, as objdump prints it.
func (i *instruction) String() string {
	source := i.register.String()
	if i.memory != nil {
		source = i.memory.String()
		if i.memory.broadcast {
			source += fmt.Sprintf("{1to%d}", i.bytes()/4)
		}
	}
	s := strings.ToLower(i.name) + " " + source
	if !i.two {
		s += "," + i.second.String()
	}
	s += "," + i.destination.String()
	if i.mask > 0 {
		s += fmt.Sprintf("{%%k%d}", i.mask)
	}
	if i.zero {
		s += "{z}"
	}
	return s
}

func (v vector) String() string {
	return fmt.Sprintf("%%%smm%d", map[int]string{16: "x", 32: "y", 64: "z"}[v.bytes], v.number)
}

func (m *memory) String() string {
	s := ""
	switch {
	case m.displacement < 0:
		s = fmt.Sprintf("-0x%x", -m.displacement)
	case m.displacement > 0 || m.base&7 == framePointer: // which always has one
		s = fmt.Sprintf("0x%x", m.displacement)
	}
	s += "(" + gnu(m.base)
	if m.index >= 0 {
		s += fmt.Sprintf(",%s,%d", gnu(m.index), m.scale)
	}
	return s + ")"
}

// gnu is the name of a general register in GNU syntax.
func gnu(register int) string {
	if register < 8 {
		return "%r" + strings.ToLower(general[register])
	}
	return "%" + strings.ToLower(general[register])
}
