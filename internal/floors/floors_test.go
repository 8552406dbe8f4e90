package floors

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "github.com/steppe-ml/steppe/"

// goPackage is what `go list` says of a package.
type goPackage struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Imports    []string
}

// packages returns the module's packages, by their folders.
func packages(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Dir,GoFiles,Imports", "./...")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	if errors.Is(err, exec.ErrNotFound) {
		t.Skip("there is no go command here")
	}
	require.NoError(t, err)
	list := map[string]goPackage{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else {
			require.NoError(t, err)
		}
		list[strings.TrimPrefix(p.ImportPath, module)] = p
	}
}

// floors returns the floor of each folder in the table of docs/ARCHITECTURE.md, and the
// order of the folders in their rows.
func floors(t *testing.T) (floor, place map[string]int) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "ARCHITECTURE.md"))
	require.NoError(t, err)
	floor, place = map[string]int{}, map[string]int{}
	for _, row := range regexp.MustCompile(`(?m)^\| (\d) \| ([^|]*) \|`).FindAllStringSubmatch(string(text), -1) {
		number, err := strconv.Atoi(row[1])
		require.NoError(t, err)
		for i, folder := range regexp.MustCompile("`([^`]*)`").FindAllStringSubmatch(row[2], -1) {
			floor[folder[1]], place[folder[1]] = number, i
		}
	}
	require.Greater(t, len(floor), 10, "the table of floors has been read")
	return floor, place
}

// folderOf returns the folder of the table that a package is in, "" if there is none.
func folderOf(floor map[string]int, path string) string {
	for ; path != "."; path = filepath.Dir(path) {
		if _, ok := floor[path]; ok {
			return path
		}
	}
	return ""
}

// Imports go down: to a lower floor, or on the ground floor to a package that is named
// earlier. Packages without a floor serve all, and import none that has one but simd and
// conv.
func TestImportsGoDown(t *testing.T) {
	floor, place := floors(t)
	all := packages(t)
	for folder := range floor {
		_, err := os.Stat(filepath.Join("..", "..", folder))
		assert.NoError(t, err, "the table names %s", folder)
	}
	for path, p := range all {
		from := folderOf(floor, path)
		if from == "" {
			assert.True(t, strings.HasPrefix(path, "internal/"), "%s has a place in the table", path)
		}
		for _, imported := range p.Imports {
			imported, ours := strings.CutPrefix(imported, module)
			to := folderOf(floor, imported)
			switch {
			case !ours || to == "" || to == from && floor[from] == 8:
			case from == "":
				assert.Contains(t, []string{"simd", "conv"}, to, "%s has no floor, and imports %s", path, imported)
			case floor[from] == 0:
				assert.Less(t, place[to]+100*floor[to], place[from], "%s imports %s", path, imported)
			default:
				assert.Less(t, floor[to], floor[from], "%s on floor %d imports %s on floor %d", path, floor[from], imported, floor[to])
			}
		}
	}
}

// No floor names a thing that belongs to one above it: nothing below net has an
// identifier that is the name of a layer, nothing below sam one that speaks of SAM, and
// only the top floor prints.
func TestFloorsNameNothingAbove(t *testing.T) {
	floor, _ := floors(t)
	all := packages(t)
	layers := layerNames(t, all["net"])
	require.Contains(t, layers, "Conv2D")
	aboutSAM := regexp.MustCompile(`^(SAM|MSAM|ASAM|sam|msam|asam)([A-Z_0-9]|$)|Sharpness|sharpness`)
	for path, p := range all {
		at, ok := floor[folderOf(floor, path)]
		if !ok && !strings.HasPrefix(path, "internal/parallel") {
			continue
		}
		for name, where := range identifiers(t, p) {
			if at < 3 {
				assert.False(t, layers[name], "%s: %s names the layer %s", path, where, name)
			}
			if at < 5 {
				assert.NotRegexp(t, aboutSAM, name, "%s: %s speaks of SAM", path, where)
			}
			if at < 8 {
				assert.NotContains(t, []string{"fmt.Print", "fmt.Println", "fmt.Printf", "os.Stdout", "os.Stderr"}, name, "%s: %s prints", path, where)
			}
		}
	}
}

// layerNames returns the exported types of net that have a method Build, but for those
// whose names are functions of vectors as well, such as ReLU.
func layerNames(t *testing.T, p goPackage) map[string]bool {
	functions := map[string]bool{"ReLU": true, "GELU": true, "Tanh": true, "Sigmoid": true, "MaxPool": true}
	names := map[string]bool{}
	for _, file := range p.GoFiles {
		f := parse(t, filepath.Join(p.Dir, file))
		for _, d := range f.Decls {
			method, ok := d.(*ast.FuncDecl)
			if !ok || method.Recv == nil || method.Name.Name != "Build" {
				continue
			}
			if typ, ok := method.Recv.List[0].Type.(*ast.Ident); ok && typ.IsExported() && !functions[typ.Name] {
				names[typ.Name] = true
			}
		}
	}
	return names
}

// identifiers returns the identifiers of a package, and those that it selects from
// others, with a place of each.
func identifiers(t *testing.T, p goPackage) map[string]string {
	names := map[string]string{}
	for _, file := range p.GoFiles {
		path := filepath.Join(p.Dir, file)
		ast.Inspect(parse(t, path), func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.Ident:
				names[n.Name] = file
			case *ast.SelectorExpr:
				if x, ok := n.X.(*ast.Ident); ok {
					names[x.Name+"."+n.Sel.Name] = file
				}
			}
			return true
		})
	}
	return names
}

func parse(t *testing.T, path string) *ast.File {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	require.NoError(t, err)
	return f
}
