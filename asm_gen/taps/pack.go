package main

import (
	"github.com/steppe-ml/steppe/asm_gen/isa"

	"github.com/mmcloughlin/avo/attr"
	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/operand"
	"github.com/mmcloughlin/avo/reg"
)

// copyChannels emits the packer of the input of a filter's gradient, tile by tile and pixel by
// pixel. A pixel's 4 to 12 channels of a tile are copied by vectors of 4, of which the last
// overlaps the one before it: masked stores are slow on AVX2.
func copyChannels(s isa.Set) {
	name := "copyChannels" + s.Name
	TEXT(name, attr.NOSPLIT, "func(pixels, tiles, height int, src *float32, srcPixel, ahead int, dst *float32, dstTile int)")
	Doc(name + " copies the channels of tiles of 4 to 12 rows, as the table's field CopyChannels says.")
	pixels, tiles, height := Load(Param("pixels"), GP64()), Load(Param("tiles"), GP64()), Load(Param("height"), GP64())
	src, srcPixel, ahead := Load(Param("src"), GP64()), Load(Param("srcPixel"), GP64()), Load(Param("ahead"), GP64())
	dst, dstTile := Load(Param("dst"), GP64()), Load(Param("dstTile"), GP64())
	for _, count := range []reg.Register{height, srcPixel, ahead, dstTile} {
		s.BytesOf(count)
	}
	from, to, left := GP64(), GP64(), GP64()
	for _, path := range []struct {
		label   string
		vectors []int // channels where vectors begin, before the last one
	}{{"upTo8", []int{0}}, {"upTo12", []int{0, 4}}} {
		Label(path.label)
		if path.label == "upTo8" {
			CMPQ(height, operand.U32(8*s.Size()))
			JG(operand.LabelRef("upTo12"))
		}
		Label(path.label + "Tile")
		MOVQ(src, from)
		MOVQ(dst, to)
		MOVQ(pixels, left)
		Label(path.label + "Pixel")
		PREFETCHT0(operand.Mem{Base: from, Index: ahead, Scale: 1})
		for i, c := range path.vectors {
			VMOVUPS(isa.Ptr(from, c*s.Size()), isa.X(i))
		}
		VMOVUPS(operand.Mem{Base: from, Index: height, Scale: 1, Disp: -16}, isa.X(2))
		for i, c := range path.vectors {
			VMOVUPS(isa.X(i), isa.Ptr(to, c*s.Size()))
		}
		VMOVUPS(isa.X(2), operand.Mem{Base: to, Index: height, Scale: 1, Disp: -16})
		ADDQ(srcPixel, from)
		ADDQ(height, to)
		DECQ(left)
		JNZ(operand.LabelRef(path.label + "Pixel"))
		ADDQ(height, src)
		ADDQ(dstTile, dst)
		DECQ(tiles)
		JNZ(operand.LabelRef(path.label + "Tile"))
		isa.End()
	}
}
