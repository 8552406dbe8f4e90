//go:build amd64 && !purego

package simd

import (
	"testing"

	"github.com/steppe-ml/steppe/internal/tabletest"
)

func TestKernelsOfPairsAreAssembly(t *testing.T) {
	tabletest.Check(t, &avx2Pairs, nil)
	tabletest.Check(t, &bf16Pairs, nil)
}
