package gemm

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/simd"
)

// BenchmarkPairs has products of n x n matrices, on one worker, by the table of pairs and by
// float32's in turn. It reports the medians of their speeds, which count the same multiply-adds, and
// of the ratio. Run it with -benchtime 101x.
func BenchmarkPairs(b *testing.B) {
	team := parallel.NewTeam(1)
	r := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{64, 128, 256, 512, 1024} {
		b.Run(fmt.Sprint("n=", n), func(b *testing.B) {
			x, y, c := Aligned[float32](n*n), Aligned[float32](n*n), Aligned[float32](n*n)
			for i := range x {
				x[i], y[i] = r.Float32()-0.5, r.Float32()-0.5
			}
			px, py := Aligned[float32](n*n/2), Aligned[float32](n*n/2)
			simd.Pairs(px, x)
			for l := range n / 2 {
				simd.PairRows(py[l*n:][:n], y[2*l*n:][:n], y[(2*l+1)*n:][:n])
			}
			floats := Operation[float32]{Table: Active[float32](), M: n, N: n, K: n, A: ViewOf(&x[0], n, 1), B: ViewOf(&y[0], n, 1), C: ViewOf(&c[0], n, 1), Alpha: 1}
			pairs := Operation[float32]{Table: Pairs(), M: n, N: n, K: n / 2, A: ViewOf(&px[0], n/2, 1), B: ViewOf(&py[0], n, 1), C: ViewOf(&c[0], n, 1), Alpha: 1}
			speed := func(o *Operation[float32]) float64 {
				runs, start := max(1, 1<<24/(n*n*n)), time.Now()
				for range runs {
					o.Run(team)
				}
				return 2 * float64(n*n*n) * float64(runs) / float64(time.Since(start).Nanoseconds())
			}
			speed(&floats)
			speed(&pairs)
			var float32s, speeds, ratios []float64
			for b.Loop() {
				f, p := speed(&floats), speed(&pairs)
				float32s, speeds, ratios = append(float32s, f), append(speeds, p), append(ratios, p/f)
			}
			for unit, values := range map[string][]float64{"float32-GFLOP/s": float32s, "GFLOP/s": speeds, "ratio": ratios} {
				slices.Sort(values)
				b.ReportMetric(values[len(values)/2], unit)
			}
		})
	}
}
