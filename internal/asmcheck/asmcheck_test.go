package asmcheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// assembly returns all .s files of the module's packages.
func assembly(t *testing.T) []*source {
	t.Helper()
	sources, err := readAssembly()
	require.NoError(t, err)
	return sources
}

var readAssembly = sync.OnceValues(func() (sources []*source, err error) {
	for _, pattern := range []string{"../../*/*.s", "../*/*.s"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("there is no %s", pattern)
		}
		for _, path := range paths {
			content, err := os.ReadFile(path)
			if err != nil {
				return nil, err
			}
			sources = append(sources, parse(path, string(content)))
		}
	}
	return sources, nil
})

func TestAssembly(t *testing.T) {
	for _, s := range assembly(t) {
		for _, c := range checks {
			t.Run(filepath.Base(s.path)+"/"+c.name, func(t *testing.T) {
				for _, wrong := range c.find(s) {
					t.Error(wrong)
				}
			})
		}
	}
}

// Each function of a file has a stub in the Go file of the same name, and is
// in a table; tables list the tiles by their columns and rows.
func TestFunctionsAreInTables(t *testing.T) {
	for _, s := range assembly(t) {
		t.Run(filepath.Base(s.path), func(t *testing.T) {
			var functions, stubs []string
			for _, f := range s.functions {
				functions = append(functions, f.name)
			}
			for _, d := range parseGo(t, strings.TrimSuffix(s.path, ".s")+".go").Decls {
				if f, ok := d.(*ast.FuncDecl); ok && f.Body == nil {
					stubs = append(stubs, f.Name.Name)
				}
			}
			assert.ElementsMatch(t, functions, stubs)

			paths, err := filepath.Glob(filepath.Join(filepath.Dir(s.path), "kernels_*"+s.arch+".go"))
			require.NoError(t, err)
			named := map[string]bool{}
			for _, path := range paths {
				tables := parseGo(t, path)
				ast.Inspect(tables, func(n ast.Node) bool {
					if id, ok := n.(*ast.Ident); ok {
						named[id.Name] = true
					}
					return true
				})
				assert.Empty(t, misplacedTiles(tables))
			}
			for _, f := range functions {
				assert.True(t, named[f], "%s is in no table", f)
			}
		})
	}
}

func parseGo(t *testing.T, path string) *ast.File {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	require.NoError(t, err)
	return file
}

// misplacedTiles returns the names in lists of tile kernels that aren't those
// of kernels for 1, 2, 3... rows and the columns of their panel.
func misplacedTiles(tables *ast.File) (misplaced []string) {
	widths := constants(tables)
	ast.Inspect(tables, func(n ast.Node) bool {
		list, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		element, panels := list.Type, []ast.Expr{list} // of one panel
		if array, ok := list.Type.(*ast.ArrayType); ok {
			element, panels = array.Elt, list.Elts
		}
		of, kernel := instance(element) // panelKernels[TileKernel[float32]]
		switch identifier(of) {
		case "panelKernels":
			kind, float := instance(kernel)
			prefix := map[string]string{"TileKernel float32": "sgemm", "TileKernel float64": "dgemm", "TapKernel float32": "tile"}
			misplaced = append(misplaced, misplacedIn(panels, prefix[identifier(kind)+" "+identifier(float)], widths)...)
			return false
		case "TileKernel", "TapKernel": // of no panel
			for _, kernel := range list.Elts {
				misplaced = append(misplaced, identifier(kernel))
			}
		}
		return true
	})
	return misplaced
}

// instance returns the generic type and the argument of an instance of it.
func instance(e ast.Expr) (generic, argument ast.Expr) {
	if i, ok := e.(*ast.IndexExpr); ok {
		return i.X, i.Index
	}
	return e, nil
}

// constants returns the integer constants that a file declares as numbers.
func constants(file *ast.File) map[string]int {
	values := map[string]int{}
	for _, d := range file.Decls {
		block, ok := d.(*ast.GenDecl)
		if !ok || block.Tok != token.CONST {
			continue
		}
		for _, s := range block.Specs {
			spec := s.(*ast.ValueSpec)
			for i, name := range spec.Names {
				if number, ok := spec.Values[i].(*ast.BasicLit); ok {
					values[name.Name], _ = strconv.Atoi(number.Value)
				}
			}
		}
	}
	return values
}

