package tile

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Steps is how many steps along k an unrolled loop takes at once: as many as Strides reach.
const Steps = 4

// Strides are the bytes from one step along k to the next, and three times that. An index of memory
// scales the other steps.
type Strides [2]reg.Register

// StridesOf loads the parameter that counts a stride's elements.
func StridesOf(s isa.Set, parameter string) Strides {
	once, triple := Stride(s, parameter), GP64()
	LEAQ(operand.Mem{Base: once, Index: once, Scale: 2}, triple)
	return Strides{once, triple}
}

// At is the memory some steps, fewer than Steps, and some bytes behind base.
func (s Strides) At(base reg.Register, step, bytes int) operand.Mem {
	m := operand.Mem{Base: base, Disp: bytes}
	switch step {
	case 1, 2:
		m.Index, m.Scale = s[0], uint8(step)
	case 3:
		m.Index, m.Scale = s[1], 1
	}
	return m
}
