package asmcheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

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
			of := identifier(kind) + " " + identifier(float)
			if of == "TileKernel float32" && ofPairs(panels) {
				prefix[of] = "bgemm"
			}
			misplaced = append(misplaced, misplacedIn(panels, prefix[of], widths)...)
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

// ofPairs reports whether the first kernel is one of a set that multiplies pairs, or one of AVX2's
// that do.
func ofPairs(panels []ast.Expr) bool {
	for _, p := range panels {
		if _, kernels := panel(p, nil); len(kernels) > 0 {
			m := tile.FindStringSubmatch(identifier(kernels[0]))
			return m != nil && (sets[m[5]].pairs || m[1] == "b" && m[5] == "AVX2")
		}
	}
	return false
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
		tiles("bgemm1x8BF16, bgemm2x8BF16"): nil,
		tiles("bgemm1x8BF16, sgemm2x8BF16"): {"sgemm2x8BF16"},
		tiles("bgemm1x8AVX2, bgemm2x8AVX2"): nil,
		tiles("bgemm1x8AVX2, sgemm2x8AVX2"): {"sgemm2x8AVX2"},
		tiles("sgemm1x8AVX2, bgemm2x8AVX2"): {"bgemm2x8AVX2"},
		tiles("sgemm1x8BF16"):               {"sgemm1x8BF16"},
		tiles("bgemm1x8AVX512"):             {"bgemm1x8AVX512"},
		"[]panelKernels[TileKernel[float64]]{{8, []TileKernel[float64]{bgemm1x8BF16}}}": {"bgemm1x8BF16"},
		"[]TapKernel[float32]{tile1x8AVX2}":                                             {"tile1x8AVX2"},
		"[]TileKernel[float32]{sgemm1x8AVX2}":                                           {"sgemm1x8AVX2"},
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "kernels.go", "package p; const wide = 16; var t = "+table, 0)
		require.NoError(t, err)
		assert.Equal(t, want, misplacedTiles(file), table)
	}
}
