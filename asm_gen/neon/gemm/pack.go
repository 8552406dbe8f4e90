package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/neon"
	"github.com/steppe-ml/steppe/asm_gen/panels"
)

// copyPanels emits the packer of rows that are contiguous already. It goes along
// the rows, panel by panel, as the hardware's prefetchers like it best.
func (k kernels) copyPanels() {
	of := k.of
	f := k.begin(fmt.Sprint("copyPanels", k.bits), "func(rows, panels int, src *T, srcRow int, dst *T, dstPanel int)",
		fmt.Sprintf("copies rows of panels*%[1]d elements, srcRow elements apart, to as many panels, dstPanel elements apart, of rows of %[1]d.", whole().Most*of.Lanes()))
	rows, panels := f.Load("rows", f.R()), f.Load("panels", f.R())
	src, srcRow := f.Load("src", f.R()), f.Load("srcRow", f.R())
	dst, dstPanel := f.Load("dst", f.R()), f.Load("dstPanel", f.R())
	from, to, left := f.R(), f.R(), f.R()
	f.LSL(of.Shift(), srcRow, srcRow)
	f.LSL(of.Shift(), dstPanel, dstPanel)
	row, bytes := vectors(of, 0, whole().Most), 16*whole().Most // of a panel

	f.Label("row")
	f.MOVD(src, from)
	f.MOVD(dst, to)
	f.MOVD(panels, left)
	f.Label("panel")
	f.VLD1P(neon.Ptr(from, bytes), row)
	f.VST1P(row, neon.Post(to, dstPanel))
	f.SUB(neon.Imm(1), left, left)
	f.CBNZ(left, "panel")
	f.ADD(srcRow, src, src)
	f.ADD(neon.Imm(bytes), dst, dst)
	f.SUB(neon.Imm(1), rows, rows)
	f.CBNZ(rows, "row")
	f.RET()
}

// copyTiles emits the packer of a transposed A: its rows in memory, which are columns, become tiles
// of as many rows as a whole panel's have.
func (k kernels) copyTiles() {
	of, height := k.of, whole().Rows
	f := k.begin(fmt.Sprint("copyTiles", k.bits), "func(columns, tiles int, src *T, srcColumn, srcTile int, dst *T, dstTile int)",
		fmt.Sprintf("copies %d elements of each column of each tile: tiles are srcTile elements apart and become dstTile, columns are srcColumn elements apart and become %[1]d.", height))
	columns, tiles := f.Load("columns", f.R()), f.Load("tiles", f.R())
	src, dst := f.Load("src", f.R()), f.Load("dst", f.R())
	srcColumn, srcTile, dstTile := f.Load("srcColumn", f.R()), f.Load("srcTile", f.R()), f.Load("dstTile", f.R())
	from, to, left := f.R(), f.R(), f.R()
	for _, stride := range []neon.R{srcColumn, srcTile, dstTile} {
		f.LSL(of.Shift(), stride, stride)
	}
	column := vectors(of, 0, height/of.Lanes()) // of a tile

	f.Label("column")
	f.MOVD(src, from)
	f.MOVD(dst, to)
	f.MOVD(tiles, left)
	f.Label("tile")
	f.VLD1P(neon.Post(from, srcTile), column)
	f.VST1P(column, neon.Post(to, dstTile))
	f.SUBS(neon.Imm(1), left, left)
	f.BNE("tile")
	f.ADD(srcColumn, src, src)
	f.ADD(neon.Imm(int(of)*height), dst, dst)
	f.SUBS(neon.Imm(1), columns, columns)
	f.BNE("column")
	f.RET()
}

// copyRows emits the packer of a row-major A: some rows become the columns of a tile. Where the
// tile lacks rows, it takes the last one again. Rows of as many columns as vectors have lanes are
// transposed as transpose does it, in squares; the last columns go element by element.
func (k kernels) copyRows() {
	of, height := k.of, whole().Rows
	f := k.begin(fmt.Sprint("copyRows", k.bits), "func(rows, k int, src *T, srcRow int, dst *T)",
		fmt.Sprintf("copies k elements of each of 1 to %d rows, srcRow elements apart, to k columns of %[1]d elements.", height))
	rows, left, dst := f.Load("rows", f.R()), f.Load("k", f.R()), f.Load("dst", f.R())
	srcRow, next := f.Load("srcRow", f.R()), f.R()
	f.LSL(of.Shift(), srcRow, srcRow)
	row := f.Rs(height)
	f.Load("src", row[0])
	for i := 1; i < height; i++ {
		f.CMP(neon.Imm(i), rows)
		f.CSEL("GT", srcRow, neon.Zero, next)
		f.ADD(next, row[i-1], row[i])
	}

	f.SUBS(neon.Imm(of.Lanes()), left, left)
	f.BLT("fewer")
	f.Label("square")
	for i, r := range row {
		f.VLD1P(neon.Ptr(r, 16), neon.List(of.V(i)))
	}
	squares := height / of.Lanes() // of which each makes a vector of a column
	for s := range squares {
		transposeSquare(f, of, s*of.Lanes(), 16+s, squares)
	}
	for j := range of.Lanes() {
		f.VST1P(vectors(of, 16+j*squares, squares), neon.Ptr(dst, int(of)*height))
	}
	f.SUBS(neon.Imm(of.Lanes()), left, left)
	f.BGE("square")
	f.Label("fewer")
	f.ADDS(neon.Imm(of.Lanes()), left, left)
	f.BEQ("done")
	f.Label("element")
	for i, r := range row {
		f.FMOVP(neon.Ptr(r, int(of)), of.V(i).F())
	}
	for i := range row {
		f.FMOV(of.V(i).F(), neon.Ptr(dst, int(of)*i))
	}
	f.ADD(neon.Imm(int(of)*height), dst, dst)
	f.SUBS(neon.Imm(1), left, left)
	f.BNE("element")
	f.Label("done")
	f.RET()
}

