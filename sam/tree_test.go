package sam

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
)

func TestNodes(t *testing.T) {
	for _, test := range []struct {
		total int
		run   num.Span
		want  []num.Span
	}{
		{16, num.Range(0, 16), []num.Span{num.Range(0, 16)}},
		{16, num.Range(8, 16), []num.Span{num.Range(8, 16)}},
		{16, num.Range(5, 10), []num.Span{num.Range(5, 6), num.Range(6, 8), num.Range(8, 10)}},
		{13, num.Range(8, 13), []num.Span{num.Range(8, 13)}},
		{13, num.Range(0, 13), []num.Span{num.Range(0, 13)}},
		{13, num.Range(11, 13), []num.Span{num.Range(11, 12), num.Range(12, 13)}},
		{1, num.Range(0, 1), []num.Span{num.Range(0, 1)}},
		{5, num.Range(3, 3), nil},
	} {
		assert.Equal(t, test.want, nodes(test.total, test.run), "%d %v", test.total, test.run)
	}
}

// A sum that the ranks add up has the bits of addUnits' tree.
func TestClimb(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	v := newVectors(1)
	for total := 1; total <= 17; total++ {
		values := make([]float32, total)
		for i := range values {
			values[i] = random.Float32() * float32(int(1)<<random.IntN(20))
		}
		want := append([]float32(nil), values...)
		for apart := 1; apart < total; apart *= 2 {
			for u := 0; u+apart < total; u += 2 * apart {
				want[u] += want[u+apart]
			}
		}
		var sum func(node num.Span) float32
		sum = func(node num.Span) float32 {
			if node.Len() == 1 {
				return values[node.From]
			}
			left, right := halves(node)
			return sum(left) + sum(right)
		}
		require.Equal(t, want[0], sum(num.Range(0, total)), "from above")
		for ranks := 1; ranks <= total; ranks++ {
			var tree treeSum
			for r := range ranks {
				run := num.Range(total*r/ranks, total*(r+1)/ranks)
				for _, n := range nodes(total, run) {
					tree.live = append(tree.live, liveNode{n, []float32{sum(n)}})
				}
			}
			assert.Equal(t, want[0], tree.climb(nil, &v, total)[0], fmt.Sprint(total, " on ", ranks))
		}
	}
}