// misplacedIn is misplacedTiles for the panels of one table, whose kernels are
// of one instruction set. Each panel has more columns than the one before it. Halves are the
// kernels of all panels but the last, or of none.
func misplacedIn(panels []ast.Expr, prefix string, widths map[string]int) (misplaced []string) {
	before, isa, halves := 0, "", false
	for nr, p := range panels {
		columns, kernels := panel(p, widths)
		if columns <= before || len(kernels) == 0 {
			misplaced = append(misplaced, fmt.Sprintf("panel of %d columns, %d kernels", columns, len(kernels)))
		}
		before = columns
		for i, kernel := range kernels {
			name := identifier(kernel)
			tile, halved := strings.CutPrefix(name, prefix+"Halves")
			if !halved {
				tile = strings.TrimPrefix(name, prefix)
			}
			if nr == 0 && i == 0 {
				halves = halved
			}
			suffix, found := strings.CutPrefix(tile, fmt.Sprintf("%dx%d", i+1, columns))
			found = found && tile != name && halved == (halves && nr < len(panels)-1)
			if isa == "" && found {
				isa = suffix
			}
			if _, known := sets[suffix]; !found || !known || suffix != isa {
				misplaced = append(misplaced, name)
			}
		}
	}
	return misplaced
}

// panel returns what {8, []TileKernel[float32]{...}} has. The columns may be a constant of the
// file.
func panel(e ast.Expr, widths map[string]int) (columns int, kernels []ast.Expr) {
	p, ok := e.(*ast.CompositeLit)
	if !ok || len(p.Elts) != 2 {
		return 0, nil
	}
	switch width := p.Elts[0].(type) {
	case *ast.BasicLit:
		columns, _ = strconv.Atoi(width.Value)
	case *ast.Ident:
		columns = widths[width.Name]
	}
	if list, ok := p.Elts[1].(*ast.CompositeLit); ok {
		kernels = list.Elts
	}
	return columns, kernels
}

