// Package gemm multiplies matrices: one loop nest, its tables of kernels, and packing, for the BLAS
// and for convolutions. It checks nothing; package blas is what users call, and checks its
// arguments.
//
// Operation.block (gemm.go) is the five loops of Goto and van de Geijn around kernels in assembly.
// Each instruction set and element type has a Table (table.go, kernels_*.go) with its kernels,
// block sizes and thresholds, and one panel width, NR, to which matrices and filters are packed
// alike. Kernels read A by strides, in place where that pays, and B in panels, packed where that
// does (pack.go). product.go shares a product among workers. docs/KERNELS.md has the kernels'
// contract.
//
// There are two ways to run an Operation. Run keeps the element rule: the operations behind C(i,j)
// depend on k and the instruction set alone. RunInAnyOrder may sum in another order, chosen by the
// shape: it computes narrow products by dot products (dots.go), and a long K in chunks (splitk.go).
//
// A product of operands that were rounded to bfloat16 is an Operation with a table of pairs
// (pairs.go).
//
// A convolution is the same product with several taps: its kernels (taps.go) are in the same table,
// and package conv has the loops around them.
package gemm

//go:generate go run -C ../../asm_gen ./gemm -float 32 -isa avx2 -out ../internal/gemm/sgemm_avx2_amd64.s -stubs ../internal/gemm/sgemm_avx2_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./gemm -float 64 -isa avx2 -out ../internal/gemm/dgemm_avx2_amd64.s -stubs ../internal/gemm/dgemm_avx2_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./gemm -float 32 -isa avx512 -out ../internal/gemm/sgemm_avx512_amd64.s -stubs ../internal/gemm/sgemm_avx512_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./gemm -float 64 -isa avx512 -out ../internal/gemm/dgemm_avx512_amd64.s -stubs ../internal/gemm/dgemm_avx512_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./gemm -float 32 -isa pairs -out ../internal/gemm/bgemm_avx2_amd64.s -stubs ../internal/gemm/bgemm_avx2_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./gemm -float 32 -isa bf16 -out ../internal/gemm/bgemm_bf16_amd64.s -stubs ../internal/gemm/bgemm_bf16_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./taps -isa avx2 -out ../internal/gemm/taps_avx2_amd64.s -stubs ../internal/gemm/taps_avx2_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./taps -isa avx512 -out ../internal/gemm/taps_avx512_amd64.s -stubs ../internal/gemm/taps_avx512_amd64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./neon/gemm -float 32 -out ../internal/gemm/sgemm_neon_arm64.s -stubs ../internal/gemm/sgemm_neon_arm64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./neon/gemm -float 64 -out ../internal/gemm/dgemm_neon_arm64.s -stubs ../internal/gemm/dgemm_neon_arm64.go -pkg gemm
//go:generate go run -C ../../asm_gen ./neon/taps -out ../internal/gemm/taps_neon_arm64.s -stubs ../internal/gemm/taps_neon_arm64.go -pkg gemm
