package main

import "github.com/steppe-ml/steppe/asm_gen/neon"

// copyChannels emits the packer of the input of a filter's gradient, tile by tile and pixel by
// pixel. A pixel's 4 to 12 channels of a tile are copied by vectors of 4, of which the last
// overlaps the one before it.
func copyChannels(file *neon.File) {
	f := file.Func("copyChannelsNEON", "func(pixels, tiles, height int, src *float32, srcPixel, ahead int, dst *float32, dstTile int)",
		"copies the channels of tiles of 4 to 12 rows, as the table's field CopyChannels says.")
	pixels, tiles, height := f.Load("pixels", f.R()), f.Load("tiles", f.R()), f.Load("height", f.R())
	src, srcPixel, ahead := f.Load("src", f.R()), f.Load("srcPixel", f.R()), f.Load("ahead", f.R())
	dst, dstTile := f.Load("dst", f.R()), f.Load("dstTile", f.R())
	for _, count := range []neon.R{height, srcPixel, ahead, dstTile} {
		f.LSL(of.Shift(), count, count)
	}
	last, fromLast, toLast := f.R(), f.R(), f.R() // where the last vector is
	from, to, next, left := f.R(), f.R(), f.R(), f.R()
	f.SUB(neon.Imm(16), height, last)
	f.CMP(neon.Imm(32), height)
	f.BGT("upTo12")
	for _, path := range []struct {
		label string
		rest  neon.Operand // the vectors before the last one
	}{{"upTo8", neon.List(of.V(0))}, {"upTo12", neon.List(of.V(0), of.V(1))}} {
		f.Label(path.label)
		f.MOVD(src, from)
		f.MOVD(dst, to)
		f.ADD(last, src, fromLast)
		f.ADD(last, dst, toLast)
		f.ADD(ahead, src, next)
		f.MOVD(pixels, left)
		f.Label(path.label + "Pixel")
		f.PRFM(neon.Ptr(next, 0))
		f.ADD(srcPixel, next, next)
		f.VLD1P(neon.Post(from, srcPixel), path.rest)
		f.VLD1P(neon.Post(fromLast, srcPixel), neon.List(of.V(2)))
		f.VST1P(path.rest, neon.Post(to, height))
		f.VST1P(neon.List(of.V(2)), neon.Post(toLast, height))
		f.SUBS(neon.Imm(1), left, left)
		f.BNE(path.label + "Pixel")
		f.ADD(height, src, src)
		f.ADD(dstTile, dst, dst)
		f.SUBS(neon.Imm(1), tiles, tiles)
		f.BNE(path.label)
		f.RET()
	}
}
