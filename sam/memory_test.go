package sam

import (
	"errors"
	"fmt"
	"testing"

	"github.com/dustin/go-humanize/english"
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/ranks"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// taken adds up what the optimizer has allocated, by the slices themselves.
func taken(o *Optimizer) Memory {
	bytes := func(lists ...[]float32) (total int) {
		for _, s := range lists {
			total += 4 * len(s)
		}
		return total
	}
	m := Memory{
		Gradients:  bytes(o.ghat) + bytes(o.units...) + bytes(o.ranks.sum, o.ranks.tree.scratch) + bytes(o.ranks.products...),
		Packed:     o.packs.Bytes() + o.teacherPacks.Bytes() + o.rounded.Bytes(),
		Perturbed:  bytes(o.noise.sum),
		Deferred:   o.deferred.Bytes() + o.cleanDeferred.Bytes(),
		Combined:   bytes(o.cleanSums...) + bytes(o.ownClean...) + bytes(o.kept...) + bytes(o.ahead),
		Statistics: bytes(o.mean, o.state) + bytes(o.stats...),
	}
	if s := o.selection; o.plan.selects() {
		m.Selected = bytes(s.memory.X) + 8*len(s.before) + 8*len(s.after) + 4*len(s.memory.Tokens) + len(s.memory.Segments) + 8*len(s.memory.Starts)
	}
	for _, w := range o.workers {
		m.Gradients += bytes(w.levels...)
		m.Workspaces += w.descent.Bytes()
		if w.teacher != nil {
			m.Workspaces += w.teacher.Bytes()
		}
		m.Perturbed += bytes(w.formed) + bytes(w.repeated)
		for _, sets := range w.again {
			m.Perturbed += bytes(sets...)
		}
		for _, p := range w.perturb {
			m.Perturbed += bytes(p.Kept) + bytes(p.Params...)
		}
	}
	return m
}

func TestMemoryIsWhatWasPlanned(t *testing.T) {
	const batch = 64
	for _, sub := range subjects(t) {
		for name, force := range arithmetics {
			for _, shards := range []int{1, 2, 5, 32} {
				for _, workers := range []int{1, 2, 3} {
					o, err := New(sub.model, sub.model.Init(1), Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: workers, force: force})
					require.NoError(t, err)
					what := fmt.Sprintf("%s, %s, %d shards, %d workers", sub.name, name, shards, workers)
					assert.Equal(t, o.plan.memory, taken(o), what)
					assert.Equal(t, o.plan.bytes, taken(o).total(), what)
				}
			}
		}
	}
}

// So it is on ranks, and no step takes more.
func TestMemoryOfRanks(t *testing.T) {
	const batch = 64
	for _, sub := range subjects(t) {
		for _, method := range []string{"sgd", "sam", "msam", "mgsam", "mesam"} {
			row, err := Lookup(method)
			require.NoError(t, err)
			for _, shards := range []int{1, 6, 16} {
				for _, fast := range []bool{false, true} {
					assert.NoError(t, ranks.Run(3, func(r *ranks.Rank) error {
						cfg := row.Preset
						cfg.Base, cfg.Batch, cfg.Workers, cfg.Communicator, cfg.Fast = optim.SGD{LR: 0.1}, batch, 1+r.Rank(), r, fast
						cfg.Overlap, cfg.force.segment = shards == 6, 1
						if method == "sam" || method == "msam" && fast {
							cfg.Ascent.Precision = blas.BFloat16
						}
						if row.Sharded() {
							cfg.Shards = shards
						}
						o, err := New(sub.model, sub.model.Init(1), cfg)
						if field := (*optim.FieldError)(nil); errors.As(err, &field) && field.Field == "Communicator" {
							return nil // one shard that can't be cut
						}
						require.NoError(t, err)
						for _, n := range []int{batch, 52, 36, 12} {
							_, err := o.Step(learnable(1, n))
							require.NoError(t, err)
							assert.Equal(t, o.plan.memory, taken(o), "%s, %s, %d shards, rank %d, fast %v, %d samples", sub.name, method, shards, r.Rank(), fast, n)
						}
						return nil
					}))
				}
			}
		}
	}
}

