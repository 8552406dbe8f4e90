package neon

import (
	"fmt"
	"strings"
)

// Operand is what an instruction is given, as Go's assembler writes it.
type Operand = fmt.Stringer

// R is a general register.
type R int

func (r R) String() string { return fmt.Sprintf("R%d", int(r)) }

// Times4 is r*4: what a count of float32 is in bytes.
func (r R) Times4() Operand { return text(r.String() + "<<2") }

// V is a vector register. As an operand it is its four float32 lanes.
type V int

func (v V) String() string { return fmt.Sprintf("V%d.S4", int(v)) }

// S is one lane of v.
func (v V) S(lane int) Lane { return Lane{v, lane} }

// F is v as a scalar register, which is its lane 0; to write it clears the
// other lanes.
func (v V) F() Operand { return text(fmt.Sprintf("F%d", int(v))) }

// bytes is v as 16 bytes.
func (v V) bytes() Operand { return text(fmt.Sprintf("V%d.B16", int(v))) }

// Lane is one float32 of a vector register.
type Lane struct {
	V     V
	Index int
}

func (l Lane) String() string { return fmt.Sprintf("V%d.S[%d]", int(l.V), l.Index) }

// List is one to four consecutive vector registers.
func List(vs ...V) Operand {
	names := make([]string, len(vs))
	for i, v := range vs {
		names[i] = v.String()
	}
	return text("[" + strings.Join(names, ", ") + "]")
}

// Imm is a constant.
func Imm(n int) Operand { return text(fmt.Sprintf("$%d", n)) }

// Bits is a constant that is a pattern of bits.
func Bits(n uint32) Operand { return text(fmt.Sprintf("$%#x", n)) }

// Ptr is the memory at base + disp bytes.
func Ptr(base R, disp int) Operand {
	if disp == 0 {
		return text(fmt.Sprintf("(%v)", base))
	}
	return text(fmt.Sprintf("%d(%v)", disp, base))
}

// Index is the memory at base + index float32s.
func Index(base, index R) Operand { return text(fmt.Sprintf("(%v)(%v<<2)", base, index)) }

// Post is the memory at base, to which stride bytes are added afterwards.
func Post(base, stride R) Operand { return text(fmt.Sprintf("(%v)(%v)", base, stride)) }

type text string

func (t text) String() string { return string(t) }
