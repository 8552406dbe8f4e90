package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// AVX2's FMAs have the arithmetic of VDPBF16PS if MXCSR says that denormal values are zeros, and
// that denormal results become zeros. A kernel of pairs sets MXCSR for its sums, and back for what
// follows them. No Go code ever runs with the changed one: kernels are NOSPLIT and call nothing, Go
// preempts no assembly, and a signal's handler has an MXCSR of its own.

// pairsMXCSR is: round to nearest, no exceptions, denormal values and results are zeros.
const pairsMXCSR = 0x1f80 | 1<<6 | 1<<15

var pairsControl *operand.Mem

// control is pairsMXCSR in memory.
func control() operand.Mem {
	if pairsControl == nil {
		m := GLOBL("pairsControl", attr.RODATA|attr.NOPTR)
		DATA(0, operand.U32(pairsMXCSR))
		pairsControl = &m
	}
	return *pairsControl
}

// saved is where a kernel keeps the MXCSR that it found: in the place of its parameter n, which is
// in a register by then.
func saved() operand.Mem { return isa.Parameter("n") }

// beginPairs keeps MXCSR, and loads the mask of odd values.
func (t gemm) beginPairs() {
	STMXCSR(saved())
	t.LoadOddMask()
}
