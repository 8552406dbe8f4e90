//go:build !purego

package tabletest

import "runtime"

// Sets returns the names of the instruction sets that tables have a row for, beside plain Go's.
func Sets() []string {
	return map[string][]string{"amd64": {"avx2", "avx512", "avx512-halves"}, "arm64": {"neon"}}[runtime.GOARCH]
}
