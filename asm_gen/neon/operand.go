package neon

import (
	"fmt"
	"math/bits"
	"strings"
)

// Operand is what an instruction is given, as Go's assembler writes it.
type Operand = fmt.Stringer

// Element is the type of a vector's lanes: its size in bytes.
type Element int

const (
	Float32 Element = 4
	Float64 Element = 8
)

// Type is the element's type in Go.
func (e Element) Type() string { return fmt.Sprintf("float%d", 8*int(e)) }

// Lanes is how many elements a vector has.
func (e Element) Lanes() int { return 16 / int(e) }

// Shift is a constant: the shift that makes bytes of a count of elements.
func (e Element) Shift() Operand { return Imm(e.log()) }

// Scaled is a count of elements in r, in bytes.
func (e Element) Scaled(r R) Operand { return text(fmt.Sprintf("%v<<%d", r, e.log())) }

// V is vector register i as a vector of elements.
func (e Element) V(i int) V { return V{i, e} }

func (e Element) log() int { return bits.TrailingZeros(uint(e)) }

// letter is what names of instructions and lanes have for the element.
func (e Element) letter() string {
	if e == Float64 {
		return "D"
	}
	return "S"
}

// R is a general register.
type R int

func (r R) String() string { return fmt.Sprintf("R%d", int(r)) }

// V is a vector register. As an operand it is all of its lanes.
type V struct {
	Number int
	Of     Element
}

func (v V) String() string { return fmt.Sprintf("V%d.%s%d", v.Number, v.Of.letter(), v.Of.Lanes()) }

// Lane is lane i of v.
func (v V) Lane(i int) Lane { return Lane{v, i} }

// F is v as a scalar register, which is its lane 0; to write it clears the
// other lanes.
func (v V) F() Scalar { return Scalar(v) }

// bytes is v as 16 bytes.
func (v V) bytes() Operand { return text(fmt.Sprintf("V%d.B16", v.Number)) }

// gnu is v in GNU syntax.
func (v V) gnu() string {
	return fmt.Sprintf("v%d.%d%s", v.Number, v.Of.Lanes(), strings.ToLower(v.Of.letter()))
}

// Lane is one element of a vector register.
type Lane struct {
	V     V
	Index int
}

func (l Lane) String() string { return fmt.Sprintf("V%d.%s[%d]", l.V.Number, l.V.Of.letter(), l.Index) }

// gnu is l in GNU syntax.
func (l Lane) gnu() string {
	return fmt.Sprintf("v%d.%s[%d]", l.V.Number, strings.ToLower(l.V.Of.letter()), l.Index)
}

// Scalar is a vector register as one element.
type Scalar V

func (s Scalar) String() string { return fmt.Sprintf("F%d", s.Number) }

// List is one to four consecutive vector registers.
func List(vs ...V) Operand {
	names := make([]string, len(vs))
	for i, v := range vs {
		names[i] = v.String()
	}
	return text("[" + strings.Join(names, ", ") + "]")
}

// Part is elements of one vector register, of a width in elements that is a power of 2: the lowest
// ones or, upper, those above them. To load the lowest half clears the upper one; other parts leave
// the rest of the register as it was.
func (v V) Part(width int, upper bool) Operand {
	switch bytes := width * int(v.Of); {
	case bytes == 16:
		return List(v)
	case bytes == 8 && upper:
		return Float64.V(v.Number).Lane(1)
	case bytes == 8:
		return text(fmt.Sprintf("[V%d.%s%d]", v.Number, v.Of.letter(), width))
	case upper:
		return v.Lane(1)
	}
	return v.Lane(0)
}

// Imm is a constant.
func Imm(n int) Operand { return text(fmt.Sprintf("$%d", n)) }

// Ptr is the memory at base + disp bytes.
func Ptr(base R, disp int) Operand {
	if disp == 0 {
		return text(fmt.Sprintf("(%v)", base))
	}
	return text(fmt.Sprintf("%d(%v)", disp, base))
}

// Zero is the register that reads as 0.
var Zero Operand = text("ZR")

// Times4 is r four times.
func Times4(r R) Operand { return text(fmt.Sprintf("%v<<2", r)) }

// Indexed is the memory at base + index bytes.
func Indexed(base, index R) Operand { return text(fmt.Sprintf("(%v)(%v)", base, index)) }

// Post is the memory at base, to which stride bytes are added afterwards.
func Post(base, stride R) Operand { return text(fmt.Sprintf("(%v)(%v)", base, stride)) }

type text string

func (t text) String() string { return string(t) }
