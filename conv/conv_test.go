package conv

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/simd"
)

func naive(g Geometry, x, w []float32) (y []float64) {
	g = g.filled()
	y = make([]float64, g.Batch*g.OutSize())
	for b := range g.Batch {
		for i := range g.OutH() {
			for j := range g.OutW() {
				for u := range g.KernelH {
					for v := range g.KernelW {
						ii, jj := i*g.StrideH-g.PadTop+u*g.DilationH, j*g.StrideW-g.PadLeft+v*g.DilationW
						if ii < 0 || jj < 0 || ii >= g.InH || jj >= g.InW {
							continue
						}
						for c := range g.InC {
							for o := range g.OutC {
								y[((b*g.OutH()+i)*g.OutW()+j)*g.OutC+o] += float64(x[((b*g.InH+ii)*g.InW+jj)*g.InC+c]) * float64(w[((u*g.KernelW+v)*g.InC+c)*g.OutC+o])
							}
						}
					}
				}
			}
		}
	}
	return y
}

func naiveData(g Geometry, dy, w []float32) (y []float64) {
	g = g.filled()
	y = make([]float64, g.Batch*g.InSize())
	for b := range g.Batch {
		for i := range g.OutH() {
			for j := range g.OutW() {
				for u := range g.KernelH {
					for v := range g.KernelW {
						ii, jj := i*g.StrideH-g.PadTop+u*g.DilationH, j*g.StrideW-g.PadLeft+v*g.DilationW
						if ii < 0 || jj < 0 || ii >= g.InH || jj >= g.InW {
							continue
						}
						for c := range g.InC {
							for o := range g.OutC {
								y[((b*g.InH+ii)*g.InW+jj)*g.InC+c] += float64(dy[((b*g.OutH()+i)*g.OutW()+j)*g.OutC+o]) * float64(w[((u*g.KernelW+v)*g.InC+c)*g.OutC+o])
							}
						}
					}
				}
			}
		}
	}
	return y
}

func naiveFilter(g Geometry, dy, x []float32) (y []float64) {
	g = g.filled()
	y = make([]float64, g.FilterSize())
	for b := range g.Batch {
		for i := range g.OutH() {
			for j := range g.OutW() {
				for u := range g.KernelH {
					for v := range g.KernelW {
						ii, jj := i*g.StrideH-g.PadTop+u*g.DilationH, j*g.StrideW-g.PadLeft+v*g.DilationW
						if ii < 0 || jj < 0 || ii >= g.InH || jj >= g.InW {
							continue
						}
						for c := range g.InC {
							for o := range g.OutC {
								y[((u*g.KernelW+v)*g.InC+c)*g.OutC+o] += float64(dy[((b*g.OutH()+i)*g.OutW()+j)*g.OutC+o]) * float64(x[((b*g.InH+ii)*g.InW+jj)*g.InC+c])
							}
						}
					}
				}
			}
		}
	}
	return y
}

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = r.Float32() - 0.5
	}
	return x
}

func TestQuick(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		g := Geometry{Batch: 1 + r.IntN(4), InH: 1 + r.IntN(9), InW: 1 + r.IntN(9), InC: 1 + r.IntN(20), OutC: 1 + r.IntN(70),
			KernelH: 1 + r.IntN(4), KernelW: 1 + r.IntN(4), StrideH: 1 + r.IntN(3), StrideW: 1 + r.IntN(3),
			PadTop: r.IntN(4), PadBottom: r.IntN(4), PadLeft: r.IntN(4), PadRight: r.IntN(4), DilationH: 1 + r.IntN(3), DilationW: 1 + r.IntN(3)}
		if g.Validate() != nil {
			continue
		}
		opt := Options{Algorithm: []Algorithm{Direct, Patches}[r.IntN(2)]}
		x, w, y := random(r, g.Batch*g.InSize()), random(r, g.FilterSize()), make([]float32, g.Batch*g.OutSize())
		require.NoError(t, Forward(nil, g, y, x, w, opt))
		for i, v := range naive(g, x, w) {
			if d := float64(y[i]) - v; d > 1e-4 || d < -1e-4 {
				t.Fatalf("%v: y[%d] = %v, want %v", g, i, y[i], v)
			}
		}
		dy, dx := random(r, len(y)), make([]float32, len(x))
		require.NoError(t, BackwardData(nil, g, dx, dy, w, opt))
		for i, v := range naiveData(g, dy, w) {
			if d := float64(dx[i]) - v; d > 1e-4 || d < -1e-4 {
				t.Fatalf("%+v: dx[%d] = %v, want %v", g, i, dx[i], v)
			}
		}
		dw := make([]float32, len(w))
		require.NoError(t, BackwardFilter(nil, g, dw, x, dy, opt))
		for i, v := range naiveFilter(g, dy, x) {
			if d := float64(dw[i]) - v; d > 1e-4 || d < -1e-4 {
				t.Fatalf("%+v: dw[%d] = %v, want %v", g, i, dw[i], v)
			}
		}
	}
}

func TestSpeed(t *testing.T) {
	square := func(n, size, c, o, k, s int) Geometry {
		p := k / 2
		return Geometry{Batch: n, InH: size, InW: size, InC: c, OutC: o, KernelH: k, KernelW: k, StrideH: s, StrideW: s, PadTop: p, PadBottom: p, PadLeft: p, PadRight: p}
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, g := range []Geometry{
		square(32, 32, 16, 16, 3, 1), square(32, 16, 32, 32, 3, 1), square(32, 8, 64, 64, 3, 1), square(32, 32, 16, 32, 3, 2),
		square(16, 28, 128, 128, 3, 1), square(16, 14, 256, 256, 3, 1), square(8, 56, 64, 64, 3, 1), square(16, 28, 256, 128, 1, 1),
		square(32, 32, 3, 16, 3, 1), square(4, 224, 3, 64, 7, 2),
	} {
		x, w, y := random(r, g.Batch*g.InSize()), random(r, g.FilterSize()), random(r, g.Batch*g.OutSize())
		dx, dw := make([]float32, len(x)), make([]float32, len(w))
		best := []float64{1e9, 1e9, 1e9}
		ceiling := 0.0
		for range 7 {
			ceiling = max(ceiling, simd.FMACeiling())
			for i, f := range []func(){func() { Forward(nil, g, y, x, w, Options{}) }, func() { BackwardData(nil, g, dx, y, w, Options{}) }, func() { BackwardFilter(nil, g, dw, x, y, Options{}) }} {
				for range 3 {
					start := time.Now()
					f()
					best[i] = min(best[i], time.Since(start).Seconds())
				}
			}
		}
		fmt.Printf("%-45v ceiling %.0f  fwd %.1f  bwd %.1f filter %.1f\n", g, ceiling/1e9, float64(g.Flops())/best[0]/1e9, float64(g.Flops())/best[1]/1e9, float64(g.Flops())/best[2]/1e9)
	}
}
