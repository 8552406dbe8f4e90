// Package simdtest reruns tests for every instruction set that the machine
// has.
package simdtest

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"testing"

	"github.com/steppe-ml/steppe/simd"
)

// EachISA runs test once for each instruction set of this machine, as a
// subtest named after it, with that set active. Where STEPPE_SIMD chooses one,
// the test runs for that one alone.
func EachISA(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	for _, isa := range ISAs() {
		t.Run("isa="+isa.String(), func(t *testing.T) {
			Use(t, isa)
			test(t)
		})
	}
}

// EnvEveryISA is the environment variable that makes SlowEachISA the same as EachISA.
const EnvEveryISA = "STEPPE_TEST_EVERY_ISA"

// SlowEachISA is EachISA for a test that takes seconds: it runs test for the active instruction set
// alone, unless STEPPE_TEST_EVERY_ISA is set. The checks in .ci/run leave no set out: they repeat
// all tests with STEPPE_SIMD set to each other one, and set STEPPE_TEST_EVERY_ISA where they don't.
func SlowEachISA(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	if os.Getenv(EnvEveryISA) != "" {
		EachISA(t, test)
		return
	}
	t.Run("isa="+simd.Active().String(), test)
}

// ISAs returns the instruction sets of this machine, or the one that STEPPE_SIMD
// chooses.
func ISAs() []simd.ISA {
	if os.Getenv(simd.EnvVar) != "" {
		return []simd.ISA{simd.Active()}
	}
	return simd.Supported()
}

// Use makes isa active until the test ends.
func Use(t testing.TB, isa simd.ISA) {
	t.Helper()
	former, err := simd.Use(isa)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if _, err := simd.Use(former); err != nil {
			t.Error(err)
		}
	})
}

// SkipIfEmulated skips the rest of a test that starts its own binary again, if err says that the
// system can't run it: an emulator runs the test then, which the kernel doesn't know of.
func SkipIfEmulated(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, syscall.ENOEXEC) {
		t.Skip("an emulator runs this test, and the system can't start its binary itself")
	}
}

// Main is a TestMain that fails when STEPPE_SIMD asks for what is not there.
func Main(m *testing.M) {
	if err := simd.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}