// identifier returns the name that an expression is, or nothing.
func identifier(e ast.Expr) string {
	if id, ok := e.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

const goodAVX2 = `// Code generated by a hand. DO NOT EDIT.

//go:build amd64 && !purego

TEXT ·sgemm2x16AVX2(SB), NOSPLIT, $0-113
	MOVQ n+8(FP), AX

two:
	JZ twoSummed

twoK:
	VMOVUPS      (CX), Y4
	VMOVUPS      32(CX), Y5
	VBROADCASTSS (AX), Y6
	VFMADD231PS  Y4, Y6, Y0
	VFMADD231PS  Y5, Y6, Y1
	VBROADCASTSS (AX)(DI*1), Y7
	VFMADD231PS  Y4, Y7, Y2
	VFMADD231PS  Y5, Y7, Y3
	DECQ         DX
	JNZ          twoK

twoSummed:
	VMOVUPS Y0, (CX)
	JNZ     two
	VZEROUPPER
	RET

twoMaskedK:
	VMOVUPS      (CX), Y4
	VMASKMOVPS   32(CX), Y15, Y5
	VBROADCASTSS (AX), Y6
	VFMADD231PS  Y4, Y6, Y0
	VFMADD231PS  Y5, Y6, Y1
	VBROADCASTSS (AX)(DI*1), Y7
	VFMADD231PS  Y4, Y7, Y2
	VFMADD231PS  Y5, Y7, Y3
	JNZ          twoMaskedK
	VZEROUPPER
	RET

TEXT ·sgemm1x8AVX2(SB), NOSPLIT, $0-113
oneUnrolled:
	VMOVUPS      (BX), Y2
	VBROADCASTSS (AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	VMOVUPS      (BX)(SI*1), Y2
	VBROADCASTSS 4(AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	VMOVUPS      (BX)(SI*2), Y2
	VBROADCASTSS 8(AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	VMOVUPS      (BX)(DI*1), Y2
	VBROADCASTSS 12(AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	JGE          oneUnrolled

oneK:
	VMOVUPS      (CX), Y2
	VBROADCASTSS (AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	JNZ          oneK
	VZEROUPPER
	RET

oneMaskedK:
	VMASKMOVPS   (CX), Y15, Y2
	VBROADCASTSS (AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	JNZ          oneMaskedK
	VZEROUPPER
	RET
`

const goodConv = `// Code generated by a hand. DO NOT EDIT.

//go:build amd64 && !purego

TEXT ·tile1x8AVX2(SB), NOSPLIT, $40-161
	MOVQ AX, 32(SP)

tileAsk:
	PREFETCHT0 (DX)
	JNZ        tileAsk

tileK:
	VMOVUPS      (CX), Y2
	VBROADCASTSS (AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	JNZ          tileK
	VZEROUPPER
	RET

tileMaskedK:
	VMASKMOVPS   (CX), Y15, Y2
	VBROADCASTSS (AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	JNZ          tileMaskedK
	VZEROUPPER
	RET
`

// goodAVX512 has a panel of 32 columns behind one of 16, and one of 8 for halves.
const goodAVX512 = `// Code generated by a hand. DO NOT EDIT.

//go:build amd64 && !purego

TEXT ·sgemmHalves2x8AVX512(SB), NOSPLIT, $0-113
halfK:
	VMOVUPS.Z    (CX), K1, Y2
	VBROADCASTSS (AX), Y3
	VFMADD231PS  Y2, Y3, Y0
	VBROADCASTSS (AX)(DI*1), Y4
	VFMADD231PS  Y2, Y4, Y1
	JNZ          halfK
	VZEROUPPER
	RET

TEXT ·sgemm2x16AVX512(SB), NOSPLIT, $0-113
oneK:
	VMOVUPS.Z        (CX), K1, Z2
	VFMADD231PS.BCST (AX), Z2, Z0
	VFMADD231PS.BCST (AX)(DI*1), Z2, Z1
	JNZ              oneK
	VZEROUPPER
	RET

TEXT ·sgemm1x32AVX512(SB), NOSPLIT, $0-113
twoK:
	VMOVUPS      (CX), Z16
	VMOVUPS.Z    64(CX), K1, Z17
	VBROADCASTSS (AX), Z18
	VFMADD231PS  Z16, Z18, Z0
	VFMADD231PS  Z17, Z18, Z1
	JNZ          twoK
	VZEROUPPER
	RET

TEXT ·sgemmWide1x16AVX512(SB), NOSPLIT, $0-113
wideK:
	VBROADCASTSS (AX), Z5
	VFMADD231PS  (CX), Z5, Z4
	JNZ          wideK
	VZEROUPPER
	RET
`

// goodDouble512 is goodAVX512 for float64.
var goodDouble512 = strings.NewReplacer("sgemm", "dgemm", "x8", "x4", "x16", "x8", "x32", "x16", "PS", "PD", "VBROADCASTSS", "VBROADCASTSD", "VMOVUPS", "VMOVUPD").Replace(goodAVX512)

const goodARM64 = `// Code generated by a hand. DO NOT EDIT.

//go:build arm64 && !purego

TEXT ·sgemm1x12NEON(SB), NOSPLIT, $0-113
threeK:
	VLD1.P (R19)(R13), [V24.S4, V25.S4]
	VLD1.P (R20)(R13), [V26.S4]
	FMOVS  (R1)(R9<<2), F27
	WORD   $0x4f9b1300 // fmla v0.4s, v24.4s, v27.s[0]
	WORD   $0x4f9b1321 // fmla v1.4s, v25.4s, v27.s[0]
	WORD   $0x4f9b1342 // fmla v2.4s, v26.4s, v27.s[0]
	CBNZ   R11, threeK
twoK:
	VLD1.P (R19)(R13), [V24.S4, V25.S4]
	FMOVS  (R1)(R9<<2), F27
	WORD   $0x4f9b1300 // fmla v0.4s, v24.4s, v27.s[0]
	WORD   $0x4f9b1321 // fmla v1.4s, v25.4s, v27.s[0]
	CBNZ   R11, twoK
oneK:
	FMOVQ (R19), F24
	FMOVS (R1)(R9<<2), F27
	VFMLA V24.S4, V27.S4, V0.S4
	CBNZ  R11, oneK
	RET
`

// goodFrame keeps a count and a vector in its frame, which the assembler makes 48 bytes of: R30's 8
// lie first.
const goodFrame = `// Code generated by a hand. DO NOT EDIT.

//go:build arm64 && !purego

TEXT ·tile1x4NEON(SB), NOSPLIT, $40-161
	MOVD  k+16(FP), R4
	MOVD  R4, 8(RSP)
	FMOVQ F3, 32(RSP)
	MOVD  R4, rest-8(SP)
	FMOVQ F3, kept-40(SP)
	MOVD  $kept-40(SP), R5

oneAsk:
	PRFM (R13), PLDL1KEEP
	BNE  oneAsk

oneAlongRows:
	WORD   $0x3ce3785b // ldr q27, [x2, x3, lsl #4]
	VLD1.P (R10)(R6), [V24.S4]
	WORD   $0x4f9b1300 // fmla v0.4s, v24.4s, v27.s[0]
	VLD1.P (R10)(R6), [V24.S4]
	WORD   $0x4fbb1300 // fmla v0.4s, v24.4s, v27.s[1]
	VLD1.P (R10)(R6), [V24.S4]
	WORD   $0x4f9b1b00 // fmla v0.4s, v24.4s, v27.s[2]
	VLD1.P (R10)(R6), [V24.S4]
	WORD   $0x4fbb1b00 // fmla v0.4s, v24.4s, v27.s[3]
	BGE    oneAlongRows

oneK:
	FMOVQ (R2), F24
	FMOVS (R1)(R9<<2), F27
	VFMLA V24.S4, V27.S4, V0.S4
	CBNZ  R11, oneK
	RET
`

// goodDouble is goodARM64 for float64.
var goodDouble = strings.NewReplacer("sgemm", "dgemm", "x12", "x6", "S4", "D2", "4s", "2d", ".s[", ".d[", "FMOVS", "FMOVD", "<<2", "<<3").Replace(goodARM64)

// Each check passes good code, and finds what this does to it.
func TestChecksCanFail(t *testing.T) {
	const (
		amd64, avx512, double512 = "sgemm_avx2_amd64.s", "sgemm_avx512_amd64.s", "dgemm_avx512_amd64.s"
		arm64, double            = "sgemm_neon_arm64.s", "dgemm_neon_arm64.s"
		conv, framed             = "tile_avx2_amd64.s", "tile_neon_arm64.s"
	)
	good := map[string]string{conv: goodConv, framed: goodFrame, amd64: goodAVX2, avx512: goodAVX512, double512: goodDouble512, arm64: goodARM64, double: goodDouble}
	for path, content := range good {
		for _, c := range checks {
			assert.Empty(t, c.find(parse(path, content)), "%s: %s", path, c.name)
		}
	}

	failed := map[string]bool{}
	for _, c := range []struct{ check, path, old, new, want string }{
		{"header", amd64, "// Code generated by a hand. DO NOT EDIT.", "// Written by hand.", `begins with "// Written by hand."`},
		{"header", amd64, " && !purego", "", "lacks //go:build amd64 && !purego"},
		{"name", "sgemm.s", "", "", "is not named <op>_<isa>_<arch>.s"},
		{"name", "sgemm_neon_amd64.s", "", "", "is not named <op>_<isa>_<arch>.s"},
		{"name", amd64, "sgemm2x16AVX2", "sgemm2x16AVX512", "sgemm2x16AVX512: is in a file of AVX2"},
		{"name", arm64, "TEXT", "// TEXT", "has no functions"},
		{"frame", amd64, "$0-113", "$8-113", "sgemm2x16AVX2: has a frame: $8-113"},
		{"frame", amd64, "NOSPLIT", "NOSPLIT|NOFRAME", "sgemm2x16AVX2: has flags NOSPLIT|NOFRAME"},
		{"frame", amd64, "JZ twoSummed", "CALL ·f(SB)", "sgemm2x16AVX2: CALL ·f(SB)"},
		{"reserved registers", amd64, "DECQ         DX", "DECQ R15", "sgemm2x16AVX2: DECQ R15"},
		{"reserved registers", amd64, "(AX)(DI*1)", "(AX)(BP*1)", "sgemm2x16AVX2: VBROADCASTSS (AX)(BP*1), Y7"},
		{"frame", conv, "$40-161", "$72-161", "tile1x8AVX2: has a frame: $72-161"},
		{"reserved registers", conv, "32(SP)", "40(SP)", "tile1x8AVX2: MOVQ AX, 40(SP)"},
		{"reserved registers", amd64, "n+8(FP)", "8(SP)", "sgemm2x16AVX2: MOVQ 8(SP), AX"},
		{"reserved registers", amd64, "n+8(FP)", "n-8(SP)", "sgemm2x16AVX2: MOVQ n-8(SP), AX"},
		{"reserved registers", arm64, "(R19)(R13)", "(R16)(R13)", "sgemm1x12NEON: VLD1.P (R16)(R13), [V24.S4, V25.S4]"},
		{"reserved registers", arm64, "(R1)(R9<<2)", "(R1)(R28<<2)", "sgemm1x12NEON: FMOVS (R1)(R28<<2), F27"},
		{"reserved registers", arm64, "CBNZ   R11", "CBNZ R18_PLATFORM", "sgemm1x12NEON: CBNZ R18_PLATFORM, threeK"},
		{"reserved registers", framed, "8(RSP)", "(RSP)", "tile1x4NEON: MOVD R4, (RSP)"},
		{"reserved registers", framed, "32(RSP)", "40(RSP)", "tile1x4NEON: FMOVQ F3, 40(RSP)"},
		{"reserved registers", framed, "rest-8", "rest-4", "tile1x4NEON: MOVD R4, rest-4(SP)"},
		{"reserved registers", framed, "$kept-40", "$kept-48", "tile1x4NEON: MOVD $kept-48(SP), R5"},
		{"reserved registers", framed, "MOVD  R4, 8(RSP)", "MOVD.W R4, 8(RSP)", "tile1x4NEON: MOVD.W R4, 8(RSP)"},
		{"reserved registers", framed, "MOVD  R4, 8(RSP)", "ADD $8, RSP, R4", "tile1x4NEON: ADD $8, RSP, R4"},
		{"reserved registers", framed, "[x2, x3,", "[x2, x18,", "tile1x4NEON: ldr q27, [x2, x18, lsl #4]"},
		{"reserved registers", framed, "[x2, x3,", "[sp, x3,", "tile1x4NEON: ldr q27, [sp, x3, lsl #4]"},
		{"reserved registers", arm64, "(R19)(R13)", "8(RSP)", "sgemm1x12NEON: VLD1.P 8(RSP), [V24.S4, V25.S4]"},
		{"registers of the set", amd64, "(CX), Y4", "(CX), Y16", "sgemm2x16AVX2: VMOVUPS (CX), Y16"},
		{"registers of the set", amd64, "(CX), Y4", "(CX), Z4", "sgemm2x16AVX2: VMOVUPS (CX), Z4"},
		{"registers of the set", amd64, "(CX), Y4", "(CX), K1, Y4", "sgemm2x16AVX2: VMOVUPS (CX), K1, Y4"},
		{"registers of the set", avx512, "(CX), K1, Y2", "(CX), K1, Y16", "sgemmHalves2x8AVX512: VMOVUPS.Z (CX), K1, Y16"},
		{"registers of the set", avx512, "(CX), K1, Y2", "(CX), K1, Z2", "sgemmHalves2x8AVX512: VMOVUPS.Z (CX), K1, Z2"},
		{"registers of the set", double512, "Y2, Y4, Y1", "Y2, Y4, Y31", "dgemmHalves2x4AVX512: VFMADD231PD Y2, Y4, Y31"},
		{"VZEROUPPER", amd64, "\tVZEROUPPER\n\tRET\n\ntwoMaskedK", "\tRET\n\ntwoMaskedK", "sgemm2x16AVX2: RET without VZEROUPPER"},
		{"ends", arm64, "\tRET\n", "", "sgemm1x12NEON: does not end in RET"},
		{"GEMM loops", conv, "Y2, Y3, Y0", "X2, X3, X0", "tile1x8AVX2: tileK sums in registers of the wrong width: VFMADD231PS X2, X3, X0"},
		{"GEMM loops", conv, "PREFETCHT0 (DX)", "VMOVUPS (DX), Y1", "tile1x8AVX2: tileAsk has 0 FMAs for 1 rows of 1 vectors"},
		{"GEMM loops", conv, "tile1x8", "tileOne", "tileOneAVX2: is not named <s|d>gemm[Wide|Halves]<rows>x<columns>AVX2"},
		{"GEMM loops", amd64, "Y6, Y1", "X6, X1", "sgemm2x16AVX2: twoK sums in registers of the wrong width: VFMADD231PS Y5, X6, X1"},
		{"GEMM loops", amd64, "\tVFMADD231PS  Y5, Y7, Y3\n", "", "sgemm2x16AVX2: twoK has 3 FMAs for 2 rows of 2 vectors"},
		{"GEMM loops", amd64, "Y5, Y7, Y3", "Y5, Y7, Y2", "sgemm2x16AVX2: twoK has 3 accumulators for 4 FMAs"},
		{"GEMM loops", amd64, "VBROADCASTSS (AX)(DI*1), Y7", "VMOVAPS Y6, Y7", "sgemm2x16AVX2: twoK reads 1 elements of A for 2 rows"},
		{"GEMM loops", amd64, "VMOVUPS      32(CX), Y5", "VMOVAPS Y4, Y5", "sgemm2x16AVX2: has no K loop for 2 vectors"},
		{"GEMM loops", amd64, "DECQ         DX", "DECQ k+16(FP)", "sgemm2x16AVX2: twoK uses the stack: DECQ k+16(FP)"},
		{"GEMM loops", amd64, "sgemm2x16AVX2", "sgemm2AVX2", "sgemm2AVX2: is not named <s|d>gemm[Wide|Halves]<rows>x<columns>AVX2"},
		{"GEMM loops", amd64, "sgemm2x16AVX2", "gemm2x16AVX2", "gemm2x16AVX2: is not named <s|d>gemm[Wide|Halves]<rows>x<columns>AVX2"},
		{"GEMM loops", amd64, "sgemm2x16AVX2", "sgemm2x12AVX2", "sgemm2x12AVX2: 12 columns are no whole vectors of 8"},
		{"GEMM loops", amd64, "sgemm2x16AVX2", "sgemm2x24AVX2", "sgemm2x24AVX2: has no K loop for 3 vectors"},
		{"GEMM loops", amd64, "sgemm2x16AVX2", "sgemm3x16AVX2", "sgemm3x16AVX2: twoK has 4 FMAs for 3 rows of 2 vectors"},
		{"GEMM loops", amd64, "sgemm1x8AVX2", "sgemm1x16AVX2", "sgemm2x16AVX2: has no K loop for 1 vectors"},
		{"GEMM loops", amd64, "VMASKMOVPS   32(CX), Y15, Y5", "VMOVUPS 32(CX), Y5", "sgemm2x16AVX2: has no K loop for 2 vectors, masked"},
		{"GEMM loops", amd64, "VMASKMOVPS   32(CX), Y15, Y5", "VMOVUPS 32(CX), Y5", "sgemm2x16AVX2: has one too many: K loop for 2 vectors"},
		{"GEMM loops", amd64, "VMASKMOVPS   (CX), Y15, Y2", "VMOVUPS (CX), Y2", "sgemm1x8AVX2: has no K loop for 1 vectors, masked"},
		{"GEMM loops", amd64, "JNZ          twoMaskedK", "JNZ two", "sgemm2x16AVX2: has no K loop for 2 vectors, masked"},
		{"GEMM loops", amd64, "VBROADCASTSS 12(AX), Y3", "VMOVAPS Y2, Y3", "sgemm1x8AVX2: oneUnrolled reads 3 elements of A for 1 rows"},
		{"GEMM loops", amd64, "VMOVUPS      (BX)(DI*1), Y2", "VMOVAPS Y2, Y4", "sgemm1x8AVX2: oneUnrolled reads 4 elements of A for 1 rows"},
		{"GEMM loops", amd64, "8(AX), Y3\n\tVFMADD231PS  Y2, Y3, Y0", "8(AX), Y3", "sgemm1x8AVX2: oneUnrolled has 3 FMAs, no multiple of 4 steps"},
		{"GEMM loops", amd64, "8(AX), Y3\n\tVFMADD231PS  Y2, Y3, Y0", "8(AX), Y3\n\tVFMADD231PS Y2, Y3, Y1", "sgemm1x8AVX2: oneUnrolled has 2 accumulators for 1 FMAs"},
		{"GEMM loops", avx512, "Y2, Y3, Y0", "Z2, Z3, Z0", "sgemmHalves2x8AVX512: halfK sums in registers of the wrong width: VFMADD231PS Z2, Z3, Z0"},
		{"GEMM loops", avx512, "Z2, Z1\n", "Y2, Y1\n", "sgemm2x16AVX512: oneK sums in registers of the wrong width: VFMADD231PS.BCST (AX)(DI*1), Y2, Y1"},
		{"GEMM loops", avx512, "Z2, Z1\n", "Z2, Z0\n", "sgemm2x16AVX512: oneK has 1 accumulators for 2 FMAs"},
		{"GEMM loops", avx512, "VFMADD231PS.BCST (AX)(DI*1), Z2", "VFMADD231PS Z2, Z2", "sgemm2x16AVX512: oneK reads 1 elements of A for 2 rows"},
		{"GEMM loops", avx512, "VFMADD231PS.BCST (AX), Z2", "VFMADD231PS.BCST a+24(FP), Z2", "sgemm2x16AVX512: oneK uses the stack: VFMADD231PS.BCST a+24(FP), Z2, Z0"},
		{"GEMM loops", avx512, "Z5, Z4", "Y5, Y4", "sgemmWide1x16AVX512: wideK sums in registers of the wrong width: VFMADD231PS (CX), Y5, Y4"},
		{"GEMM loops", avx512, "sgemmWide1x16", "sgemmWide1x32", "sgemmWide1x32AVX512: wideK has 1 FMAs for 1 rows of 2 vectors"},
		{"GEMM loops", avx512, "JNZ          wideK", "JNZ other", "sgemmWide1x16AVX512: has no K loop for 1 vectors"},
		{"GEMM loops", avx512, "sgemm1x32", "sgemmHalves1x32", "sgemmHalves1x32AVX512: twoK sums in registers of the wrong width: VFMADD231PS Z16, Z18, Z0"},
		{"GEMM loops", avx512, "sgemm1x32", "sgemm1x24", "sgemm1x24AVX512: 24 columns are no whole vectors of 16"},
		{"GEMM loops", avx512, "sgemmHalves2x8", "sgemm2x32", "sgemm2x32AVX512: halfK sums in registers of the wrong width: VFMADD231PS Y2, Y3, Y0"},
		{"GEMM loops", avx512, "sgemmHalves2x8", "sgemmHalves2x16", "sgemmHalves2x16AVX512: has no K loop for 2 vectors, masked"},
		{"GEMM loops", avx512, "sgemm2x16", "sgemm2x32", "sgemm2x32AVX512: has no K loop for 2 vectors, masked"},
		{"GEMM loops", avx512, "sgemm2x16", "sgemm2x32", "sgemm1x32AVX512: has no K loop for 1 vectors, masked"},
		{"GEMM loops", avx512, "VMOVUPS.Z    64(CX), K1, Z17", "VMOVUPS 64(CX), Z17", "sgemm1x32AVX512: has no K loop for 2 vectors, masked"},
		{"GEMM loops", amd64, "sgemm1x8AVX2", "sgemmHalves1x8AVX2", "sgemmHalves1x8AVX2: is not named <s|d>gemm[Wide|Halves]<rows>x<columns>AVX2"},
		{"GEMM loops", double512, "Y2, Y3, Y0", "Z2, Z3, Z0", "dgemmHalves2x4AVX512: halfK sums in registers of the wrong width: VFMADD231PD Z2, Z3, Z0"},
		{"GEMM loops", double512, "Z2, Z1\n", "Y2, Y1\n", "dgemm2x8AVX512: oneK sums in registers of the wrong width: VFMADD231PD.BCST (AX)(DI*1), Y2, Y1"},
		{"GEMM loops", double512, "dgemm1x16", "dgemm1x32", "dgemm1x32AVX512: has no K loop for 4 vectors, masked"},
		{"GEMM loops", arm64, "fmla v2.4s", "fmla v2.2s", "sgemm1x12NEON: threeK sums in registers of the wrong width: fmla v2.2s, v26.4s, v27.s[0]"},
		{"GEMM loops", arm64, "fmla v2.4s", "fmla v1.4s", "sgemm1x12NEON: threeK has 3 FMAs for 2 accumulators"},
		{"GEMM loops", arm64, "fmla v2.4s", "fmul v2.4s", "sgemm1x12NEON: threeK has 1 vector instructions besides loads and FMAs"},
		{"GEMM loops", arm64, "VFMLA V24", "VFMUL V24", "sgemm1x12NEON: oneK has 0 accumulators for 1 rows"},
		{"GEMM loops", arm64, "sgemm1x12", "sgemm2x12", "sgemm2x12NEON: threeK has 3 accumulators for 2 rows"},
		{"GEMM loops", arm64, "FMOVS  (R1)(R9<<2), F27", "FMOVQ (R1), F27", "sgemm1x12NEON: threeK reads 0 elements of A for 1 rows"},
		{"GEMM loops", arm64, "FMOVQ (R19), F24", "FMOVQ (R19), F24\n\tFMOVQ (R19), F25\n\tFMOVQ (R19), F26", "sgemm1x12NEON: oneK has 4 loads for 1 rows and 1 vectors"},
		{"GEMM loops", arm64, "CBNZ   R11, threeK", "FMOVQ F1, n+8(FP)\n\tCBNZ R11, threeK", "sgemm1x12NEON: threeK uses the stack: FMOVQ F1, n+8(FP)"},
		{"GEMM loops", framed, "CBNZ  R11, oneK", "FMOVQ F1, 8(RSP)\n\tCBNZ R11, oneK", "tile1x4NEON: oneK uses the stack: FMOVQ F1, 8(RSP)"},
		{"GEMM loops", framed, "PRFM (R13), PLDL1KEEP", "FMOVQ (R13), F1", "tile1x4NEON: oneAsk has 0 accumulators for 1 rows"},
		{"GEMM loops", framed, "WORD   $0x3ce3785b // ldr q27, [x2, x3, lsl #4]", strings.Repeat("FMOVS (R1), F27\n\t", 8), "tile1x4NEON: oneAlongRows has 12 loads for 4 steps, which have 2 each"},
		{"GEMM loops", framed, "CBNZ  R11, oneK", "CBNZ R11, one", "tile1x4NEON: has no K loop for 1 vectors"},
		{"GEMM loops", arm64, "CBNZ   R11, twoK", "CBNZ R11, two", "sgemm1x12NEON: has no K loop for 2 vectors"},
		{"GEMM loops", arm64, "sgemm1x12", "sgemm1x8", "sgemm1x8NEON: has one too many: K loop for 3 vectors"},
		{"GEMM loops", double, "dgemm1x6", "dgemm1x12", "dgemm1x12NEON: has no K loop for 6 vectors"},
		{"GEMM loops", double, "fmla v2.2d", "fmla v2.2s", "dgemm1x6NEON: threeK sums in registers of the wrong width: fmla v2.2s, v26.2d, v27.d[0]"},
		{"GEMM loops", double, "V0.D2", "V0.S2", "dgemm1x6NEON: oneK sums in registers of the wrong width: VFMLA V24.D2, V27.D2, V0.S2"},
	} {
		content, ok := good[c.path]
		if !ok { // it's the path that is bad
			content = goodAVX2
		}
		require.Contains(t, content, c.old)
		bad := parse(c.path, strings.Replace(content, c.old, c.new, 1))
		for _, known := range checks {
			if known.name == c.check {
				failed[c.check] = true
				assert.Contains(t, known.find(bad), c.want, "%s with %q", c.check, c.new)
			}
		}
	}
	for _, c := range checks {
		assert.True(t, failed[c.name], "nothing shows that the check %q can fail", c.name)
	}
}

func TestMisplacedTilesAreFound(t *testing.T) {
	const eight, sixteen = "{8, []TileKernel[float32]{sgemm1x8AVX2, sgemm2x8AVX2}}", "{16, []TileKernel[float32]{sgemm1x16AVX2}}"
	tiles := func(names string) string {
		return "[]panelKernels[TileKernel[float32]]{{8, []TileKernel[float32]{" + names + "}}}"
	}
	for table, want := range map[string][]string{
		tiles("sgemm1x8AVX2, sgemm2x8AVX2"):   nil,
		tiles("sgemm2x8AVX2, sgemm1x8AVX2"):   {"sgemm2x8AVX2", "sgemm1x8AVX2"},
		tiles("sgemm1x8AVX2, sgemm3x8AVX2"):   {"sgemm3x8AVX2"},
		tiles("sgemm1x8AVX2, sgemm2x16AVX2"):  {"sgemm2x16AVX2"},
		tiles("sgemm1x8AVX2, sgemm2x8AVX512"): {"sgemm2x8AVX512"},
		tiles("sgemm1x8SSE"):                  {"sgemm1x8SSE"},
		tiles("dgemm1x8AVX2"):                 {"dgemm1x8AVX2"},
		tiles("sgemmWide1x8AVX2"):             {"sgemmWide1x8AVX2"},
		tiles("sgemm1AVX2"):                   {"sgemm1AVX2"},
		tiles(""):                             {"panel of 8 columns, 0 kernels"},

		"[]panelKernels[TileKernel[float32]]{" + eight + ", " + sixteen + "}":                                                                         nil,
		"[]panelKernels[TileKernel[float32]]{" + sixteen + ", " + eight + "}":                                                                         {"panel of 8 columns, 2 kernels"},
		"[]panelKernels[TileKernel[float32]]{" + eight + ", {16, []TileKernel[float32]{sgemm1x16AVX512}}}":                                            {"sgemm1x16AVX512"},
		"[]panelKernels[TileKernel[float32]]{{columns: 8, tile: []TileKernel[float32]{sgemm1x8AVX2}}}":                                                {"panel of 0 columns, 0 kernels"},
		"[]panelKernels[TileKernel[float64]]{{4, []TileKernel[float64]{dgemm1x4NEON, dgemm2x4NEON}}}":                                                 nil,
		"[]panelKernels[TileKernel[float64]]{{4, []TileKernel[float64]{dgemm1x4NEON, sgemm2x4NEON}}}":                                                 {"sgemm2x4NEON"},
		"[]panelKernels[TileKernel[float32]]{{wide, []TileKernel[float32]{sgemm1x16AVX2}}}":                                                           nil,
		"[]panelKernels[TileKernel[float32]]{{wide, []TileKernel[float32]{sgemm1x8AVX2}}}":                                                            {"sgemm1x8AVX2"},
		"[]panelKernels[TileKernel[float32]]{{other, []TileKernel[float32]{sgemm1x16AVX2}}}":                                                          {"panel of 0 columns, 1 kernels", "sgemm1x16AVX2"},
		"[]panelKernels[TapKernel[float32]]{{wide, []TapKernel[float32]{tile1x16AVX2}}}":                                                              nil,
		"[]panelKernels[TapKernel[float32]]{{wide, []TapKernel[float32]{sgemm1x16AVX2}}}":                                                             {"sgemm1x16AVX2"},
		"[]panelKernels[TileKernel[float32]]{{8, []TileKernel[float32]{sgemmHalves1x8AVX512}}, {wide, []TileKernel[float32]{sgemm1x16AVX512}}}":       nil,
		"[]panelKernels[TileKernel[float32]]{{8, []TileKernel[float32]{sgemmHalves1x8AVX512}}, {wide, []TileKernel[float32]{sgemmHalves1x16AVX512}}}": {"sgemmHalves1x16AVX512"},
		"[]panelKernels[TileKernel[float32]]{{8, []TileKernel[float32]{sgemm1x8AVX512, sgemmHalves2x8AVX512}}}":                                       {"sgemmHalves2x8AVX512"},
		"[]panelKernels[TapKernel[float32]]{{8, []TapKernel[float32]{tile1x8AVX512}}, {wide, []TapKernel[float32]{tileHalves1x16AVX512}}}":            {"tileHalves1x16AVX512"},
		"panelKernels[TileKernel[float32]]{wide, []TileKernel[float32]{sgemm1x16AVX512}}":                                                             nil,
		"panelKernels[TileKernel[float32]]{wide, []TileKernel[float32]{sgemm1x16AVX512, sgemm1x16AVX512}}":                                            {"sgemm1x16AVX512"},
		"[]TapKernel[float32]{tile1x8AVX2}":   {"tile1x8AVX2"},
		"[]TileKernel[float32]{sgemm1x8AVX2}": {"sgemm1x8AVX2"},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "kernels.go", "package p; const wide = 16; var t = "+table, 0)
		require.NoError(t, err)
		assert.Equal(t, want, misplacedTiles(file), table)
	}
}
