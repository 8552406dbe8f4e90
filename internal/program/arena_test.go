package program

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Buffers that are in use at the same time have nothing in common.
func TestPlace(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var all []*buffer
		sum := 0
		for range 1 + r.IntN(30) {
			from := r.IntN(20)
			b := &buffer{floats: 1 + r.IntN(100), from: from, to: from + r.IntN(8), kept: r.IntN(5) == 0}
			if r.IntN(10) == 0 {
				b.to = b.from - 1 // never in use
			}
			all = append(all, b)
			sum += (b.floats + 15) / 16 * 16
		}
		arena, kept := place(all, false), place(all, true)
		assert.LessOrEqual(t, arena+kept, sum)
		for i, a := range all {
			most := arena
			if a.kept {
				most = kept
			}
			if a.from <= a.to {
				require.LessOrEqual(t, a.at+a.floats, most)
			}
			for _, b := range all[:i] {
				atOnce := a.from <= b.to && b.from <= a.to || a.kept
				if a.kept == b.kept && atOnce && a.from <= a.to && b.from <= b.to {
					require.True(t, a.at+a.floats <= b.at || b.at+b.floats <= a.at, "%+v and %+v", a, b)
				}
			}
		}
	}
}
