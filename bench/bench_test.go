package bench

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/simd"
)

func TestMain(m *testing.M) { simdtest.Main(m) }

// benchmark is one line of results.
type benchmark interface {
	name() string
	run(b *testing.B)
}

func runAll[B benchmark](b *testing.B, all []B) {
	for _, one := range all {
		b.Run(one.name(), one.run)
	}
}

// label returns a benchmark's name, from keys and values in turns.
func label(pairs ...any) string {
	var parts []string
	for pair := range slices.Chunk(pairs, 2) {
		parts = append(parts, fmt.Sprintf("%v=%v", pair[0], pair[1]))
	}
	return strings.Join(parts, "/")
}

// workerCounts returns the sizes of teams to measure.
func workerCounts() []int { return slices.Compact([]int{1, blas.DefaultWorkers()}) }

var ceiling = sync.OnceValue(simd.FMACeiling)

// reportFlops reports how fast iterations of flops operations each were, on a team of workers, with
// elements of so many bytes: a vector has half as many float64 as float32.
func reportFlops(b *testing.B, flops, workers, size int) {
	perSecond := float64(flops) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(perSecond/1e9, "GFLOP/s")
	b.ReportMetric(perSecond/(ceiling()*float64(workers)*4/float64(size)), "ceiling")
}

// reportBytes reports how fast iterations were that read and write bytes bytes each.
func reportBytes(b *testing.B, bytes int) {
	b.ReportMetric(float64(bytes)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GB/s")
}

// random returns n numbers from -1 to 1.
func random[T blas.Float](n int) []T {
	r := rand.New(rand.NewPCG(1, 1))
	s := make([]T, n)
	for i := range s {
		s[i] = T(2*r.Float32() - 1)
	}
	return s
}

func names[B benchmark](all []B) (names []string) {
	for _, one := range all {
		names = append(names, one.name())
	}
	return names
}

// benchstat splits names at slashes, and the number of CPUs from the end.
func TestNamesAreKeysAndValues(t *testing.T) {
	format := regexp.MustCompile(`^[a-z]+=\w+(/[a-z]+=\w+)*$`)
	for suite, all := range map[string][]string{
		"Sgemm":       names(gemms[float32]()),
		"SgemmBLAS":   names(blasGemms[float32](blas.Sgemm)),
		"SgemmBatch":  names(batches()),
		"SgemmPacked": names(packedProducts()),
		"Pack":        names(packs()),
		"Vector":      names(vectors()),
		"Attention":   names(attentions()),
		"Step":        names(steps()),
	} {
		seen := map[string]bool{}
		for _, name := range all {
			assert.Regexp(t, format, name, suite)
			assert.False(t, seen[name], "%s: %s twice", suite, name)
			seen[name] = true
			keys := map[string]bool{}
			for _, pair := range strings.Split(name, "/") {
				key, _, _ := strings.Cut(pair, "=")
				assert.False(t, keys[key], "%s: %s has %s twice", suite, name, key)
				keys[key] = true
			}
		}
	}
	assert.Equal(t, "isa=avx512/m=512/n=10/k=64/workers=2", product{isa: simd.AVX512, m: 512, n: 10, k: 64, workers: 2}.name())
}
