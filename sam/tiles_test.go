package sam

import (
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
)

func zooPlan(t *testing.T, model string, batch, shards, workers int) *plan {
	t.Helper()
	z, err := zoo.Lookup(model)
	require.NoError(t, err)
	m, err := z.Compile(z.Input, 10)
	require.NoError(t, err)
	o, err := New(m, m.Init(1), Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 1}, Batch: batch, Workers: workers})
	require.NoError(t, err)
	return o.plan
}

// loads are the samples that each worker takes alone if the first to be done takes the next task,
// and those that all share.
func loads(p *plan, r round, workers int) (alone []int, shared int) {
	samples := func(tiles num.Span) (n int) {
		for _, tile := range p.tiles[tiles.From:tiles.To] {
			for _, part := range p.parts[tile.From:tile.To] {
				n += part.N
			}
		}
		return n
	}
	alone = make([]int, workers)
	for _, task := range r.tasks {
		next := slices.Index(alone, slices.Min(alone))
		alone[next] += samples(task)
	}
	return alone, samples(r.shared)
}

// Workers take about as many samples, whatever the batch and the shards, and all samples are taken.
func TestWorkersAreBalanced(t *testing.T) {
	for _, model := range []string{"mlp", "lenet"} {
		for _, c := range []struct{ batch, shards, workers int }{
			{72, 47, 2}, {64, 47, 2}, {72, 24, 2}, {32, 11, 2}, {33, 32, 2}, {64, 3, 2}, {256, 64, 3}, {100, 47, 4}, {16, 16, 2}, {16, 2, 2}, {5, 5, 8},
		} {
			p := zooPlan(t, model, c.batch, c.shards, c.workers)
			require.False(t, p.passByPass)
			require.Len(t, p.rounds, 1)
			alone, shared := loads(p, p.rounds[0], c.workers)
			total := shared
			for _, n := range alone {
				total += n
			}
			assert.Equal(t, c.batch, total, "%s, %+v", model, c)
			grain := 0 // the most samples of one
			for _, g := range p.grains(num.Range(0, len(p.parts))) {
				n := 0
				for _, part := range p.parts[g.From:g.To] {
					n += part.N
				}
				grain = max(grain, n)
			}
			assert.LessOrEqual(t, slices.Max(alone), (c.batch-shared+c.workers-1)/c.workers+grain, "%s, %+v", model, c)
		}
	}
}

// What is left over by an even division among the workers is shared where it takes longer than
// sharing it; and a few samples whose layers are large are best shared as a whole.
func TestWhatIsShared(t *testing.T) {
	for _, c := range []struct {
		model                  string
		batch, shards, workers int
		shared                 int // samples
	}{
		{"lenet", 96, 12, 2, 0},   // goes evenly
		{"lenet", 72, 9, 2, 8},    // one of 8 is left over
		{"mlp", 16, 2, 2, 16},     // each worker would read all parameters for 8 samples
		{"mlp", 256, 32, 2, 0},    // goes evenly
		{"lenet", 128, 64, 16, 0}, // a unit of 4 shards each
	} {
		p := zooPlan(t, c.model, c.batch, c.shards, c.workers)
		require.Len(t, p.rounds, 1)
		_, shared := loads(p, p.rounds[0], c.workers)
		assert.Equal(t, c.shared, shared, "%+v", c)
	}
}
