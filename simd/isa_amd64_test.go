//go:build amd64 && !purego

package simd

import (
	"testing"

	"github.com/klauspost/cpuid/v2"
	"github.com/stretchr/testify/assert"
)

func TestHalves(t *testing.T) {
	for _, cpu := range []struct {
		name          string
		vendor        cpuid.Vendor
		family, model int
		want          bool
	}{
		{"Genoa, Zen 4", cpuid.AMD, 0x19, 0x11, true},
		{"Raphael, Zen 4", cpuid.AMD, 0x19, 0x61, true},
		{"Bergamo, Zen 4c", cpuid.AMD, 0x19, 0xa0, true},
		{"Turin, Zen 5", cpuid.AMD, 0x1a, 0x02, false},
		{"Turin Dense, Zen 5c", cpuid.AMD, 0x1a, 0x11, false},
		{"Strix Point, Zen 5", cpuid.AMD, 0x1a, 0x24, true},
		{"Granite Ridge, Zen 5", cpuid.AMD, 0x1a, 0x44, false},
		{"Krackan Point, Zen 5", cpuid.AMD, 0x1a, 0x60, true},
		{"Strix Halo, Zen 5", cpuid.AMD, 0x1a, 0x70, false},
		{"an AMD of a later family", cpuid.AMD, 0x1b, 0x24, false},
		{"Skylake-SP", cpuid.Intel, 6, 0x55, false},
		{"Sapphire Rapids", cpuid.Intel, 6, 0x8f, false},
		{"Emerald Rapids", cpuid.Intel, 6, 0xcf, false},
	} {
		assert.Equal(t, cpu.want, halves(cpu.vendor, cpu.family, cpu.model), cpu.name)
	}
}
