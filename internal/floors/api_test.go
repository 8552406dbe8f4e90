package floors

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/build"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// machines are what the public packages are type-checked for: those with assembly, with and without
// it, and those that run plain Go, big-endian and 32-bit ones among them.
var machines = []struct {
	arch string
	tags []string
}{
	{"amd64", nil}, {"amd64", []string{"purego"}}, {"arm64", nil}, {"arm64", []string{"purego"}},
	{"riscv64", nil}, {"s390x", nil}, {"386", nil},
}

// A program that compiles for one machine compiles for all: no file with a build constraint adds to
// the public API, takes from it, or changes the type of anything in it.
func TestPublicAPIIsTheSameOnAllMachines(t *testing.T) {
	list, exports := publicPackages(t)
	var first map[string]bool
	for _, m := range machines {
		name := strings.Join(append([]string{m.arch}, m.tags...), ",")
		api := apiOn(t, m.arch, m.tags, list, exports)
		if first == nil {
			first = api
			for _, line := range []string{
				"simd.NEON const ISA = 4",
				"simd.Use func(isa ISA) (former ISA, err error)",
				"net.Conv2D.Kernel int",
				"net/op.Op.Traits func() Traits",
				"sam.Optimizer.Step func(batch github.com/steppe-ml/steppe/net.Batch) (Stats, error)",
			} {
				assert.True(t, api[line], "the API has %s", line)
			}
			continue
		}
		for line := range api {
			assert.True(t, first[line], "on %s alone: %s", name, line)
		}
		for line := range first {
			assert.True(t, api[line], "not on %s: %s", name, line)
		}
	}
}

// publicPackages returns the folders of the public packages and of those of ours that they import,
// imported ones first, and the files with the types of all other packages.
func publicPackages(t *testing.T) (folders []string, exports map[string]string) {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps", "-export", "-json=ImportPath,Export", "./blas", "./conv", "./net/...", "./sam/...", "./simd")
	cmd.Dir = filepath.Join("..", "..")
	out, err := cmd.Output()
	require.NoError(t, err)
	exports = map[string]string{}
	for decoder := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p struct{ ImportPath, Export string }
		if err := decoder.Decode(&p); err == io.EOF {
			return folders, exports
		} else {
			require.NoError(t, err)
		}
		if folder, ours := strings.CutPrefix(p.ImportPath, module); ours {
			folders = append(folders, folder)
		} else {
			exports[p.ImportPath] = p.Export
		}
	}
}

// checked are packages of ours with their types on one machine, and the packages of others as they
// are here.
type checked struct {
	ours   map[string]*types.Package
	others types.Importer
}

func (c checked) Import(path string) (*types.Package, error) {
	if p := c.ours[path]; p != nil {
		return p, nil
	}
	return c.others.Import(path)
}

// apiOn returns a line for each exported object, field and method of the public packages as they are on a machine.
func apiOn(t *testing.T, arch string, tags, folders []string, exports map[string]string) map[string]bool {
	t.Helper()
	api := map[string]bool{}
	machine := build.Default
	machine.GOARCH, machine.BuildTags, machine.CgoEnabled = arch, tags, false
	files := token.NewFileSet()
	all := checked{ours: map[string]*types.Package{}, others: importer.ForCompiler(files, "gc", func(path string) (io.ReadCloser, error) {
		return os.Open(exports[path])
	})}
	for _, folder := range folders {
		dir := filepath.Join("..", "..", folder)
		p, err := machine.ImportDir(dir, 0)
		require.NoError(t, err)
		var syntax []*ast.File
		for _, file := range p.GoFiles {
			f, err := parser.ParseFile(files, filepath.Join(dir, file), nil, parser.SkipObjectResolution)
			require.NoError(t, err)
			syntax = append(syntax, f)
		}
		conf := types.Config{Importer: all, IgnoreFuncBodies: true, Sizes: types.SizesFor("gc", arch)}
		pkg, err := conf.Check(module+folder, files, syntax, nil)
		require.NoError(t, err, "%s on %s", folder, arch)
		all.ours[module+folder] = pkg
		if !strings.HasPrefix(folder, "internal/") {
			for _, line := range exported(folder, pkg) {
				api[line] = true
			}
		}
	}
	return api
}

// exported describes the exported objects of a package, and of its types the exported fields and
// methods, a line each.
func exported(folder string, pkg *types.Package) (lines []string) {
	type named interface{ Name() string }
	add := func(owner string, o named, what string) {
		if token.IsExported(o.Name()) {
			lines = append(lines, fmt.Sprintf("%s.%s%s %s", folder, owner, o.Name(), what))
		}
	}
	typ := func(t types.Type) string { return types.TypeString(t, types.RelativeTo(pkg)) }
	for _, name := range pkg.Scope().Names() {
		switch o := pkg.Scope().Lookup(name).(type) {
		case *types.Const:
			add("", o, fmt.Sprintf("const %s = %v", typ(o.Type()), o.Val()))
		case *types.TypeName:
			if !o.Exported() {
				continue
			}
			switch u := o.Type().Underlying().(type) {
			case *types.Struct:
				add("", o, "struct")
				for f := range u.Fields() {
					add(name+".", f, typ(f.Type()))
				}
			case *types.Interface:
				add("", o, "interface")
				for m := range u.Methods() {
					add(name+".", m, typ(m.Type()))
				}
			default:
				add("", o, typ(u))
			}
			for s := range types.NewMethodSet(types.NewPointer(o.Type())).Methods() {
				add(name+".", s.Obj(), typ(s.Obj().Type()))
			}
		default:
			add("", o, typ(o.Type()))
		}
	}
	return lines
}
