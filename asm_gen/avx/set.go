// Package avx is the small vocabulary that the amd64 generators are written
// in: instruction sets with their registers, loops over slices with their
// tails, and masks.
//
// Vector registers are named by number, because a kernel's plan for them is
// part of its design; general registers are left to avo's allocator.
package avx

import (
	"flag"
	"fmt"
	"os"

	"github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// Set is an instruction set as a generator sees it.
type Set struct {
	Name      string // as in function names
	Lanes     int    // float32 lanes of a vector register
	Registers int    // vector registers
	reg       func(i int) reg.Register
}

// Sets lists the instruction sets by the name that file names use.
var Sets = map[string]Set{
	"avx2":   {Name: "AVX2", Lanes: 8, Registers: 16, reg: Y},
	"avx512": {Name: "AVX512", Lanes: 16, Registers: 32, reg: Z},
}

// V returns vector register i at the set's full width.
func (s Set) V(i int) reg.Register {
	if i >= s.Registers {
		panic(fmt.Sprintf("asm_gen: %s has no vector register %d", s.Name, i))
	}
	return s.reg(i)
}

// Half returns vector register i at half the set's width.
func (s Set) Half(i int) reg.Register {
	if s.Wide() {
		return Y(i)
	}
	return X(i)
}

// Wide reports whether the set has 512-bit registers and opmasks.
func (s Set) Wide() bool { return s.Lanes == 16 }

// X, Y and Z return vector register i at 128, 256 and 512 bits.
func X(i int) reg.Register { return vector(i, reg.S128) }
func Y(i int) reg.Register { return vector(i, reg.S256) }
func Z(i int) reg.Register { return vector(i, reg.S512) }

func vector(i int, s reg.Spec) reg.Register {
	return reg.Vector.Lookup(reg.Index(i), s)
}

// Ptr is the memory at base + disp bytes.
func Ptr(base reg.Register, disp int) operand.Mem { return operand.Mem{Base: base, Disp: disp} }

// Program generates one file: the kernels that emit writes for the set named by
// the flag -isa.
func Program(emit func(Set)) {
	isa := flag.String("isa", "", "instruction set: avx2 or avx512")
	flag.Parse()
	s, ok := Sets[*isa]
	if !ok {
		fmt.Fprintf(os.Stderr, "asm_gen: -isa %q: want avx2 or avx512\n", *isa)
		os.Exit(2)
	}
	build.ConstraintExpr("amd64,!purego")
	emit(s)
	build.Generate()
}
