package optim

import (
	"fmt"
	"testing"
)

// BenchmarkStep measures a step, by rule and number of parameters.
func BenchmarkStep(b *testing.B) {
	for _, rule := range []Rule{SGD{LR: 1e-3, Momentum: 0.9, WeightDecay: 1e-4}, AdamW{LR: 1e-3, WeightDecay: 0.01}, lion{LR: 1e-3}} {
		for _, n := range []int{100 << 10, 1 << 20, 10 << 20} {
			b.Run(fmt.Sprintf("rule=%T/params=%d", rule, n), func(b *testing.B) {
				o := newOptimizer(b, viewsOf(n), noise(1, n), Config{Rule: rule})
				g := noise(2, n)
				b.SetBytes(int64(4 * n))
				for b.Loop() {
					if _, err := o.Step(g); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
