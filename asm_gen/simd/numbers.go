package main

import (
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// numbers is the constants of a kernel, each in every lane of a vector: in registers
// as far as there are any, then in memory.
type numbers struct {
	isa.Set
	at map[uint32]operand.Op
}

// hold loads constants to the registers from number first on, as far as they go: those
// that are named last stay in memory. AVX2's register 15 is the tail's mask.
func hold(s isa.Set, first int, values ...float32) numbers {
	c := numbers{s, map[uint32]operand.Op{}}
	end := s.Registers
	if s.Name == "AVX2" {
		end--
	}
	for _, v := range values {
		bits := math.Float32bits(v)
		if _, known := c.at[bits]; known {
			continue
		}
		c.at[bits] = inMemory(s, bits)
		if first < end {
			VMOVUPS(c.at[bits], s.V(first))
			c.at[bits] = s.V(first)
			first++
		}
	}
	return c
}

// of is the constant v, for an operand that may be in memory: the one that Go's
// assembler takes first.
func (c numbers) of(v float32) operand.Op {
	op, ok := c.at[math.Float32bits(v)]
	if !ok {
		panic(fmt.Sprintf("asm_gen: the constant %g is not held", v))
	}
	return op
}

// in is the constant v, for an operand that must be a register.
func (c numbers) in(v float32) reg.Register {
	r, ok := c.of(v).(reg.Register)
	if !ok {
		panic(fmt.Sprintf("asm_gen: the constant %g is in no register", v))
	}
	return r
}

var inFile = map[uint32]operand.Mem{}

// inMemory is a vector of a constant in the file's read-only data.
func inMemory(s isa.Set, bits uint32) operand.Mem {
	if m, known := inFile[bits]; known {
		return m
	}
	m := GLOBL(fmt.Sprintf("number%08x", bits), attr.RODATA|attr.NOPTR)
	for i := range s.Lanes() {
		DATA(4*i, operand.U32(bits))
	}
	inFile[bits] = m
	return m
}
