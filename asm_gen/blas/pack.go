package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/avx"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
)

// copyRows emits the packer of rows that are contiguous already.
func copyRows(s avx.Set) {
	TEXT("copyRows"+s.Name, attr.NOSPLIT, "func(rows int, src *float32, srcRow int, dst *float32)")
	Doc(fmt.Sprintf("copyRows%s copies rows of %d floats, srcRow floats apart, one behind the other.", s.Name, 2*s.Lanes))
	rows, src := Load(Param("rows"), GP64()), Load(Param("src"), GP64())
	srcRow, dst := Load(Param("srcRow"), GP64()), Load(Param("dst"), GP64())
	SHLQ(operand.U8(2), srcRow)

	Label("row")
	for v := range 2 {
		VMOVUPS(avx.Ptr(src, 4*s.Lanes*v), s.V(v))
		VMOVUPS(s.V(v), avx.Ptr(dst, 4*s.Lanes*v))
	}
	ADDQ(srcRow, src)
	ADDQ(operand.U32(2*4*s.Lanes), dst)
	DECQ(rows)
	JNZ(operand.LabelRef("row"))
	avx.End()
}

// transpose8 emits the inner loop of the transposing packer: 8 rows become 8
// columns, one block of 8x8 after the other.
func transpose8(s avx.Set) {
	TEXT("transpose8"+s.Name, attr.NOSPLIT, "func(blocks int, src *float32, srcRow int, dst *float32, dstRow int)")
	Doc("transpose8" + s.Name + " transposes 8 rows of 8*blocks columns at src to 8*blocks rows of 8 columns at dst.")
	blocks := Load(Param("blocks"), GP64())
	src, srcRow := Load(Param("src"), GP64()), Load(Param("srcRow"), GP64())
	dst, dstRow := Load(Param("dst"), GP64()), Load(Param("dstRow"), GP64())
	SHLQ(operand.U8(2), srcRow)
	SHLQ(operand.U8(2), dstRow)
	row, lower, out := GP64(), GP64(), GP64()

	Label("block")
	MOVQ(src, row)
	LEAQ(operand.Mem{Base: src, Index: srcRow, Scale: 4}, lower)
	for i := range 4 { // Y(i): columns 0-3 of rows i and i+4; Y(i+4): columns 4-7
		VMOVUPS(avx.Ptr(row, 0), avx.X(i))
		VMOVUPS(avx.Ptr(row, 16), avx.X(i+4))
		VINSERTF128(operand.U8(1), avx.Ptr(lower, 0), avx.Y(i), avx.Y(i))
		VINSERTF128(operand.U8(1), avx.Ptr(lower, 16), avx.Y(i+4), avx.Y(i+4))
		ADDQ(srcRow, row)
		ADDQ(srcRow, lower)
	}
	MOVQ(dst, out)
	for half := 0; half < 8; half += 4 { // 4x4 in each 128-bit lane
		r := func(i int) operand.Op { return avx.Y(half + i) }
		t := func(i int) operand.Op { return avx.Y(8 + i) }
		VUNPCKLPS(r(1), r(0), t(0))
		VUNPCKHPS(r(1), r(0), t(1))
		VUNPCKLPS(r(3), r(2), t(2))
		VUNPCKHPS(r(3), r(2), t(3))
		for i := range 4 {
			low, high := t(i/2), t(i/2+2)
			if i%2 == 0 {
				VUNPCKLPD(high, low, r(i))
			} else {
				VUNPCKHPD(high, low, r(i))
			}
			VMOVUPS(r(i), operand.Mem{Base: out})
			ADDQ(dstRow, out)
		}
	}
	ADDQ(operand.U32(32), src)
	MOVQ(out, dst)
	DECQ(blocks)
	JNZ(operand.LabelRef("block"))
	avx.End()
}
