package train

import (
	"context"
	"encoding/binary"
	"hash/crc32"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/simdtest"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// TestMain lets the tests, which save thousands of times, do that in memory where that is easy: no
// test waits for a disk.
func TestMain(m *testing.M) {
	const memory = "/dev/shm"
	if info, err := os.Stat(memory); err == nil && info.IsDir() && os.Getenv("TMPDIR") == "" {
		os.Setenv("TMPDIR", memory)
	}
	simdtest.Main(m)
}

func compile(t testing.TB, input net.Shape, layers ...net.Layer) *net.Model {
	t.Helper()
	m, err := net.Compile(input, layers...)
	require.NoError(t, err)
	return m
}

// normed has whatever keeps something from step to step, or draws random bits.
func normed(t testing.TB) *net.Model {
	return compile(t, net.Shape{6, 6, 2}, net.Conv2D{Out: 4, Kernel: 3, NoBias: true}, net.BatchNorm{}, net.ReLU{},
		net.Dropout{Rate: 0.25}, net.Flatten{}, net.Dense{Out: 3})
}

// textual is a model over text, with dropout.
func textual(t testing.TB) *net.Model {
	return compile(t, net.Shape{9}, net.Embedding{Vocabulary: 20, Width: 8, Positions: net.LearnedPositions},
		net.TransformerBlock{Heads: 2, Dropout: 0.1}, net.Pooling{First: true}, net.Dense{Out: 3})
}

func linear(t testing.TB) *net.Model {
	return compile(t, net.Shape{6, 6, 2}, net.Flatten{}, net.Dense{Out: 3})
}

func images(n int, seed uint64) *dataset.Set {
	return dataset.Synthetic(net.Shape{6, 6, 2}, 3, n, seed)
}

// small is a run of 3 epochs of 4 batches of 8 samples, and 2 samples more.
func small(t testing.TB, model *net.Model) Run {
	return Run{
		Model: model, Seed: 5, Epochs: 3, Train: dataset.Loader{Set: images(34, 1), Batch: 8}, Valid: images(20, 2),
		Metrics:   []Metric{&Accuracy{}},
		Optimizer: sam.Config{Base: optim.SGD{LR: 0.05, Momentum: 0.9}},
	}
}

// outcome is a run's state without times, and the checksum of its floats' bits.
type outcome struct {
	*State
	sum uint32
}

func timeless(r *Run) outcome {
	s := r.State()
	s.sums.Seconds, s.since.Seconds = 0, 0
	for i := range s.History.Epochs {
		s.History.Epochs[i].Seconds = 0
	}
	sum := crc32.NewIEEE()
	for _, values := range append(s.Optimizer.Vectors, s.Params.Values, s.Params.State, s.Best.Values, s.Best.State) {
		binary.Write(sum, binary.LittleEndian, values)
	}
	return outcome{s, sum.Sum32()}
}

// stopAfter stops a run after so many of its steps.
func stopAfter(steps int) Hook {
	return HookFunc(func(at Moment, _ *Status) error {
		if at == AfterStep {
			steps--
		}
		if at == AfterStep && steps == 0 || at == AtStart && steps == 0 {
			return Stop("for a while")
		}
		return nil
	})
}

// A run that has stopped after any step, or before the first, ends after resuming as one that
// was never stopped: from the files of a folder, and from a state in memory.
func TestResumeAnywhere(t *testing.T) {
	crop := []dataset.Augmentation{dataset.Crop{Pad: 1}, dataset.Flip{}}
	for name, test := range map[string]struct {
		model   *net.Model
		augment []dataset.Augmentation
		cfg     sam.Config
	}{
		"sgd":            {linear(t), nil, sam.Config{Base: optim.SGD{LR: 0.05}}},
		"momentum":       {normed(t), crop, sam.Config{Base: optim.SGD{LR: 0.05, Momentum: 0.9, Nesterov: true, WeightDecay: 1e-3}, LRSchedule: optim.Warmup{Steps: 3, Then: optim.Cosine{Steps: 9}}}},
		"adamw":          {normed(t), nil, sam.Config{Base: optim.AdamW{LR: 0.01, WeightDecay: 0.1}, LRSchedule: optim.MultiStep{Milestones: []int{5, 9}}, Clip: 0.5}},
		"msam":           {normed(t), crop, sam.Config{Base: optim.SGD{LR: 0.05, Momentum: 0.9}, Rho: 0.1, Shards: 4, RhoSchedule: optim.Linear{Steps: 12, To: 1}}},
		"msam and adamw": {linear(t), nil, sam.Config{Base: optim.AdamW{LR: 0.01}, Rho: 0.1, Shards: 3, Seed: 77}},
		"asam in 5":      {linear(t), nil, sam.Config{Base: optim.SGD{LR: 0.05, Momentum: 0.9}, Rho: 0.5, Ascent: sam.Ascent{Adaptive: true, Every: 5}}},
		"text":           {textual(t), nil, sam.Config{Base: optim.AdamW{LR: 0.01}, Rho: 0.05, Shards: 4, LRSchedule: optim.Warmup{Steps: 3, Then: optim.Cosine{Steps: 9}}}},
	} {
		t.Run(name, func(t *testing.T) {
			run := func() *Run {
				r := small(t, test.model)
				r.Train.Augment, r.Optimizer = test.augment, test.cfg
				if test.model.Vocabulary() > 0 {
					r.Train.Set, r.Valid = dataset.SyntheticText(20, 2, 9, 3, 34, 1), dataset.SyntheticText(20, 2, 9, 3, 20, 2)
					r.Train.Bucket = 2
				}
				return &r
			}
			whole := run()
			_, err := whole.Start(t.Context())
			require.NoError(t, err)
			want := timeless(whole)
			require.Len(t, want.History.Epochs, 3)
			require.NotNil(t, want.Best)

			for stop := range whole.Steps() + 1 {
				first := run()
				first.Hooks, first.Dir = []Hook{stopAfter(stop)}, filepath.Join(t.TempDir(), "run")
				history, err := first.Start(t.Context())
				require.NoError(t, err)
				require.Equal(t, "for a while", history.Stopped)
				require.Equal(t, uint64(stop), first.State().Optimizer.Steps)

				again := run()
				again.Dir = first.Dir
				resumed, err := again.Resume(t.Context())
				require.NoError(t, err)
				require.Empty(t, resumed.Stopped)
				require.Equal(t, want, timeless(again), "resumed after step %d from files", stop)

				again = run()
				_, err = again.ResumeFrom(t.Context(), first.State())
				require.NoError(t, err)
				require.Equal(t, want, timeless(again), "resumed after step %d from memory", stop)
				if testing.Short() && stop > 5 {
					break
				}
			}
		})
	}
}

// A run may be stopped and resumed over and over, by a context as well.
func TestResumeStepByStep(t *testing.T) {
	whole := small(t, normed(t))
	_, err := whole.Start(t.Context())
	require.NoError(t, err)
	dir := t.TempDir()
	for i := 0; ; i++ {
		require.Less(t, i, 2*whole.Steps())
		r := small(t, normed(t))
		ctx, cancel := context.WithCancel(t.Context())
		r.Dir = dir
		r.Hooks = []Hook{HookFunc(func(at Moment, _ *Status) error {
			if at == AfterStep {
				cancel()
			}
			return nil
		})}
		_, err := r.Resume(ctx)
		cancel()
		if err == nil {
			assert.Equal(t, whole.Steps()-1, i, "the last step ends the run before the context is looked at")
			assert.Equal(t, timeless(&whole), timeless(&r))
			break
		}
		require.ErrorIs(t, err, context.Canceled)
	}
}

// A resumed run with more epochs goes on as if it had always had as many; one with none left
// trains nothing.
func TestResumeLonger(t *testing.T) {
	whole := small(t, normed(t))
	_, err := whole.Start(t.Context())
	require.NoError(t, err)
	short := small(t, normed(t))
	short.Epochs, short.Dir = 1, t.TempDir()
	_, err = short.Start(t.Context())
	require.NoError(t, err)
	for range 2 {
		long := small(t, normed(t))
		long.Dir = short.Dir
		history, err := long.Resume(t.Context())
		require.NoError(t, err)
		assert.Equal(t, timeless(&whole), timeless(&long))
		assert.Same(t, history.Params, long.loop.params)
		assert.Equal(t, whole.State().Best, history.Best)
	}
}

// rising is a metric that gets worse and worse from the second epoch on.
type rising struct {
	Accuracy
	n int
}

func (*rising) Name() string               { return "rising" }
func (r *rising) Better(a, b float64) bool { return a < b }
func (r *rising) Value() float64           { r.n++; return float64(r.n) }

// Early stopping survives resuming, since it reads the history. A run that it has stopped and
// that is resumed with more patience goes on as one that it has not stopped.
func TestResumeAfterEarlyStopping(t *testing.T) {
	dir := t.TempDir()
	run := func(patience int) *Run {
		r := small(t, linear(t))
		r.Epochs, r.Dir = 6, dir
		r.Monitor, r.Metrics = "rising", []Metric{&rising{n: 10}}
		r.Hooks = []Hook{EarlyStopping{Patience: patience}}
		return &r
	}
	first := run(2)
	history, err := first.Start(t.Context())
	require.NoError(t, err)
	assert.Len(t, history.Epochs, 3)
	assert.Equal(t, 1, history.BestEpoch)
	assert.Equal(t, "no improvement on 11 of epoch 1 in 2 epochs", history.Stopped)

	again := run(2)
	history, err = again.Resume(t.Context())
	require.NoError(t, err)
	assert.Len(t, history.Epochs, 3, "it stays stopped")
	assert.Equal(t, "no improvement on 11 of epoch 1 in 2 epochs", history.Stopped)
	saved, err := LoadState(first.last(), first.Model)
	require.NoError(t, err)
	assert.Equal(t, history.Stopped, saved.History.Stopped)

	more := run(4)
	more.Metrics = []Metric{&rising{n: 13}}
	history, err = more.Resume(t.Context())
	require.NoError(t, err)
	assert.Len(t, history.Epochs, 5)
	never := run(100)
	never.Dir, never.Epochs = "", 5
	_, err = never.Start(t.Context())
	require.NoError(t, err)
	assert.Equal(t, timeless(never).Params, timeless(more).Params)
	assert.Equal(t, timeless(never).Best, timeless(more).Best)
	assert.Equal(t, timeless(never).Optimizer, timeless(more).Optimizer)
}

// ranked is a metric with a name of its own and a value for each evaluation.
type ranked struct {
	scripted
	name string
}

func (r *ranked) Name() string { return r.name }

// A run that is resumed with another Monitor takes the best of the epochs whose parameters it
// still has, and compares later epochs with that one by the new Monitor.
func TestResumeWithAnotherMonitor(t *testing.T) {
	run := func(monitor string, a, b []float64) *Run {
		r := small(t, linear(t))
		r.Epochs, r.Monitor = 5, monitor
		r.Metrics = []Metric{&ranked{scripted{values: a}, "a"}, &ranked{scripted{values: b}, "b"}}
		return &r
	}
	for name, test := range map[string]struct {
		steps    int       // of the first run, 5 an epoch
		b        []float64 // of its epochs; those of a are 9, 1, 2
		atResume int       // BestEpoch by b as the second run begins
		then     []float64 // b's values of the following epochs
		best     int       // BestEpoch by b as it ends
	}{
		"the last epoch is better":              {15, []float64{3, 4, 5}, 3, []float64{4, 4}, 3},
		"the best epoch stays":                  {15, []float64{5, 4, 3}, 1, []float64{4, 4}, 1},
		"a later one is better than the best":   {15, []float64{5, 4, 3}, 1, []float64{4, 6}, 5},
		"the last epoch's parameters are gone":  {17, []float64{3, 4, 5}, 1, []float64{2, 2}, 1},
		"a later one is better than those kept": {17, []float64{3, 4, 5}, 1, []float64{4, 3}, 4},
	} {
		t.Run(name, func(t *testing.T) {
			first := run("a", []float64{9, 1, 2}, test.b)
			first.Dir, first.Hooks = t.TempDir(), []Hook{stopAfter(test.steps)}
			if test.steps == 15 {
				first.Epochs, first.Hooks = 3, nil
			}
			history, err := first.Start(t.Context())
			require.NoError(t, err)
			require.Equal(t, 1, history.BestEpoch)

			var params []*net.Params // at the ends of epochs, from 1 on, by a run that isn't stopped
			whole := run("a", []float64{9, 1, 2, 0, 0}, []float64{1, 1, 1, 1, 1})
			whole.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
				if at == AfterEpoch {
					params = append(params, s.Params.Clone())
				}
				return nil
			})}
			_, err = whole.Start(t.Context())
			require.NoError(t, err)

			second := run("b", []float64{0, 0}, test.then)
			second.Dir = first.Dir
			second.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
				if at == AtStart {
					assert.Equal(t, test.atResume, s.History.BestEpoch)
					saved, err := LoadState(second.last(), second.Model)
					require.NoError(t, err)
					assert.Equal(t, test.atResume, saved.History.BestEpoch)
					assert.Equal(t, params[test.atResume-1], saved.Best)
				}
				return nil
			})}
			history, err = second.Resume(t.Context())
			require.NoError(t, err)
			assert.Equal(t, test.best, history.BestEpoch)
			assert.Equal(t, params[test.best-1], history.Best)
		})
	}
}

