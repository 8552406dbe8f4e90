package sam_test

import (
	"bytes"
	"errors"
	"flag"
	"math"
	"math/rand/v2"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/ranks"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

var allRanks = flag.Bool("sam.ranks", false, "train every model with every method on several ranks")

// run trains a case on ranks, and returns the parameters and statistics of each.
func (c goldenCase) run(t *testing.T, steps int, comm sam.Communicator, fast bool) (params []float32, last sam.Stats) {
	p := c.model.Init(1)
	c.cfg.Batch, c.cfg.Seed, c.cfg.Workers = goldenBatch, 7, 1
	c.cfg.Communicator, c.cfg.Fast = comm, fast
	if comm != nil {
		c.cfg.Workers = 1 + comm.Rank()
	}
	o, err := sam.New(c.model, p, c.cfg)
	if field := (*optim.FieldError)(nil); errors.As(err, &field) && field.Field == "Communicator" {
		return nil, last // more ranks than whole shards
	}
	require.NoError(t, err)
	r := rand.New(rand.NewPCG(1, 2))
	for step := range steps {
		n := goldenBatch
		if step == 1 {
			n = goldenShort
		}
		b := goldenBatchOf(r, n, c.model)
		if from, to := o.Own(n); b.X != nil { // a step reads no inputs but its rank's
			size := len(b.X) / n
			for i := range b.X {
				if i < from*size || i >= to*size {
					b.X[i] = float32(math.NaN())
				}
			}
		}
		last, err = o.Step(b)
		require.NoError(t, err, "step %d", step)
	}
	return append(p.Values, p.State...), last
}

// deepEnough are the larger models that stand for all.
var deepEnough = map[string]bool{"lenet": true, "fused": true, "encoder": true, "language": true}

// Of larger models, and with AdamW, few methods stand for all, unless the flag says so. Every other
// case exchanges while it computes.
func TestRanksMakeTheBitsOfOne(t *testing.T) {
	sizes := []int{2, 3}
	if *allRanks {
		sizes = []int{2, 3, 4, 7}
	}
	for i, c := range goldenCases(t) {
		if i%2 == 1 {
			c.cfg = c.cfg.WithSegments(1)
			c.cfg.Overlap = true
		}
		model, method, _ := strings.Cut(c.key, "/")
		if small := model == "mse" || model == "plain"; !*allRanks && !(small && c.cfg.Base == goldenBases["sgd"] ||
			deepEnough[model] && (method == "msam/3/sgd" || method == "sam/1/sgd")) || testing.Short() && model != "mse" {
			continue
		}
		t.Run(c.key, func(t *testing.T) {
			const steps = 3
			want, stats := c.run(t, steps, sam.Alone(), false)
			for _, size := range sizes {
				together(t, size, func(comm sam.Communicator) {
					got, last := c.run(t, steps, comm, false)
					if got == nil {
						assert.Less(t, c.cfg.Shards, size)
						return
					}
					assert.Equal(t, want, got, "rank %d of %d", comm.Rank(), size)
					assert.Equal(t, stats, last, "rank %d of %d", comm.Rank(), size)
				})
			}
		})
	}
}

// With Fast, ranks make the step of one but for rounding.
func TestFastRanks(t *testing.T) {
	for _, c := range goldenCases(t) {
		if !strings.HasPrefix(c.key, "mse/") && !strings.HasPrefix(c.key, "plain/") || !strings.HasSuffix(c.key, "/sgd") {
			continue
		}
		t.Run(c.key, func(t *testing.T) {
			want, stats := c.run(t, 2, nil, false)
			for _, size := range []int{1, 2, 3} {
				together(t, size, func(comm sam.Communicator) {
					got, last := c.run(t, 2, comm, true)
					if got == nil {
						assert.Less(t, c.cfg.Shards, size)
						return
					}
					assert.InDelta(t, stats.Loss, last.Loss, 1e-5*stats.Loss, "%d ranks", size)
					for i := range want {
						if !assert.InDelta(t, want[i], got[i], 2e-4, "element %d, %d ranks", i, size) {
							return
						}
					}
				})
			}
		})
	}
}

// counted counts exchanges of a rank, and those that don't come from the goroutine of the step.
type counted struct {
	sam.Communicator
	calls, beside int
}

func (c *counted) count() {
	c.calls++
	if bytes.Contains(debug.Stack(), []byte("(*rankState).serve")) {
		c.beside++
	}
}

func (c *counted) Exchange(send, receive [][]float32) error {
	c.count()
	return c.Communicator.Exchange(send, receive)
}

func (c *counted) Sum(x []float32) error {
	c.count()
	return c.Communicator.Sum(x)
}

// Gradients that leave in several buckets while others are computed have the bits of those that leave
// in one.
func TestOverlap(t *testing.T) {
	for _, key := range []string{"mse/sgd/1", "mse/msam/8", "mse/msam/1", "mse/mgsam/8", "encoder/msam/3", "lenet/msam/3"} {
		c := caseOf(t, key+"/sgd")
		fine := c
		fine.cfg = c.cfg.WithSegments(1)
		fine.cfg.Overlap = true
		for _, fast := range []bool{false, true} {
			for _, size := range []int{2, 3} {
				together(t, size, func(comm sam.Communicator) {
					one, many := &counted{Communicator: comm}, &counted{Communicator: comm}
					want, _ := c.run(t, 2, one, fast)
					got, _ := fine.run(t, 2, many, fast)
					assert.Equal(t, want, got, "%s, rank %d of %d", key, comm.Rank(), size)
					if want == nil {
						return
					}
					assert.Zero(t, one.beside, key)
					assert.Positive(t, many.beside, key)
					if !strings.HasPrefix(key, "lenet") {
						assert.Greater(t, many.calls, one.calls, key)
					}
				})
			}
		}
	}
}

// The steps of ranks are those of a process alone, but for rounding: units are added in another order.
func TestAloneIsNear(t *testing.T) {
	for _, c := range goldenCases(t) {
		if !strings.HasPrefix(c.key, "mse/") && !strings.HasPrefix(c.key, "plain/") || !strings.HasSuffix(c.key, "/sgd") {
			continue
		}
		want, _ := c.run(t, 2, nil, false)
		got, _ := c.run(t, 2, sam.Alone(), false)
		for i := range want {
			if !assert.InDelta(t, want[i], got[i], 2e-4, "%s, element %d", c.key, i) {
				break
			}
		}
	}
}

// A step that one rank refuses is refused by all, with the same words, and changes nothing. Then they
// go on.
func TestRanksRefuseTogether(t *testing.T) {
	for _, key := range []string{"mse/sgd/1", "mse/msam/1", "mse/msam/8", "mse/masam/3", "mse/mgsam/8", "plain/msam/3"} {
		t.Run(key, func(t *testing.T) {
			c := caseOf(t, key+"/sgd")
			for _, bad := range []int{0, 13, goldenBatch - 1} {
				refused := func(comm sam.Communicator) (what string, kind bool, params []float32) {
					p := c.model.Init(1)
					cfg := c.cfg
					cfg.Batch, cfg.Communicator, cfg.Overlap = goldenBatch, comm, bad == 13
					o, err := sam.New(c.model, p, cfg)
					require.NoError(t, err)
					b := goldenBatchOf(rand.New(rand.NewPCG(1, 2)), goldenBatch, c.model)
					size := len(b.X) / b.N
					good := b.X[bad*size+1]
					b.X[bad*size+1] = float32(math.NaN())
					_, err = o.Step(b)
					require.ErrorIs(t, err, sam.ErrRefused)
					assert.Equal(t, c.model.Init(1).Values, p.Values, "nothing has changed")
					b.X[bad*size+1] = good
					_, next := o.Step(b)
					require.NoError(t, next)
					return err.Error(), errors.Is(err, sam.ErrBatch), p.Values
				}
				what, kind, params := refused(sam.Alone())
				assert.True(t, kind)
				for _, size := range []int{2, 3} {
					together(t, size, func(comm sam.Communicator) {
						gotWhat, gotKind, got := refused(comm)
						assert.Equal(t, what, gotWhat)
						assert.Equal(t, kind, gotKind)
						assert.Equal(t, params, got)
					})
				}
			}
		})
	}
}

// together runs do as each of the ranks of a process.
func together(t *testing.T, size int, do func(comm sam.Communicator)) {
	t.Helper()
	assert.NoError(t, ranks.Run(size, func(r *ranks.Rank) error {
		do(r)
		return nil
	}))
}

func caseOf(t *testing.T, key string) goldenCase {
	for _, c := range goldenCases(t) {
		if c.key == key {
			return c
		}
	}
	t.Fatalf("no golden case %s", key)
	return goldenCase{}
}

func TestPlanOfRanks(t *testing.T) {
	c := caseOf(t, "mse/msam/8/sgd")
	c.cfg.Batch = goldenBatch
	together(t, 3, func(comm sam.Communicator) {
		cfg := c.cfg
		cfg.Communicator = comm
		plan, err := sam.NewPlan(c.model, cfg)
		require.NoError(t, err)
		want := []string{
			"rank 0 of 3: samples 0 to 5 of each batch, in 2 units of 8.",
			"rank 1 of 3: samples 6 to 14 of each batch, in 3 units of 8.",
			"rank 2 of 3: samples 15 to 23 of each batch, in 3 units of 8.",
		}[comm.Rank()]
		assert.Contains(t, plan.String(), want)
	})
}

func TestTooManyRanks(t *testing.T) {
	c := caseOf(t, "plain/msam/3/sgd") // whose normalization sees whole shards
	c.cfg.Batch = goldenBatch
	for size, want := range map[int]string{
		4:  "sam: Communicator has 4 ranks, and a batch of 24 samples in 3 shards can be cut into 3 units: give a larger batch or more shards",
		17: "sam: Communicator has 17 ranks, want at most 16, since a batch is cut into so many units: set Units",
	} {
		together(t, size, func(comm sam.Communicator) {
			cfg := c.cfg
			cfg.Communicator = comm
			_, err := sam.New(c.model, c.model.Init(1), cfg)
			assert.EqualError(t, err, want)
		})
	}
	c.cfg.Fast = true
	_, err := sam.New(c.model, c.model.Init(1), c.cfg)
	assert.EqualError(t, err, "sam: Fast is set, and Communicator isn't, so that there is nothing to sum")
	c.cfg.Fast, c.cfg.Overlap = false, true
	_, err = sam.New(c.model, c.model.Init(1), c.cfg)
	assert.EqualError(t, err, "sam: Overlap is set, and Communicator isn't, so that there is nothing to exchange")
}

// Ranks make the bits of one with an ascent in bfloat16, too.
func TestRanksRoundAlike(t *testing.T) {
	for _, key := range []string{"mse/msam/8", "mse/msam/1", "encoder/msam/3"} {
		c := caseOf(t, key+"/sgd")
		full, _ := c.run(t, 2, sam.Alone(), false)
		c.cfg.Ascent.Precision = blas.BFloat16
		want, _ := c.run(t, 2, sam.Alone(), false)
		assert.NotEqual(t, full, want, key)
		for _, size := range []int{2, 3} {
			together(t, size, func(comm sam.Communicator) {
				got, _ := c.run(t, 2, comm, false)
				assert.Equal(t, want, got, "%s, rank %d of %d", key, comm.Rank(), size)
			})
		}
	}
}

// In steady state a step that ranks could share allocates nothing.
func TestAloneAllocatesNothing(t *testing.T) {
	if testing.Short() { // as they are where allocations are others, and steps slow
		t.Skip()
	}
	for _, key := range []string{"mse/msam/8", "mse/msam/1", "plain/msam/3", "mse/mgsam/8"} {
		c := caseOf(t, key+"/sgd")
		c.cfg.Batch, c.cfg.Workers, c.cfg.Communicator = goldenBatch, 1, sam.Alone()
		o, err := sam.New(c.model, c.model.Init(1), c.cfg)
		require.NoError(t, err)
		r := rand.New(rand.NewPCG(1, 2))
		full, short := goldenBatchOf(r, goldenBatch, c.model), goldenBatchOf(r, goldenShort, c.model)
		steps := func() {
			for _, b := range []net.Batch{full, short} {
				_, err := o.Step(b)
				require.NoError(t, err)
			}
		}
		for range 3 {
			steps()
		}
		require.Less(t, testing.AllocsPerRun(10, steps), 0.5, key)
	}
}

// So does a step of two ranks.
func TestRanksAllocateNothing(t *testing.T) {
	if testing.Short() {
		t.Skip()
	}
	for _, key := range []string{"mse/sgd/1", "mse/msam/8", "mse/msam/1", "mse/mgsam/8"} {
		for _, overlap := range []bool{false, true} {
			c := caseOf(t, key+"/sgd")
			together(t, 2, func(comm sam.Communicator) {
				cfg := c.cfg.WithSegments(1)
				cfg.Batch, cfg.Workers, cfg.Communicator, cfg.Overlap = goldenBatch, 1, comm, overlap
				o, err := sam.New(c.model, c.model.Init(1), cfg)
				require.NoError(t, err)
				b := goldenBatchOf(rand.New(rand.NewPCG(1, 2)), goldenBatch, c.model)
				steps := func() {
					for range 5 {
						_, err := o.Step(b)
						require.NoError(t, err)
					}
				}
				steps()
				if comm.Rank() == 0 {
					require.Less(t, testing.AllocsPerRun(4, steps), 0.5, "%s, overlap %v", key, overlap)
				} else {
					for range 1 + 4 {
						steps()
					}
				}
			})
		}
	}
}

// Units say how many ranks there may be, and change bits.
func TestUnits(t *testing.T) {
	c := caseOf(t, "mse/msam/8/sgd")
	defaults, _ := c.run(t, 3, sam.Alone(), false)
	for _, units := range []int{1, 2, 5, 24} {
		c.cfg.Units, c.cfg.Shards = units, 8
		if units == 24 {
			c.cfg.Shards = 24
		}
		want, _ := c.run(t, 3, sam.Alone(), false)
		if units < 24 {
			assert.NotEqual(t, defaults, want, "%d units", units)
			for i := range want {
				require.InDelta(t, defaults[i], want[i], 2e-4)
			}
		}
		for _, size := range []int{2, 5, 19} {
			if size <= units {
				together(t, size, func(comm sam.Communicator) {
					got, _ := c.run(t, 3, comm, false)
					assert.Equal(t, want, got, "%d units, rank %d of %d", units, comm.Rank(), size)
				})
			}
		}
	}
	c.cfg.Batch, c.cfg.Units = goldenBatch, -1
	assert.EqualError(t, c.cfg.Validate(c.model), "sam: Units is -1, want at least 1, or 0 for the default")
	c.cfg.Units = 4
	assert.EqualError(t, c.cfg.Validate(c.model), "sam: Units is 4 without Communicator")
}
