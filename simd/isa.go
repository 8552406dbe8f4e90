package simd

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// ISA is an instruction set that kernels exist for.
type ISA uint8

const (
	Generic ISA    = iota // plain Go, on any machine
	AVX2                  // AVX2 and FMA
	AVX512                // AVX-512 F, VL, BW and DQ
	NEON                  // arm64's advanced SIMD
	NumISA  = iota        // the length of an array indexed by ISA
)

var isaNames = [NumISA]string{"generic", "avx2", "avx512", "neon"}

// String returns the name that STEPPE_SIMD knows isa by.
func (isa ISA) String() string {
	if int(isa) < len(isaNames) {
		return isaNames[isa]
	}
	return fmt.Sprintf("ISA(%d)", uint8(isa))
}

// ParseISA returns the instruction set with the given name. The machine need not support it.
func ParseISA(name string) (ISA, error) {
	if i := slices.Index(isaNames[:], name); i >= 0 {
		return ISA(i), nil
	}
	return Generic, fmt.Errorf("simd: unknown instruction set %q, want one of %s", name, strings.Join(isaNames[:], ", "))
}

// EnvVar is the environment variable that lowers the instruction set.
const EnvVar = "STEPPE_SIMD"

var (
	supported = append([]ISA{Generic}, detect()...) // worst first
	active    atomic.Uint32
	envErr    error
)

func init() {
	active.Store(uint32(supported[len(supported)-1]))
	if name := os.Getenv(EnvVar); name != "" {
		if envErr = lower(name); envErr != nil {
			envErr = fmt.Errorf("%s=%s: %w", EnvVar, name, envErr)
		}
	}
}

func lower(name string) error {
	isa, err := ParseISA(name)
	if err != nil {
		return err
	}
	_, err = Use(isa)
	return err
}

// Active returns the instruction set in use.
func Active() ISA { return ISA(active.Load()) }

// Supported returns the instruction sets that this machine and build have,
// the best last.
func Supported() []ISA { return slices.Clone(supported) }

// Err returns an error if STEPPE_SIMD was invalid when the program started; the best instruction
// set is then active. Otherwise it returns nil.
func Err() error { return envErr }

// Use makes isa the active instruction set and returns the former one. It is meant for tests and
// benchmarks: no other goroutine may be computing, and operands and plans that were made under the
// former set stay bound to it.
func Use(isa ISA) (former ISA, err error) {
	if !slices.Contains(supported, isa) {
		names := make([]string, len(supported))
		for i, s := range supported {
			names[i] = s.String()
		}
		return Active(), fmt.Errorf("simd: no %v here: this machine and build have %s", isa, strings.Join(names, ", "))
	}
	return ISA(active.Swap(uint32(isa))), nil
}
