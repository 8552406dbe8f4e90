// Package tabletest finds the functions of a table of kernels that no assembly was written for.
package tabletest

import (
	"fmt"
	"maps"
	"reflect"
	"runtime"
	"slices"
	"strings"

	"github.com/stretchr/testify/assert"
)

// Check fails t for each field of an instruction set's table that holds a function in Go, or none,
// unless without has a reason for it. It fails, too, for each field in without that has assembly
// throughout. Table is a pointer to a struct. Fields of structs in it, and in its slices, are named
// by their paths, without indexes: "panels.tile".
func Check(t assert.TestingT, table any, without map[string]string) {
	missing := Missing(table)
	for _, field := range slices.Sorted(maps.Keys(missing)) {
		if without[field] == "" {
			assert.Fail(t, fmt.Sprintf("%s is %s: write it in assembly, or give a reason", field, missing[field]))
		}
	}
	for _, field := range slices.Sorted(maps.Keys(without)) {
		if missing[field] == "" {
			assert.Fail(t, fmt.Sprintf("%s is assembly, or no function at all: take its reason off the list (%s)", field, without[field]))
		}
	}
}

// Missing returns the fields of a table that hold a function in Go, or none, and what they hold. Of
// several functions behind a path it names the first in Go.
func Missing(table any) map[string]string {
	missing := map[string]string{}
	walk(reflect.ValueOf(table).Elem(), "", missing)
	return missing
}

func walk(v reflect.Value, path string, missing map[string]string) {
	switch v.Kind() {
	case reflect.Func:
		if in := goFunction(v); in != "" && missing[path] == "" {
			missing[path] = in
		}
	case reflect.Struct:
		for i := range v.NumField() {
			walk(v.Field(i), strings.TrimPrefix(path+"."+v.Type().Field(i).Name, "."), missing)
		}
	case reflect.Slice, reflect.Array:
		for i := range v.Len() {
			walk(v.Index(i), path, missing)
		}
		if v.Len() == 0 {
			walk(reflect.Zero(v.Type().Elem()), path, missing)
		}
	}
}

// goFunction returns the name of the function in Go that f is, "none" if it is nil, and "" if it is
// assembly. The file of assembly, or of what the compiler puts before it, is no file of Go.
func goFunction(f reflect.Value) string {
	if f.IsNil() {
		return "none"
	}
	function := runtime.FuncForPC(f.Pointer())
	file, _ := function.FileLine(f.Pointer())
	if !strings.HasSuffix(file, ".go") {
		return ""
	}
	return function.Name()
}
