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
	var call Call
	for to, part := range send {
		if to != c.Rank() && len(part) > 0 {
			call.Messages++
			call.Bytes += 4 * int64(len(part))
		}
	}
	*c.calls = append(*c.calls, call)
	return c.Communicator.Exchange(send, receive)
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
			byRank := make([][]Call, size)
			require.NoError(t, ranks.Run(size, func(r *ranks.Rank) error {
				o, err := sam.New(model, model.Init(1), sam.Config{
					Batch: batch, Shards: c.shards, Rho: c.rho, Base: optim.SGD{LR: 0.1}, Workers: 1,
					Communicator: counting{r, &byRank[r.Rank()]},
				})
				if err != nil {
					return err
				}
				_, err = o.Step(net.Batch{N: batch, X: x, Labels: make([]int32, batch)})
				return err
			}))
			want := c.step.Calls(size)
			messages, bytes := 0, int64(0)
			for _, call := range want {
				messages += call.Messages
				bytes += call.Bytes
			}
			for rank, calls := range byRank {
				got, sent := 0, int64(0)
				for _, call := range calls {
					got += call.Messages
					sent += call.Bytes
				}
				assert.Len(t, calls, len(want), "%s: calls of rank %d of %d", c.name, rank, size)
				assert.Equal(t, messages, got, "%s: messages of rank %d of %d", c.name, rank, size)
				rounded := 4 * len(want) * size * size // at most a float more or less to each rank, in each call
				assert.InDelta(t, bytes, sent, float64(rounded), "%s: bytes of rank %d of %d", c.name, rank, size)
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
			byRank := make([][]Call, size)
			require.NoError(t, ranks.Run(size, func(r *ranks.Rank) error {
				o, err := sam.New(model, model.Init(1), sam.Config{
					Batch: batch.N, Shards: 1, Base: optim.SGD{LR: 0.1}, Workers: 1,
					Communicator: counting{r, &byRank[r.Rank()]}, Overlap: overlap,
				})
				if err != nil {
					return err
				}
				_, err = o.Step(batch)
				return err
			}))
			want := 2 * 4 * float64(model.NumParams()) * float64(size-1) / float64(size)
			for rank, calls := range byRank {
				sent := 0.0
				for _, call := range calls {
					sent += float64(call.Bytes)
				}
				assert.InEpsilon(t, want, sent, 0.01, "rank %d of %d, overlap %v", rank, size, overlap)
			}
		}
	}
}
