package simd

import (
	"math"
	"time"
)

var (
	minusInf           = float32(math.Inf(-1))
	peakFactor float32 = 0.5 // a variable, so that peak's loop isn't folded away
)

// FMACeiling measures the most floating-point operations of float32 that one
// core does in a second, with the best instruction set that this machine and
// build have: multiply-adds on registers alone, the best of 20 windows of
// about a millisecond. Kernels are quoted as fractions of it, measured in the
// same process.
func FMACeiling() (flopsPerSecond float64) {
	best := &tables[supported[len(supported)-1]]
	iterations := 1000
	for iterations < 1<<30 && timePeak(best, iterations) < time.Millisecond {
		iterations *= 2
	}
	for range 20 {
		seconds := timePeak(best, iterations).Seconds()
		flopsPerSecond = max(flopsPerSecond, float64(iterations)*best.peakFlops/seconds)
	}
	return flopsPerSecond
}

func timePeak(t *table, iterations int) time.Duration {
	start := time.Now()
	t.peak(iterations)
	return time.Since(start)
}
