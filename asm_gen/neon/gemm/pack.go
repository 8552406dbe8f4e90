package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/asm_gen/neon"
)

// copyPanels emits the packer of rows that are contiguous already. It goes along
// the rows, panel by panel, as the hardware's prefetchers like it best.
func copyPanels(file *neon.File, name string, of neon.Element) {
	f := file.Func(name, fmt.Sprintf("func(rows, panels int, src *%[1]s, srcRow int, dst *%[1]s, dstPanel int)", of.Type()),
		fmt.Sprintf("copies rows of panels*%[1]d elements, srcRow elements apart, to as many panels, dstPanel elements apart, of rows of %[1]d.", mv*of.Lanes()))
	rows, panels := f.Load("rows", f.R()), f.Load("panels", f.R())
	src, srcRow := f.Load("src", f.R()), f.Load("srcRow", f.R())
	dst, dstPanel := f.Load("dst", f.R()), f.Load("dstPanel", f.R())
	from, to, left := f.R(), f.R(), f.R()
	f.LSL(of.Shift(), srcRow, srcRow)
	f.LSL(of.Shift(), dstPanel, dstPanel)
	row := neon.List(of.V(0), of.V(1), of.V(2))
	const bytes = 16 * mv // of a panel's row

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

// transpose emits the inner loop of the transposing packer: as many rows as two
// vectors have lanes become columns, one square block after the other.
//
// Vector v of a block's row i is in register 2*i+v. The vectors of as many rows
// as they have lanes are a small square, which is transposed in steps: first
// within its squares of 2x2 elements, then, for float32, within that of 2x2
// pairs. A step leaves its results in the other 16 registers.
func transpose(file *neon.File, name string, of neon.Element) {
	side := 2 * of.Lanes()
	f := file.Func(name, fmt.Sprintf("func(blocks int, src *%[1]s, srcRow int, dst *%[1]s, dstRow int)", of.Type()),
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