// A process that is killed in the middle of an epoch leaves the state of the last one that was
// finished; a second process ends as if there had been one.
func TestResumeInSecondProcess(t *testing.T) {
	if dir := os.Getenv("TRAIN_TEST_DIR"); dir != "" {
		r := small(t, normed(t))
		r.Dir = dir
		r.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
			if at == AfterStep && s.Epoch == 3 && s.Batch == 2 && os.Getenv("TRAIN_TEST_KILL") != "" {
				require.NoError(t, os.WriteFile(filepath.Join(dir, ".last.safetensors.123"), nil, 0o600)) // as if while writing
				os.Exit(3)
			}
			return nil
		})}
		_, err := r.Resume(t.Context())
		require.NoError(t, err)
		return
	}
	dir := t.TempDir()
	process := func(env ...string) error {
		cmd := exec.Command(os.Args[0], "-test.run=^TestResumeInSecondProcess$")
		cmd.Env = append(append(os.Environ(), "TRAIN_TEST_DIR="+dir), env...)
		return cmd.Run()
	}
	killed := process("TRAIN_TEST_KILL=1")
	simdtest.SkipIfEmulated(t, killed)
	var exit *exec.ExitError
	require.ErrorAs(t, killed, &exit)
	require.Equal(t, 3, exit.ExitCode())
	r := small(t, normed(t))
	state, err := LoadState(filepath.Join(dir, "last.safetensors"), r.Model)
	require.NoError(t, err)
	assert.Equal(t, []int{2, 0}, []int{state.Epoch, state.Batch})
	require.NoError(t, process())

	_, err = r.Start(t.Context())
	require.NoError(t, err)
	again := small(t, r.Model)
	again.Dir = dir
	_, err = again.Resume(t.Context())
	require.NoError(t, err)
	assert.Equal(t, timeless(&r), timeless(&again))
	assert.Equal(t, []string{"best.safetensors", "last.safetensors", "metrics.jsonl"}, names(t, dir), "nothing else remains")
}

