//go:build arm64 && !purego

package simd_test

import (
	"os"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/simd"
)

// Every arm64 processor has NEON, so tests there don't run plain Go by mistake: NEON is active
// unless STEPPE_SIMD chooses another set.
func TestNEONIsActive(t *testing.T) {
	assert.Equal(t, []simd.ISA{simd.Generic, simd.NEON}, simd.Supported())
	if chosen, ok := os.LookupEnv(simd.EnvVar); ok && chosen != "neon" {
		t.Skipf("%s=%s chooses another set", simd.EnvVar, chosen)
	}
	assert.Equal(t, simd.NEON, simd.Active())
}
