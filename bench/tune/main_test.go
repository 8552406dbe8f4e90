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
		case strings.Contains(lines[0], "; G"):
			assert.Contains(t, lines[0], "f32 "+simd.Active().String())
			assert.Regexp(t, `^\S+ ?.* [\d.]+ ±0.0`, lines[2])
			assert.Regexp(t, `^ .*table`, lines[3])
			assert.Regexp(t, `^\S+ ?.* too few rounds$`, lines[4])
		}
	}
	assert.Equal(t, tuning.Knobs(tuning.F32), slices.Compact(knobs))
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
	assert.Contains(t, stdout, "\nOver all rows ")
	assert.Contains(t, stdout, "\nCopyA = 1024: A transposed\n")
	assert.Regexp(t, `\n(No crossing: |Crossing from in place to copied: )`, stdout)
	assert.NotContains(t, stdout, "PackRows")
	assert.NotContains(t, stdout, "too few")
}

// A group is all its knobs, and one package measures both of its groups in one process.
func TestChosen(t *testing.T) {
	sam, level23 := tuning.Groups[3].Knobs, tuning.Groups[1].Knobs
	for _, test := range []struct {
		job    tuning.Job
		groups []string
		want   []string
	}{
		{tuning.Job{Dtype: "f32", Rounds: 1}, nil, tuning.Knobs(tuning.F32)},
		{tuning.Job{Dtype: "f64", Rounds: 1}, nil, slices.Concat(tuning.Groups[0].Knobs, level23)},
		{tuning.Job{Dtype: "f32", Rounds: 1}, []string{"sam", "level23"}, slices.Concat(sam, level23)},
		{tuning.Job{Dtype: "f32", Rounds: 1, Knobs: []string{"KC"}}, []string{"sam"}, slices.Concat([]string{"KC"}, sam)},
		{tuning.Job{Dtype: "f32", Rounds: 1, Knobs: []string{"KC"}}, nil, []string{"KC"}},
	} {
		got, err := chosen(test.job, test.groups, len(test.job.Knobs) > 0)
		assert.NoError(t, err)
		assert.Equal(t, test.want, got)
	}
	assert.Equal(t, []string{"blas", "conv", "sam"}, tuning.Packages(tuning.Knobs(tuning.F32)))
	assert.Equal(t, []string{"blas"}, tuning.Packages([]string{"TurnUpTo", "KC"}))
}

func TestErrors(t *testing.T) {
	for _, test := range []struct{ args, want string }{
		{"--knob kd", `--knob: there is no "kd", only ` + strings.Join(tuning.Knobs(tuning.F32), ", ")},
		{"--knob Reuse --dtype f64", "--knob: Reuse is measured with --dtype f32 only"},
		{"--group blas", `--group: there is no "blas", only gemm, level23, conv, sam`},
		{"--group conv --dtype f64", "--group: conv is measured with --dtype f32 only"},
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
	for _, name := range append([]string{"--isa", "--dtype", "--group", "--knob", "--rounds", "--quick"}, tuning.Knobs(tuning.F32)...) {
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
	err := measure(t.Context(), tuning.Job{Dtype: "f16", Knobs: []string{"KC"}}, nil)
	assert.ErrorContains(t, err, "measuring in blas: exit status 1")
	assert.ErrorContains(t, err, `no type "f16"`)
}
