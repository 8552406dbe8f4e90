package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/simd"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// command runs the command, which may choose another instruction set.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	simdtest.Use(t, simd.Active()) // to have it back
	var out, err bytes.Buffer
	code = run(t.Context(), args, &out, &err)
	return code, out.String(), err.String()
}

// needGo skips a test where the measurements can't be built.
func needGo(t *testing.T) {
	if _, err := exec.LookPath("go"); err != nil {
		t.Skip(err)
	}
	// What a test reads is part of what its kept result depends on.
	_, err := os.ReadDir("../../blas")
	require.NoError(t, err)
}

func TestEveryKnobHasFigures(t *testing.T) {
	needGo(t)
	code, stdout, stderr := command(t, "--quick", "--rounds", "1")
	require.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	var knobs []string
	for _, part := range strings.Split(stdout, "\n\n") {
		lines := strings.Split(part, "\n")
		switch {
		case strings.Contains(lines[0], " = "):
			knob, _, _ := strings.Cut(lines[0], " = ")
			knobs = append(knobs, knob)
		case strings.Contains(lines[0], "m x n x k"):
			assert.Contains(t, lines[0], "f32 "+simd.Active().String())
			assert.Regexp(t, `^\d+( of \d+)?x\d+.* [\d.]+ ±0.0`, lines[2])
			assert.Regexp(t, `^ .*table`, lines[3])
			assert.Regexp(t, `^\d+( of \d+)?x\d+.* too few rounds$`, lines[4])
		}
	}
	assert.Equal(t, tuning.Knobs, slices.Compact(knobs))
	for line := range strings.Lines(stdout) {
		assert.Equal(t, strings.TrimRight(line, " \n")+"\n", line)
	}
}

func TestChosenFigures(t *testing.T) {
	needGo(t)
	code, stdout, stderr := command(t, "--quick", "--isa", "generic", "--dtype", "f64", "--knob", "MC,CopyA", "--rounds", "5")
	require.Zero(t, code, stderr)
	assert.Contains(t, stdout, ", f64, generic; 5 rounds, ")
	assert.Contains(t, stdout, "\nMC = 64: large squares\n")
	assert.Contains(t, stdout, "\ngeometric mean ")
	assert.Contains(t, stdout, "\nOver all products ")
	assert.Contains(t, stdout, "\nCopyA = 1024: A transposed\n")
	assert.Regexp(t, `\n(No crossing: |Crossing from in place to copied: )`, stdout)
	assert.NotContains(t, stdout, "PackRows")
	assert.NotContains(t, stdout, "too few")
}

func TestErrors(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--knob kd", `--knob: there is no "kd", only KC, MC, NC, DirectUpTo, PackRows, PackRowsAligned, PackStride, PackAligned, CopyA, CopyFighting, DotsUpTo, AloneBelow, WakeBelow, PartWork`},
		{"--knob=", "--knob: none is named"},
		{"--dtype f16", `--dtype: there is no "f16", only f32 and f64`},
		{"--rounds 0", "--rounds: 0, want at least 1"},
		{"--isa mmx", `--isa: simd: unknown instruction set "mmx", want one of generic, avx2, avx512, avx512-halves, neon`},
		{"--fast", "unknown flag: --fast (--help lists the flags)"},
		{"KC", `tune takes flags only, got "KC"`},
	} {
		code, stdout, stderr := command(t, strings.Fields(test.args)...)
		assert.Equal(t, 1, code, test.args)
		assert.Empty(t, stdout, test.args)
		assert.Equal(t, "tune: "+test.want+"\n", stderr)
	}
	for _, isa := range []simd.ISA{simd.AVX2, simd.AVX512, simd.AVX512Halves, simd.NEON} {
		if !slices.Contains(simd.Supported(), isa) {
			code, _, stderr := command(t, "--isa", isa.String())
			assert.Equal(t, 1, code)
			assert.Contains(t, stderr, fmt.Sprintf("tune: --isa: simd: no %v here: this machine and build have ", isa))
		}
	}
}

func TestHelp(t *testing.T) {
	code, stdout, stderr := command(t, "--help")
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	assert.Contains(t, stdout, "go run ./bench/tune --isa avx2")
	for _, name := range append([]string{"--isa", "--dtype", "--knob", "--rounds", "--quick"}, tuning.Knobs...) {
		assert.Contains(t, stdout, name)
	}
}

func TestInterrupted(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	stop()
	var stdout, stderr bytes.Buffer
	assert.Equal(t, 130, run(ctx, []string{"--quick"}, &stdout, &stderr))
	assert.Equal(t, "tune: interrupted\n", stderr.String())
}

func TestMeasurementsFail(t *testing.T) {
	needGo(t)
	err := measure(t.Context(), tuning.Job{Dtype: "f16"}, nil)
	assert.ErrorContains(t, err, "measuring: exit status 1")
	assert.ErrorContains(t, err, `no type "f16"`)
}
