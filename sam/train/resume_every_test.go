package train

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// envStops is an environment variable: at how many random points TestResumeEverySetting stops each
// run, if not at one.
const envStops = "STEPPE_TEST_STOPS"

// setting is one of the runs that must resume with the same bits.
type setting struct {
	name string
	run  func(dir string) *Run
}

// everySetting returns runs with each base optimizer, each method and each schedule of both kinds.
// The augmentations, the models and how the runs log and save take turns.
func everySetting(t *testing.T) (list []setting) {
	schedules := []optim.Schedule{
		nil, optim.Cosine{Steps: 12, Min: 0.1}, optim.Linear{Steps: 9, From: 0.5, To: 1},
		optim.MultiStep{Milestones: []int{4, 11}}, optim.Warmup{Steps: 3, Then: optim.Cosine{Steps: 15}},
	}
	crop, flip, cutout := dataset.Crop{Pad: 1}, dataset.Flip{}, dataset.Cutout{Size: 2}
	augmentations := [][]dataset.Augmentation{nil, {crop}, {flip}, {cutout}, {crop, flip, cutout}, {cutout, crop}, {flip, crop}}
	withNorm, without := normed(t), linear(t)
	for _, base := range []optim.Rule{
		optim.SGD{LR: 0.05}, optim.SGD{LR: 0.03, Momentum: 0.9, Nesterov: true, WeightDecay: 1e-3}, optim.AdamW{LR: 0.01, WeightDecay: 0.05},
	} {
		for _, method := range sam.Methods {
			if rule, ok := base.(optim.MomentumRule); method.Preset.Ascent.Momentum && (!ok || rule.MomentumVector() < 0) {
				continue
			}
			for place, schedule := range schedules {
				i := len(list)
				model := withNorm
				if i%3 == 1 && !method.Preset.Ascent.NormOnly {
					model = without
				}
				cfg := method.Preset
				cfg.Base, cfg.LRSchedule, cfg.Workers = base, schedule, 1+i%3
				cfg.Shards = min(cfg.Shards, 2+i%3)
				if method.Perturbs() {
					cfg.RhoSchedule = schedules[(place+i/5)%len(schedules)]
				}
				if i%4 == 0 {
					cfg.Clip = 0.7
				}
				list = append(list, setting{fmt.Sprintf("%d: %T %s %T", i, base, method.Name, schedule), func(dir string) *Run {
					r := small(t, model)
					r.Dir, r.Optimizer, r.Train.Augment = dir, cfg, augmentations[i%len(augmentations)]
					r.LogEvery, r.SaveEvery = i%4, i%5
					return &r
				}})
			}
		}
	}
	return list
}

// Every run that is stopped at random points, once or twice, in the middle of epochs and between
// them, ends as one that was never stopped: parameters, optimizer, best parameters, history and log,
// bit for bit, also on other numbers of workers, and with data that streams.
func TestResumeEverySetting(t *testing.T) {
	stops := 1
	if text := os.Getenv(envStops); text != "" {
		var err error
		stops, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	random := rand.New(rand.NewPCG(3, uint64(stops)))
	for i, setting := range everySetting(t) {
		if testing.Short() && i%4 != 0 { // which is every method
			continue
		}
		t.Run(setting.name, func(t *testing.T) {
			whole := setting.run(t.TempDir())
			_, err := whole.Start(t.Context())
			require.NoError(t, err)
			want, rows := timeless(whole), logged(t, whole.Dir)
			require.NotEmpty(t, rows)
			best := contents(t, whole.Dir)["best.safetensors"]
			for range stops {
				dir := t.TempDir()
				for done, parts := 0, 1+random.IntN(2); parts > 0; parts-- {
					first := setting.run(dir)
					first.Optimizer.Workers = 1 + random.IntN(4)
					if random.IntN(2) == 0 {
						stream(first)
					}
					at := done + random.IntN(whole.Steps()+1-done)
					var err error
					if random.IntN(2) == 0 {
						first.Hooks = []Hook{stopAfter(at - done)}
						_, err = first.Resume(t.Context())
					} else {
						err = cancelAfter(t, first, at-done)
					}
					require.NoError(t, err)
					require.Equal(t, uint64(at), first.State().Optimizer.Steps)
					done = at
				}
				again := setting.run(dir)
				again.Optimizer.Workers = 1 + random.IntN(4)
				if random.IntN(2) == 0 {
					stream(again)
				}
				_, err = again.Resume(t.Context())
				require.NoError(t, err)
				require.Equal(t, want, timeless(again))
				require.Equal(t, rows, logged(t, dir))
				require.True(t, best == contents(t, dir)["best.safetensors"], "best.safetensors")
			}
		})
	}
}

// cancelAfter resumes a run and cancels its context after so many steps.
func cancelAfter(t *testing.T, r *Run, steps int) error {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	if steps == 0 {
		cancel()
	}
	r.Hooks = []Hook{HookFunc(func(at Moment, _ *Status) error {
		if at == AfterStep {
			if steps--; steps == 0 {
				cancel()
			}
		}
		return nil
	})}
	_, err := r.Resume(ctx)
	if err != nil {
		assert.ErrorIs(t, err, context.Canceled)
	}
	return nil
}

// stream has a run read its training samples when it needs them.
func stream(r *Run) {
	streamed := *r.Train.Set
	streamed.X, streamed.Samples = nil, r.Train.Set
	r.Train.Set = &streamed
}
