package simd_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

// reportVar makes the test binary report what it found at start, instead of
// running tests.
const reportVar = "STEPPE_TEST_REPORT"

type report struct {
	Active    simd.ISA
	Supported []string
	Err       string
}

func TestMain(m *testing.M) {
	if os.Getenv(reportVar) == "" {
		simdtest.Main(m)
		return
	}
	r := report{Active: simd.Active(), Supported: names(simd.Supported())}
	if err := simd.Err(); err != nil {
		r.Err = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		panic(err)
	}
}

func names(sets []simd.ISA) (names []string) {
	for _, isa := range sets {
		names = append(names, isa.String())
	}
	return names
}

// child returns the command that runs this test binary again, with env alone
// deciding the instruction set.
func child(t *testing.T, env ...string) *exec.Cmd {
	t.Helper()
	command := exec.Command(os.Args[0], "-test.run=^$")
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); name != simd.EnvVar && name != "GODEBUG" && name != reportVar {
			command.Env = append(command.Env, entry)
		}
	}
	command.Env = append(command.Env, "GORACE=atexit_sleep_ms=0") // it is a second otherwise
	command.Env = append(command.Env, env...)
	return command
}

func reportOf(t *testing.T, env ...string) (r report) {
	t.Helper()
	output, err := child(t, append(env, reportVar+"=1")...).Output()
	simdtest.SkipIfEmulated(t, err)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(output, &r), "%s", output)
	return r
}

func TestNames(t *testing.T) {
	for isa, name := range map[simd.ISA]string{
		simd.Generic: "generic", simd.AVX2: "avx2", simd.AVX512: "avx512", simd.AVX512Halves: "avx512-halves", simd.NEON: "neon",
	} {
		assert.Equal(t, name, isa.String())
		parsed, err := simd.ParseISA(name)
		assert.NoError(t, err)
		assert.Equal(t, isa, parsed)
	}
	assert.Equal(t, "ISA(77)", simd.ISA(77).String())
	for _, name := range []string{"", "AVX2", "sse2", "avx512 "} {
		_, err := simd.ParseISA(name)
		assert.EqualError(t, err, fmt.Sprintf("simd: unknown instruction set %q, want one of generic, avx2, avx512, avx512-halves, neon", name))
	}
}

func TestArithmetic(t *testing.T) {
	for isa := range simd.ISA(simd.NumISA) {
		want := isa
		if isa == simd.AVX512Halves {
			want = simd.AVX512
		}
		assert.Equal(t, want, isa.Arithmetic(), isa)
	}
	supported := simd.Supported()
	assert.Equal(t, slices.Contains(supported, simd.AVX512), slices.Contains(supported, simd.AVX512Halves), "both or neither")
}

func TestSupported(t *testing.T) {
	supported := simd.Supported()
	assert.Equal(t, simd.Generic, supported[0], "worst first")
	assert.Contains(t, supported, simd.Active())
	supported[0] = simd.ISA(77)
	assert.Equal(t, simd.Generic, simd.Supported()[0], "callers get a copy")
}

func TestUse(t *testing.T) {
	before := simd.Active()
	former, err := simd.Use(simd.Generic)
	require.NoError(t, err)
	assert.Equal(t, before, former)
	assert.Equal(t, simd.Generic, simd.Active())
	former, err = simd.Use(before)
	require.NoError(t, err)
	assert.Equal(t, simd.Generic, former)

	for isa := range simd.ISA(simd.NumISA + 1) {
		if !slices.Contains(simd.Supported(), isa) {
			former, err := simd.Use(isa)
			assert.EqualError(t, err, fmt.Sprintf("simd: no %v here: this machine and build have %s", isa, strings.Join(names(simd.Supported()), ", ")))
			assert.Equal(t, before, former)
			assert.Equal(t, before, simd.Active(), "nothing changes")
		}
	}
}

func TestEnvironmentLowers(t *testing.T) {
	unset := reportOf(t)
	assert.Equal(t, unset.Supported[len(unset.Supported)-1], unset.Active.String(), "the best")
	assert.Empty(t, unset.Err)
	for _, isa := range unset.Supported {
		r := reportOf(t, simd.EnvVar+"="+isa)
		assert.Equal(t, isa, r.Active.String())
		assert.Equal(t, unset.Supported, r.Supported)
		assert.Empty(t, r.Err)
	}
}

func TestEnvironmentAsksForWhatIsNotThere(t *testing.T) {
	unset := reportOf(t)
	missing := slices.DeleteFunc([]string{"avx2", "avx512", "avx512-halves", "neon"}, func(name string) bool { return slices.Contains(unset.Supported, name) })
	want := map[string]string{
		"mmx": `STEPPE_SIMD=mmx: simd: unknown instruction set "mmx", want one of generic, avx2, avx512, avx512-halves, neon`,
	}
	for _, isa := range missing {
		want[isa] = fmt.Sprintf("STEPPE_SIMD=%s: simd: no %s here: this machine and build have %s", isa, isa, strings.Join(unset.Supported, ", "))
	}
	for isa, message := range want {
		r := reportOf(t, simd.EnvVar+"="+isa)
		assert.Equal(t, message, r.Err)
		assert.Equal(t, unset.Active, r.Active, "the best stays active")

		output, err := child(t, simd.EnvVar+"="+isa).CombinedOutput()
		var exit *exec.ExitError
		if assert.ErrorAs(t, err, &exit, "tests must not run on another set than they were asked to") {
			assert.Equal(t, 1, exit.ExitCode())
		}
		assert.Equal(t, message+"\n", string(output))
	}
}

// Every instruction that kernels use is looked for.
func TestFeaturesTurnedOff(t *testing.T) {
	supported := reportOf(t).Supported
	if runtime.GOARCH != "amd64" || !slices.Contains(supported, "avx2") {
		t.Skipf("%s with %s", runtime.GOARCH, strings.Join(supported, ", "))
	}
	for feature, left := range map[string][]string{
		"avx2":     {"generic"},
		"fma":      {"generic"},
		"avx512f":  {"generic", "avx2"},
		"avx512vl": {"generic", "avx2"},
		"avx512bw": {"generic", "avx2"},
		"avx512dq": {"generic", "avx2"},
		"bmi2":     {"generic", "avx2"},
		"sse41":    supported, // no kernel asks for it
	} {
		r := reportOf(t, "GODEBUG=cpu."+feature+"=off")
		assert.Equal(t, left, r.Supported, "without %s", feature)
		assert.Equal(t, left[len(left)-1], r.Active.String(), "without %s", feature)
		assert.Empty(t, r.Err)
	}
}

func TestProcessor(t *testing.T) {
	p := simd.Processor()
	assert.NotEmpty(t, p.Name)
	assert.GreaterOrEqual(t, p.PhysicalCores, 1)
	assert.GreaterOrEqual(t, p.LogicalCores, p.PhysicalCores)
	assert.GreaterOrEqual(t, p.LogicalCores, runtime.NumCPU())
	assert.GreaterOrEqual(t, p.L1D, 4<<10)
	assert.GreaterOrEqual(t, p.L2, p.L1D)
	assert.GreaterOrEqual(t, p.L3, 0)
	assert.Equal(t, p, simd.Processor())
}

func TestFMACeiling(t *testing.T) {
	simdtest.Use(t, simd.Generic)
	ceiling := simd.FMACeiling()
	assert.Positive(t, ceiling)
	assert.False(t, math.IsInf(ceiling, 0) || math.IsNaN(ceiling), "%v", ceiling)
	assert.Equal(t, simd.Generic, simd.Active(), "measuring the best set changes nothing")
}