// transposeSquare transposes the rows in as many registers as they have lanes, from number first
// on. Its columns go to register to and those that are step further on each.
func transposeSquare(f *neon.Func, of neon.Element, first, to, step int) {
	pair := neon.Float64 // of float32, as one element
	if of == neon.Float64 {
		f.VTRN1(of.V(first+1), of.V(first), of.V(to))
		f.VTRN2(of.V(first+1), of.V(first), of.V(to+step))
		return
	}
	for i := 0; i < 4; i += 2 { // columns 0 and 2 of two rows, and 1 and 3
		f.VTRN1(of.V(first+i+1), of.V(first+i), of.V(24+i))
		f.VTRN2(of.V(first+i+1), of.V(first+i), of.V(25+i))
	}
	for j := range 2 {
		f.VTRN1(pair.V(26+j), pair.V(24+j), pair.V(to+j*step))
		f.VTRN2(pair.V(26+j), pair.V(24+j), pair.V(to+(j+2)*step))
	}
}

// vectors is n registers from number first on.
func vectors(of neon.Element, first, n int) neon.Operand {
	var list []neon.V
	for i := range n {
		list = append(list, of.V(first+i))
	}
	return neon.List(list...)
}

// whole is the kind of tiles for whole panels.
func whole() panels.Panel {
	kinds := panels.Of["NEON"]
	return kinds[len(kinds)-1]
}

// transpose emits the inner loop of the transposing packer: as many rows as two
// vectors have lanes become columns, one square block after the other.
//
// Vector v of a block's row i is in register 2*i+v. The vectors of as many rows
// as they have lanes are a small square, which is transposed in steps: first
// within its squares of 2x2 elements, then, for float32, within that of 2x2
// pairs. A step leaves its results in the other 16 registers.
func (k kernels) transpose() {
	of, side := k.of, 2*k.of.Lanes()
	f := k.begin(fmt.Sprint("transpose", k.bits), "func(blocks int, src *T, srcRow int, dst *T, dstRow int)",
		fmt.Sprintf("transposes %[1]d rows of %[1]d*blocks columns at src to %[1]d*blocks rows of %[1]d columns at dst.", side))
	blocks, src := f.Load("blocks", f.R()), f.Load("src", f.R())
	srcRow, dst := f.Load("srcRow", f.R()), f.Load("dst", f.R())
	dstRow, row := f.Load("dstRow", f.R()), f.R()
	f.LSL(of.Shift(), srcRow, srcRow)
	f.LSL(of.Shift(), dstRow, dstRow)

	f.Label("block")
	f.MOVD(src, row)
	for i := range side {
		f.VLD1P(neon.Post(row, srcRow), neon.List(of.V(2*i), of.V(2*i+1)))
	}
	from, to := 0, 16
	for apart := 1; apart < of.Lanes(); apart *= 2 {
		unit := neon.Element(apart) * of
		for i := range side {
			if i/apart%2 == 1 {
				continue // the lower row of a pair
			}
			for v := range 2 {
				upper, lower := 2*i+v, 2*(i+apart)+v
				f.VTRN1(unit.V(from+lower), unit.V(from+upper), unit.V(to+upper))
				f.VTRN2(unit.V(from+lower), unit.V(from+upper), unit.V(to+lower))
			}
		}
		from, to = to, from
	}
	for v := range 2 {
		for i := range of.Lanes() {
			f.FMOVQ(of.V(from+2*i+v).F(), neon.Ptr(dst, 0))
			f.FMOVQ(of.V(from+2*(i+of.Lanes())+v).F(), neon.Ptr(dst, 16))
			f.ADD(dstRow, dst, dst)
		}
	}
	f.ADD(neon.Imm(32), src, src)
	f.SUB(neon.Imm(1), blocks, blocks)
	f.CBNZ(blocks, "block")
	f.RET()
}
