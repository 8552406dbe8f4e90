// Package asm_gen tests what the generators write, whichever vocabulary they
// are written in.
package asm_gen

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What kernels may use, by avo's names: what simd/isa_amd64.go looks for, and
// the prefetches, MMX+, that every amd64 has. (Every arm64 has NEON.)
const (
	avx2   = "MMX+ AVX AVX2 FMA3"
	avx512 = avx2 + " AVX512F AVX512VL AVX512BW AVX512DQ BMI2"
	bf16   = avx512 + " AVX512_BF16"
)

var programs = []struct {
	args     string
	arch     string
	features string
}{
	{"./simd -isa avx2", "amd64", avx2},
	{"./gemm -float 32 -isa avx2", "amd64", avx2},
	{"./gemm -float 64 -isa avx2", "amd64", avx2},
	{"./vector -float 32 -isa avx2", "amd64", avx2},
	{"./vector -float 64 -isa avx2", "amd64", avx2},
	{"./taps -isa avx2", "amd64", avx2},
	{"./pool -isa avx2", "amd64", avx2},
	{"./simd -isa avx512", "amd64", avx512},
	{"./gemm -float 32 -isa avx512", "amd64", avx512},
	{"./gemm -float 64 -isa avx512", "amd64", avx512},
	{"./vector -float 32 -isa avx512", "amd64", avx512},
	{"./vector -float 64 -isa avx512", "amd64", avx512},
	{"./taps -isa avx512", "amd64", avx512},
	{"./pool -isa avx512", "amd64", avx512},
	{"./simd -isa bf16", "amd64", bf16},
	{"./simd -isa pairs", "amd64", avx2},
	{"./gemm -float 32 -isa bf16", "amd64", bf16},
	{"./gemm -float 32 -isa pairs", "amd64", avx2 + " SSE"}, // SSE: LDMXCSR and STMXCSR
	{"./simd -isa neon", "arm64", ""},
	{"./pool -isa neon", "arm64", ""},
	{"./neon/gemm -float 32", "arm64", ""},
	{"./neon/gemm -float 64", "arm64", ""},
	{"./vector -float 32 -isa neon", "arm64", ""},
	{"./vector -float 64 -isa neon", "arm64", ""},
	{"./neon/taps", "arm64", ""},
}

var (
	requires = regexp.MustCompile(`(?m)^// Requires: (.*)$`)
	bareRET  = regexp.MustCompile(`(?m)^\t(\w+).*\n\tRET$`)

	generates = regexp.MustCompile(`(?m)^//go:generate go run -C \S*asm_gen (.*) -out`)
)

func TestGenerators(t *testing.T) {
	_, err := filepath.Glob("*/*/*.go") // looked at, so that go test knows what its cached result depends on
	require.NoError(t, err)
	for _, p := range programs {
		t.Run(p.args, func(t *testing.T) {
			dir := t.TempDir()
			assembly := generate(t, dir, p.args, p.arch)
			assert.Equal(t, assembly, generate(t, dir, p.args, p.arch), "the same again")

			// Frames and arguments agree with the stubs, and all of it assembles.
			require.NoError(t, os.WriteFile(filepath.Join(dir, "go.mod"), []byte("module p\n\ngo 1.26\n"), 0o644))
			run(t, dir, p.arch, "go", "vet", ".")
			run(t, dir, p.arch, "go", "build", ".")

			for _, match := range requires.FindAllStringSubmatch(assembly, -1) {
				assert.Subset(t, strings.Fields(p.features), strings.Split(match[1], ", "))
			}
			if p.arch == "amd64" {
				for _, match := range bareRET.FindAllStringSubmatch(assembly, -1) {
					assert.Equal(t, "VZEROUPPER", match[1], "before RET")
				}
			}
		})
	}
}

// TestGenerators tests every generator that go generate runs.
func TestEveryGeneratorIsTested(t *testing.T) {
	docs, err := filepath.Glob("../*/doc.go")
	require.NoError(t, err)
	internal, err := filepath.Glob("../internal/*/doc.go")
	require.NoError(t, err)
	var run, tested []string
	for _, doc := range append(docs, internal...) {
		text, err := os.ReadFile(doc)
		require.NoError(t, err)
		for _, line := range generates.FindAllStringSubmatch(string(text), -1) {
			run = append(run, line[1])
		}
	}
	for _, p := range programs {
		tested = append(tested, p.args)
	}
	assert.ElementsMatch(t, run, tested)
}

// generate returns the assembly that a program writes to dir.
func generate(t *testing.T, dir, args, arch string) string {
	t.Helper()
	out := filepath.Join(dir, "kernels_"+arch+".s")
	command := append([]string{"run"}, strings.Fields(args)...)
	command = append(command, "-out", out, "-stubs", strings.TrimSuffix(out, "s")+"go", "-pkg", "p")
	run(t, ".", "", "go", command...)
	content, err := os.ReadFile(out)
	require.NoError(t, err)
	return string(content)
}

func run(t *testing.T, dir, arch, name string, args ...string) {
	t.Helper()
	command := exec.Command(name, args...)
	command.Dir = dir
	command.Env = append(os.Environ(), "GOWORK=off")
	if arch != "" {
		command.Env = append(command.Env, "GOARCH="+arch)
	}
	output, err := command.CombinedOutput()
	require.NoError(t, err, "%s %s\n%s", name, strings.Join(args, " "), output)
}
