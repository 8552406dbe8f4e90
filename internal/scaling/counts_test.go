package scaling

import (
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/ranks"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/sam"
)

// counting counts what a rank sends.
type counting struct {
	sam.Communicator
	calls *[]Call
}

func (c counting) Exchange(send, receive [][]float32) error {
	*c.calls = append(*c.calls, callOf(c.Rank(), send))
	return c.Communicator.Exchange(send, receive)
}

// callOf returns an exchange as a rank sees it.
func callOf(rank int, send [][]float32) (call Call) {
	for to, part := range send {
		if to != rank && len(part) > 0 {
			call.Messages++
			call.Bytes += 4 * int64(len(part))
		}
	}
	return call
}

// total adds up calls.
func total(calls []Call) (sum Call) {
	for _, c := range calls {
		sum.Messages += c.Messages
		sum.Bytes += c.Bytes
	}
	return sum
}

// callsOfStep returns by rank the exchanges of a step.
func callsOfStep(t *testing.T, size int, model *net.Model, cfg sam.Config, batch net.Batch) [][]Call {
	t.Helper()
	byRank := make([][]Call, size)
	require.NoError(t, ranks.Run(size, func(r *ranks.Rank) error {
		cfg := cfg
		cfg.Batch, cfg.Base, cfg.Workers = batch.N, optim.SGD{LR: 0.1}, 1
		cfg.Communicator = counting{r, &byRank[r.Rank()]}
		o, err := sam.New(model, model.Init(1), cfg)
		if err != nil {
			return err
		}
		_, err = o.Step(batch)
		return err
	}))
	return byRank
}

// The model's exchanges are those of a step: as many, with as many messages, and as many bytes but
// for what doesn't divide by the ranks.
func TestCallsAreThoseOfAStep(t *testing.T) {
	dense := []net.Layer{net.Flatten{}, net.Dense{Out: 30}, net.ReLU{}, net.Dense{Out: 10}}
	mixed := []net.Layer{net.Conv2D{Out: 8, Kernel: 3}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 10}}
	normal := []net.Layer{net.Conv2D{Out: 8, Kernel: 3}, net.BatchNorm{}, net.ReLU{}, net.Flatten{}, net.Dense{Out: 10}}
	const batch = 128
	for _, c := range []struct {
		name   string
		layers []net.Layer
		rho    float64
		shards int
		step   Step // but for Params
	}{
		{"dense, SGD", dense, 0, 1, Step{Trees: 1, Exchanges: 1, Units: 16, Parts: 16}},
		{"dense, SAM", dense, 0.1, 1, Step{Trees: 1, Exchanges: 2, Units: 16, Parts: 16}},
		{"dense, mSAM", dense, 0.1, 32, Step{Trees: 1, Exchanges: 1, Units: 16, Parts: 32}},
		{"mixed, SGD", mixed, 0, 1, Step{Trees: 2, Exchanges: 1, Units: 16, Parts: 16}},
		{"mixed, SAM", mixed, 0.1, 1, Step{Trees: 2, Exchanges: 2, Units: 16, Parts: 16}},
		{"mixed, mSAM", mixed, 0.1, 16, Step{Trees: 2, Exchanges: 1, Units: 16, Parts: 16}},
		{"normalized, mSAM", normal, 0.1, 32, Step{Trees: 2, Exchanges: 1, Units: 16, Parts: 32, Statistics: 16}},
	} {
		model, err := net.Compile(net.Shape{6, 6, 1}, c.layers...)
		require.NoError(t, err)
		c.step.Params = model.NumParams()
		x := make([]float32, batch*36)
		random := rand.New(rand.NewPCG(1, 2))
		for i := range x {
			x[i] = random.Float32()
		}
		for _, size := range []int{1, 2, 4, 8, 16} {
			want := c.step.Calls(size)
			all := total(want)
			for rank, calls := range callsOfStep(t, size, model, sam.Config{Shards: c.shards, Rho: c.rho}, net.Batch{N: batch, X: x, Labels: make([]int32, batch)}) {
				sent := total(calls)
				assert.Len(t, calls, len(want), "%s: calls of rank %d of %d", c.name, rank, size)
				assert.Equal(t, all.Messages, sent.Messages, "%s: messages of rank %d of %d", c.name, rank, size)
				rounded := 4 * len(want) * size * size // at most a float more or less to each rank, in each call
				assert.InDelta(t, all.Bytes, sent.Bytes, float64(rounded), "%s: bytes of rank %d of %d", c.name, rank, size)
			}
		}
	}
}

// A step sends each parameter's gradient once, and once its part of the sum, also where deferred ops
// lie far apart: a transformer's embedding and what follows its pooling.
func TestNothingIsSentTwice(t *testing.T) {
	row, err := zoo.Lookup("text-tiny")
	require.NoError(t, err)
	model, err := row.CompileText(2000, 8, 3)
	require.NoError(t, err)
	batch := net.Batch{N: 64, Labels: make([]int32, 64), Starts: []int{0}}
	for i := range batch.N {
		batch.Tokens = append(batch.Tokens, int32(i), int32(2*i), 7)
		batch.Starts = append(batch.Starts, len(batch.Tokens))
	}
	for _, size := range []int{2, 4} {
		for _, overlap := range []bool{false, true} {
			want := 2 * 4 * float64(model.NumParams()) * float64(size-1) / float64(size)
			for rank, calls := range callsOfStep(t, size, model, sam.Config{Shards: 1, Overlap: overlap}, batch) {
				assert.InEpsilon(t, want, float64(total(calls).Bytes), 0.01, "rank %d of %d, overlap %v", rank, size, overlap)
			}
		}
	}
}
