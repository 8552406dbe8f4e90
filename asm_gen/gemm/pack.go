package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/isa"
	"github.com/steppe-ml/steppe/asm_gen/panels"
	"github.com/steppe-ml/steppe/asm_gen/tile"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// copyPanels emits the packer of rows that are contiguous already. It goes along
// the rows, panel by panel, as the hardware's prefetchers like it best.
func copyPanels(s isa.Set) {
	name := fmt.Sprint("copyPanels", s.Float, s.Name)
	TEXT(name, attr.NOSPLIT, s.Typed("func(rows, panels int, src *T, srcRow int, dst *T, dstPanel int)"))
	Doc(fmt.Sprintf("%s copies rows of panels*%[2]d elements, srcRow elements apart, to as many panels, dstPanel elements apart, of rows of %[2]d.", name, 2*s.Lanes()))
	rows, panels := Load(Param("rows"), GP64()), Load(Param("panels"), GP64())
	src, srcRow := Load(Param("src"), GP64()), Load(Param("srcRow"), GP64())
	dst, dstPanel := Load(Param("dst"), GP64()), Load(Param("dstPanel"), GP64())
	s.BytesOf(srcRow)
	s.BytesOf(dstPanel)
	from, to, left := GP64(), GP64(), GP64()

	Label("row")
	MOVQ(src, from)
	MOVQ(dst, to)
	MOVQ(panels, left)
	Label("panel")
	for v := range 2 {
		VMOVUPS(isa.Ptr(from, s.Bytes*v), s.V(v))
		VMOVUPS(s.V(v), isa.Ptr(to, s.Bytes*v))
	}
	ADDQ(operand.U32(2*s.Bytes), from)
	ADDQ(dstPanel, to)
	DECQ(left)
	JNZ(operand.LabelRef("panel"))
	ADDQ(srcRow, src)
	ADDQ(operand.U32(2*s.Bytes), dst)
	DECQ(rows)
	JNZ(operand.LabelRef("row"))
	isa.End()
}

// copyTiles emits the packer of a transposed A: its rows in memory, which are
// columns, become tiles of as many rows as a whole panel's have.
func copyTiles(s isa.Set) {
	name, height := fmt.Sprint("copyTiles", s.Float, s.Name), wholePanel(s).Rows
	TEXT(name, attr.NOSPLIT, s.Typed("func(columns, tiles int, src *T, srcColumn, srcTile int, dst *T, dstTile int)"))
	Doc(fmt.Sprintf("%s copies %d elements of each column of each tile: tiles are srcTile elements apart and become dstTile, columns are srcColumn elements apart and become %[2]d.", name, height))
	columns, tiles := Load(Param("columns"), GP64()), Load(Param("tiles"), GP64())
	src, dst := Load(Param("src"), GP64()), Load(Param("dst"), GP64())
	srcColumn, srcTile, dstTile := tile.Stride(s, "srcColumn"), tile.Stride(s, "srcTile"), tile.Stride(s, "dstTile")
	from, to, left := GP64(), GP64(), GP64()

	Label("column")
	MOVQ(src, from)
	MOVQ(dst, to)
	MOVQ(tiles, left)
	Label("tile")
	for at, left := 0, height*s.Size(); left > 0; { // by vectors of 32, 16 and 8 bytes
		size, move, r := 8, VMOVSD, isa.X(0)
		if left >= 32 {
			size, move, r = 32, VMOVUPS, isa.Y(0)
		} else if left >= 16 {
			size, move, r = 16, VMOVUPS, isa.X(0)
		}
		move(isa.Ptr(from, at), r)
		move(r, isa.Ptr(to, at))
		at, left = at+size, left-size
	}
	ADDQ(srcTile, from)
	ADDQ(dstTile, to)
	DECQ(left)
	JNZ(operand.LabelRef("tile"))
	ADDQ(srcColumn, src)
	ADDQ(operand.U32(height*s.Size()), dst)
	DECQ(columns)
	JNZ(operand.LabelRef("column"))
	isa.End()
}

// transpose emits the inner loop of the transposing packer: as many rows as a
// vector has lanes become columns, one square block after the other.
func transpose(s isa.Set) {
	name, side := fmt.Sprint("transpose", s.Float, s.Name), s.Lanes()
	TEXT(name, attr.NOSPLIT, s.Typed("func(blocks int, src *T, srcRow int, dst *T, dstRow int)"))
	Doc(fmt.Sprintf("%s transposes %[2]d rows of %[2]d*blocks columns at src to %[2]d*blocks rows of %[2]d columns at dst.", name, side))
	blocks := Load(Param("blocks"), GP64())
	src, srcRow := Load(Param("src"), GP64()), Load(Param("srcRow"), GP64())
	dst, dstRow := Load(Param("dst"), GP64()), Load(Param("dstRow"), GP64())
	s.BytesOf(srcRow)
	s.BytesOf(dstRow)
	row, lower, out := GP64(), GP64(), GP64()

	Label("block")
	MOVQ(src, row)
	LEAQ(operand.Mem{Base: src, Index: srcRow, Scale: uint8(side / 2)}, lower)
	for i := range side / 2 { // Y(i): the left half of rows i and i + side/2; Y(i + side/2): the right half
		VMOVUPS(isa.Ptr(row, 0), isa.X(i))
		VMOVUPS(isa.Ptr(row, 16), isa.X(i+side/2))
		VINSERTF128(operand.U8(1), isa.Ptr(lower, 0), isa.Y(i), isa.Y(i))
		VINSERTF128(operand.U8(1), isa.Ptr(lower, 16), isa.Y(i+side/2), isa.Y(i+side/2))
		ADDQ(srcRow, row)
		ADDQ(srcRow, lower)
	}
	MOVQ(dst, out)
	for half := 0; half < side; half += side / 2 {
		for _, r := range transposeLanes(s, half) {
			VMOVUPS(r, operand.Mem{Base: out})
			ADDQ(dstRow, out)
		}
	}
	ADDQ(operand.U32(s.Bytes), src)
	MOVQ(out, dst)
	DECQ(blocks)
	JNZ(operand.LabelRef("block"))
	isa.End()
}

// transposeLanes transposes the square block in each 128-bit lane of the
// registers from first, and returns where its rows are then. It uses registers
// from 8.
func transposeLanes(s isa.Set, first int) (rows []reg.Register) {
	r := func(i int) reg.Register { return isa.Y(first + i) }
	t := func(i int) reg.Register { return isa.Y(8 + i) }
	if s.Float == 64 { // 2x2
		VUNPCKLPD(r(1), r(0), t(0))
		VUNPCKHPD(r(1), r(0), t(1))
		return []reg.Register{t(0), t(1)}
	}
	VUNPCKLPS(r(1), r(0), t(0)) // 4x4
	VUNPCKHPS(r(1), r(0), t(1))
	VUNPCKLPS(r(3), r(2), t(2))
	VUNPCKHPS(r(3), r(2), t(3))
	for i := range 4 {
		unpack := VUNPCKLPD
		if i%2 == 1 {
			unpack = VUNPCKHPD
		}
		unpack(t(i/2+2), t(i/2), r(i))
		rows = append(rows, r(i))
	}
	return rows
}

// wholePanel is the kind of tiles for whole panels.
func wholePanel(s isa.Set) panels.Panel {
	kinds := panels.Of[s.Name]
	return kinds[len(kinds)-1]
}
