package main

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/simd"
)

func TestInfo(t *testing.T) {
	code, stdout, stderr := steppe(t, "info")
	assert.Zero(t, code)
	assert.Empty(t, stderr)
	for _, want := range []string{
		`CPU +\S`,
		`instruction set +` + simd.Active().String(),
		`caches +L1d \d+ KiB and L2 [\d.]+ [KM]iB a core`,
		`cores +\d+ physical, \d+ logical`,
		`workers +\d+ by default`,
		`FMA ceiling +[\d.]+ GFLOP/s a core`,
		`MPI +\S`,
		`version +\S.* go1\.`,
	} {
		assert.Regexp(t, `(?m)^`+want, stdout)
	}
	if len(simd.Supported()) > 1 {
		assert.Contains(t, stdout, "STEPPE_SIMD")
	}
}

func TestCaches(t *testing.T) {
	assert.Equal(t, "L1d 48 KiB and L2 1.25 MiB a core, L3 24 MiB in all", caches(simd.CPU{L1D: 48 << 10, L2: 1280 << 10, L3: 24 << 20}))
	assert.Equal(t, "L1d 32 KiB and L2 512 KiB a core", caches(simd.CPU{L1D: 32 << 10, L2: 512 << 10}))
}