// So is the memory of methods that combine gradients, or repeat the ascent.
func TestMemoryOfCombinations(t *testing.T) {
	for _, sub := range subjects(t) {
		for way, cfg := range combinations {
			if cfg.Ascent.NormOnly && !hasNorms(sub.model) {
				continue
			}
			for i, shards := range []int{1, 2, 5, 16} {
				cfg.Rho, cfg.Shards, cfg.Base, cfg.Batch, cfg.Workers = 0.1, shards, optim.AdamW{LR: 0.1}, 64, 1+i%3
				o, err := New(sub.model, sub.model.Init(1), cfg)
				require.NoError(t, err)
				assert.Equal(t, o.plan.memory, taken(o), "%s, %s, %d shards", sub.name, way, shards)
			}
		}
	}
}

// MaxMemory takes smaller tiles, changes no bit, and is refused where the least is more.
func TestMaxMemory(t *testing.T) {
	const batch = 64
	for _, sub := range subjects(t) {
		for _, shards := range []int{1, 3, 16} {
			train := func(limit int) (plan *plan, values []float32, err error) {
				params := sub.model.Init(5)
				o, err := New(sub.model, params, Config{Rho: 0.1, Shards: shards, Base: optim.SGD{LR: 0.1}, Batch: batch, Workers: 2, MaxMemory: limit})
				if err != nil {
					return nil, nil, err
				}
				for step := range 2 {
					_, err := o.Step(learnable(uint64(step), batch-9*step))
					require.NoError(t, err)
				}
				return o.plan, params.Values, nil
			}
			free, want, err := train(0)
			require.NoError(t, err)
			_, _, err = train(1)
			var least int
			_, scanned := fmt.Sscanf(fmt.Sprint(err), fmt.Sprintf("sam: MaxMemory is 1 bytes, and a step of 64 samples in %s needs at least %%d", english.Plural(shards, "shard", "")), &least)
			require.NoError(t, scanned, "%v", err)
			require.LessOrEqual(t, least, free.bytes)

			bounded, got, err := train(least)
			require.NoError(t, err)
			assert.Equal(t, least, bounded.bytes, "%s, %d shards", sub.name, shards)
			assert.Equal(t, want, got, "%s, %d shards", sub.name, shards)
			_, _, err = train(least - 1)
			assert.ErrorContains(t, err, fmt.Sprintf("MaxMemory is %d bytes", least-1))
		}
	}
	model := subjects(t)[0].model
	_, err := New(model, model.Init(1), Config{Base: optim.SGD{LR: 1}, Batch: 4, MaxMemory: -1})
	assert.EqualError(t, err, "sam: MaxMemory is -1 bytes, want a positive number, or 0 for no limit")
}

// Pass by pass, whole shards are a worker's own, and all workers share the others.
func TestWholeShards(t *testing.T) {
	model := subjects(t)[1].model
	for _, c := range []struct{ shards, workers, whole int }{{4, 2, 4}, {3, 2, 2}, {1, 2, 0}, {2, 3, 0}, {4, 3, 3}, {4, 1, 0}} {
		o, err := New(model, model.Init(1), Config{Rho: 0.1, Shards: c.shards, Base: optim.SGD{LR: 1}, Batch: 256, Workers: c.workers, force: force{perturb: formed, partsPerTile: 1}})
		require.NoError(t, err)
		plan := o.plan
		require.True(t, plan.passByPass, "%+v", c)
		whole, taken := 0, 0
		for _, r := range plan.rounds {
			from := r.first()
			end := r.shared.To
			if r.whole {
				whole += len(r.tasks)
				for i, task := range r.tasks {
					parts := plan.partsOf(i)
					assert.Equal(t, parts, num.Range(plan.tiles[task.From].From, plan.tiles[task.To-1].To), "%+v", c)
				}
				assert.Zero(t, r.shared.Len(), "%+v", c)
			}
			assert.Equal(t, taken, from, "%+v", c)
			taken = end
		}
		assert.Equal(t, c.whole, whole, "%+v", c)
		assert.Equal(t, len(plan.tiles), taken, "%+v", c)
		for number, w := range o.workers {
			assert.Equal(t, number == 0 || c.whole > 0, len(w.formed) > 0, "%+v, worker %d", c, number)
		}
	}
}
