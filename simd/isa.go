package simd

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
)

// ISA is an instruction set that kernels exist for. AVX-512 is there twice: CPUs that compute 512
// bits at once are fastest with other tiles of products than CPUs that compute them in two halves.
// A CPU with AVX-512 supports both, whose results have the same bits.
type ISA uint8

const (
	Generic      ISA    = iota // plain Go, on any machine
	AVX2                       // AVX2 and FMA
	AVX512                     // AVX-512 F, VL, BW and DQ, for units of 512 bits
	AVX512Halves               // the same, for units of 256 bits
	NEON                       // arm64's advanced SIMD
	NumISA       = iota        // the length of an array indexed by ISA
)

var isaNames = [NumISA]string{"generic", "avx2", "avx512", "avx512-halves", "neon"}

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

// Arithmetic returns the instruction set that decides the bits of isa's results: AVX512 for
// AVX512Halves, and isa itself for every other. Compare and store what it returns, rather than isa,
// where results of one instruction set mustn't be mixed with those of another.
func (isa ISA) Arithmetic() ISA {
	if isa == AVX512Halves {
		return AVX512
	}
	return isa
}

// EnvVar is the environment variable that chooses another instruction set than the best.
const EnvVar = "STEPPE_SIMD"

var (
	supported = append([]ISA{Generic}, detect()...) // worst first
	active    atomic.Uint32
	envErr    error
)

func init() {
	active.Store(uint32(supported[len(supported)-1]))
	if name := os.Getenv(EnvVar); name != "" {
		if envErr = choose(name); envErr != nil {
			envErr = fmt.Errorf("%s=%s: %w", EnvVar, name, envErr)
		}
	}
}

func choose(name string) error {
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
