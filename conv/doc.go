package conv

//go:generate go run -C ../asm_gen ./conv -isa avx2 -out ../conv/tile_avx2_amd64.s -stubs ../conv/tile_avx2_amd64.go -pkg conv
//go:generate go run -C ../asm_gen ./conv -isa avx512 -out ../conv/tile_avx512_amd64.s -stubs ../conv/tile_avx512_amd64.go -pkg conv