func names(t *testing.T, dir string) (list []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

// What decides the batches can't change when a run goes on.
func TestResumeAnotherRun(t *testing.T) {
	first := small(t, linear(t))
	first.Dir = t.TempDir()
	first.Hooks = []Hook{stopAfter(6)}
	_, err := first.Start(t.Context())
	require.NoError(t, err)
	state := first.State()
	for want, change := range map[string]func(*Run){
		"the loader's seed is 5 there, and 6 here":                func(r *Run) { r.Seed = 6 },
		"the number of training samples is 34 there, and 33 here": func(r *Run) { r.Train.Set = images(33, 1) },
		"the batch size is 8 there, and 4 here":                   func(r *Run) { r.Train.Batch = 4 },
		"DropLast is false there, and true here":                  func(r *Run) { r.Train.DropLast = true },
		`optim: State.Rule is "optim.SGD", want "optim.AdamW"`:    func(r *Run) { r.Optimizer.Base = optim.AdamW{LR: 1} },
		`tensors missing: "0.Conv2D.weight"`:                      func(r *Run) { r.Model = normed(t) },
	} {
		r := small(t, linear(t))
		r.Dir = first.Dir
		change(&r)
		_, err := r.Resume(t.Context())
		assert.ErrorContains(t, err, want)
	}
	for want, damage := range map[string]func(*State){
		"State.Params: net: no parameters":                                   func(s *State) { s.Params = nil },
		"the State has no optimizer or no history":                           func(s *State) { s.History = nil },
		"the State has 2 epochs finished, and a history of 1":                func(s *State) { s.Epoch = 2 },
		"the State has 6 batches of an epoch done, want 0 to 5":              func(s *State) { s.Batch = 6 },
		"the State has -1 batches of an epoch done, want 0 to 5":             func(s *State) { s.Batch = -1 },
		"State.Best: net: no parameters":                                     func(s *State) { s.Best = nil },
		"the State's best epoch is 2 of 1":                                   func(s *State) { s.History.BestEpoch = 2 },
		"the State is of another run: the batch size is 0 there, and 8 here": func(s *State) { s.id.Batch = 0 },
		"optim: state vector 0 has 1 values, want 219":                       func(s *State) { s.Optimizer.Vectors[0] = []float32{1} },
	} {
		r := small(t, linear(t))
		damaged := *state
		history, optimizer := *state.History, optim.State{Rule: state.Optimizer.Rule, Vectors: append([][]float32(nil), state.Optimizer.Vectors...)}
		damaged.History, damaged.Optimizer = &history, &optimizer
		damage(&damaged)
		_, err := r.ResumeFrom(t.Context(), &damaged)
		assert.ErrorContains(t, err, want)
	}
	r := small(t, linear(t))
	_, err = r.ResumeFrom(t.Context(), nil)
	assert.EqualError(t, err, "train: no State to resume from")
	_, err = r.Resume(t.Context())
	assert.EqualError(t, err, "train: Resume without Dir: ResumeFrom takes a State")
}

// Parameters and running state that aren't finite are an error, as they are to sam.New, unless they
// are frozen. After an error the run's own parameters are as they were.
func TestResumeFromRefusesWhatIsNotFinite(t *testing.T) {
	first := small(t, normed(t))
	first.Hooks = []Hook{stopAfter(6)}
	_, err := first.Start(t.Context())
	require.NoError(t, err)
	inf := float32(math.Inf(-1))
	for want, damage := range map[string]func(*State){
		"optim: element 0 of 0.Conv2D.weight is -Inf, want a finite number": func(s *State) { s.Params.Values[0] = inf },
		"-Inf, want a finite number":                                        func(s *State) { s.Params.State[0] = inf },
		"optim: state vector 0 is -Inf":                                     func(s *State) { s.Optimizer.Vectors[0][3] = inf },
	} {
		state := first.State()
		damage(state)
		r := small(t, first.Model)
		r.Params = r.Model.Init(77)
		_, err := r.ResumeFrom(t.Context(), state)
		assert.ErrorContains(t, err, want)
		assert.Equal(t, r.Model.Init(77), r.Params)
	}

	state := first.State()
	views := first.Model.Params()
	bias := views[len(views)-1]
	bias.Of(state.Params.Values)[0] = inf
	bias.Of(state.Best.Values)[0] = inf
	r := small(t, first.Model)
	r.Optimizer.Groups = []optim.Group{{Match: optim.Names(bias.Name), Frozen: true}}
	r.Hooks = []Hook{stopAfter(0)} // the labels have the masked class
	history, err := r.ResumeFrom(t.Context(), state)
	require.NoError(t, err, "a frozen bias of -Inf masks an output")
	assert.Equal(t, inf, bias.Of(history.Params.Values)[0])
}

// A state that a user saves and loads is the same state.
func TestStateFile(t *testing.T) {
	r := small(t, normed(t))
	assert.Nil(t, r.State(), "nothing has been trained")
	r.Hooks = []Hook{stopAfter(6)}
	_, err := r.Start(t.Context())
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "state.safetensors")
	require.NoError(t, r.State().Save(path, r.Model, r.meta()))
	state, err := LoadState(path, r.Model)
	require.NoError(t, err)
	assert.Equal(t, r.State(), state)

	again := r.State()
	state.Params.Values[0]++
	assert.NotEqual(t, again.Params, state.Params, "each has memory of its own")
	changed := r.State()
	changed.History.Epochs[0].Valid["loss"]++
	changed.History.Epochs[0].Loss++
	changed.History.Unfinished.Steps++
	changed.Best.Values[0]++
	assert.Equal(t, again, r.State(), "a copy shares nothing with the run")
}
