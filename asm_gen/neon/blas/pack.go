package main

import "github.com/steppe-ml/steppe/asm_gen/neon"

// copyRows emits the packer of rows that are contiguous already.
func copyRows(file *neon.File) {
	f := file.Func("copyRowsNEON", "func(rows int, src *float32, srcRow int, dst *float32)",
		"copies rows of 12 floats, srcRow floats apart, one behind the other.")
	rows, src := f.Load("rows", f.R()), f.Load("src", f.R())
	srcRow, dst := f.Load("srcRow", f.R()), f.Load("dst", f.R())
	f.LSL(neon.Imm(2), srcRow, srcRow)
	row := neon.List(0, 1, 2)

	f.Label("row")
	f.VLD1P(neon.Post(src, srcRow), row)
	f.VST1P(row, neon.Ptr(dst, 48))
	f.SUB(neon.Imm(1), rows, rows)
	f.CBNZ(rows, "row")
	f.RET()
}
