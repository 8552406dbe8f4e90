package train

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// logged reads the log of a run without times.
func logged(t *testing.T, dir string) []Row {
	rows, err := ReadLog(filepath.Join(dir, "metrics.jsonl"))
	require.NoError(t, err)
	for i := range rows {
		rows[i].Seconds, rows[i].ExamplesPerSecond = 0, 0
	}
	return rows
}

// The log has a row for each LogEvery steps, across the ends of epochs, and one for each epoch.
func TestLog(t *testing.T) {
	run := small(t, normed(t)) // 4 batches of 8 samples and one of 2 an epoch
	run.Dir, run.LogEvery = t.TempDir(), 2
	run.Metrics = []Metric{&Accuracy{}, &TopK{K: 2}}
	run.Optimizer.Rho, run.Optimizer.Ascent.Every = 0.1, 3 // steps 1, 4, 7, ... perturb
	run.Optimizer.LRSchedule = optim.Linear{Steps: 15, To: 1}
	var all []sam.Stats
	var samples []int
	var shown []Row
	run.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
		if at == AfterStep {
			all, samples = append(all, s.Step), append(samples, s.StepSamples)
		}
		if s.Row != nil {
			shown = append(shown, *s.Row)
			rows, err := ReadLog(run.log())
			require.NoError(t, err)
			require.Equal(t, shown, rows, "the row is in the file before the hooks see it")
		}
		return nil
	})}
	history, err := run.Start(t.Context())
	require.NoError(t, err)

	row := func(kind string, epoch, from, to int) Row { // of the steps from < step <= to
		want := Row{Kind: kind, Epoch: epoch, Step: uint64(to), LR: all[to-1].LearningRate}
		n := 0.0
		for i := from; i < to; i++ {
			n += float64(samples[i])
			want.TrainLoss += all[i].Loss * float64(samples[i])
			want.Sharpness += all[i].Sharpness * float64(samples[i])
			want.GradNorm += all[i].GradNorm / float64(to-from)
			want.Rho = max(want.Rho, all[i].Rho) // which is constant but for the steps that don't perturb
		}
		want.TrainLoss, want.Sharpness = want.TrainLoss/n, want.Sharpness/n
		if kind == RowEpoch {
			valid := history.Epochs[epoch-1].Valid
			want.Valid = Scores{"loss": valid["loss"], "accuracy": valid["accuracy"], "top_2_accuracy": valid["top-2 accuracy"]}
		}
		return want
	}
	want := []Row{
		row(RowStep, 1, 0, 2), row(RowStep, 1, 2, 4), row(RowEpoch, 1, 0, 5),
		row(RowStep, 2, 4, 6), row(RowStep, 2, 6, 8), row(RowStep, 2, 8, 10), row(RowEpoch, 2, 5, 10),
		row(RowStep, 3, 10, 12), row(RowStep, 3, 12, 14), row(RowEpoch, 3, 10, 15),
	}
	got := logged(t, run.Dir)
	require.Len(t, got, len(want))
	for i := range want {
		for _, v := range []struct{ want, got *float64 }{{&want[i].TrainLoss, &got[i].TrainLoss}, {&want[i].GradNorm, &got[i].GradNorm}, {&want[i].Sharpness, &got[i].Sharpness}} {
			assert.InEpsilon(t, 1+*v.want, 1+*v.got, 1e-12)
			*v.want, *v.got = 0, 0
		}
		assert.Equal(t, want[i], got[i])
	}
	assert.Equal(t, 0.0, want[5].Rho-want[2].Rho)
	assert.Zero(t, row(RowStep, 2, 7, 9).Rho, "steps 8 and 9 perturb nothing")
	for i, epoch := range history.Epochs {
		assert.Equal(t, epoch.Seconds, []Row{shown[2], shown[6], shown[9]}[i].Seconds)
		assert.Equal(t, 34/epoch.Seconds, []Row{shown[2], shown[6], shown[9]}[i].ExamplesPerSecond)
	}
}

// copyDir copies the files of a folder, as a process that is killed at this moment leaves them.
func copyDir(t *testing.T, from string) (to string) {
	to = t.TempDir()
	require.NoError(t, os.CopyFS(to, os.DirFS(from)))
	return to
}

// A run that is killed anywhere, also in the middle of a row, has the log of an uninterrupted one
// when it is resumed.
func TestLogOfResumedRun(t *testing.T) {
	run := func(dir string) *Run {
		r := small(t, normed(t))
		r.Dir, r.LogEvery, r.SaveEvery = dir, 2, 3
		r.Optimizer.Rho, r.Optimizer.Shards = 0.1, 2
		return &r
	}
	var killed []string
	whole := run(t.TempDir())
	whole.Hooks = []Hook{HookFunc(func(Moment, *Status) error {
		killed = append(killed, copyDir(t, whole.Dir))
		return nil
	})}
	_, err := whole.Start(t.Context())
	require.NoError(t, err)
	want := logged(t, whole.Dir)
	require.Len(t, want, 10)
	require.Len(t, killed, 1+15+3+1)
	for i, dir := range killed {
		if i%2 == 1 {
			file, err := os.OpenFile(filepath.Join(dir, "metrics.jsonl"), os.O_WRONLY|os.O_APPEND, 0)
			require.NoError(t, err)
			_, err = file.WriteString(`{"kind":"step","epoch":`[:i])
			require.NoError(t, err)
			require.NoError(t, file.Close())
		}
		again := run(dir)
		_, err := again.Resume(t.Context())
		require.NoError(t, err)
		require.Equal(t, want, logged(t, dir), "killed at moment %d", i)
		require.Equal(t, timeless(whole), timeless(again))
	}
}

// A step's row is there as soon as its state is, and an epoch's row isn't before: the state after
// an epoch's last step is one of the epoch before.
func TestLogIsCutToTheState(t *testing.T) {
	for name, test := range map[string]struct {
		stop func(at Moment, s *Status) bool
		rows int // of 2 steps, or of epochs
	}{
		"in an epoch":         {func(at Moment, s *Status) bool { return at == AfterStep && s.Epoch == 2 && s.Batch == 3 }, 5},
		"before a validation": {func(at Moment, s *Status) bool { return at == AfterStep && s.Epoch == 2 && s.Batch == 5 }, 6},
		"after an epoch":      {func(at Moment, s *Status) bool { return at == AfterEpoch && s.Epoch == 2 }, 7},
	} {
		t.Run(name, func(t *testing.T) {
			whole := small(t, linear(t))
			whole.Dir, whole.LogEvery = t.TempDir(), 2
			_, err := whole.Start(t.Context())
			require.NoError(t, err)
			want := logged(t, whole.Dir)

			first := small(t, linear(t))
			first.Dir, first.LogEvery = t.TempDir(), 2
			first.Hooks = []Hook{HookFunc(func(at Moment, s *Status) error {
				if test.stop(at, s) {
					return Stop("for a while")
				}
				return nil
			})}
			_, err = first.Start(t.Context())
			require.NoError(t, err)
			require.Equal(t, want[:test.rows], logged(t, first.Dir))

			// All of the rows, as of a run that was killed before it saved: Resume keeps the state's.
			text, err := os.ReadFile(whole.log())
			require.NoError(t, err)
			require.NoError(t, os.WriteFile(first.log(), text, 0o644))
			again := small(t, linear(t))
			again.Dir, again.LogEvery, again.Hooks = first.Dir, 2, []Hook{stopAfter(0)}
			_, err = again.Resume(t.Context())
			require.NoError(t, err)
			require.Equal(t, want[:test.rows], logged(t, first.Dir))
		})
	}
}

// A long log is cut from its end, in pieces that rows don't fit.
func TestCutLongLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.jsonl")
	var text bytes.Buffer
	for step := range 3000 {
		fmt.Fprintf(&text, `{"kind":"step","epoch":1,"step":%d,"more":"%s"}`+"\n", step+1, strings.Repeat("x", step*7%6000))
	}
	for _, last := range []uint64{3000, 2999, 2500, 1, 0} {
		require.NoError(t, os.WriteFile(path, text.Bytes(), 0o644))
		w, err := newLogWriter(path, func(r *Row) bool { return r.Step <= last })
		require.NoError(t, err)
		require.NoError(t, w.add(&Row{Kind: RowEpoch, Epoch: 1, Step: 5}))
		require.NoError(t, w.file.Close())
		rows, err := ReadLog(path)
		require.NoError(t, err)
		require.Len(t, rows, int(last)+1)
		for i, row := range rows[:last] {
			require.Equal(t, uint64(i+1), row.Step)
		}
		assert.Equal(t, Row{Kind: RowEpoch, Epoch: 1, Step: 5}, rows[last])
	}
}

func TestLogErrors(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "metrics.jsonl")
	_, err := ReadLog(path)
	assert.ErrorIs(t, err, os.ErrNotExist)
	_, err = ReadLog(dir)
	assert.EqualError(t, err, "train: "+dir+" is not a regular file")

	row := `{"kind":"step","epoch":1,"step":1}` + "\n"
	require.NoError(t, os.WriteFile(path, []byte(row+"none\n"+row), 0o644))
	_, err = ReadLog(path)
	assert.ErrorContains(t, err, "train: "+path+":2: invalid character")
	require.NoError(t, os.WriteFile(path, []byte(row+`{"kind":"step"}`+"\n"), 0o644))
	_, err = newLogWriter(path, func(*Row) bool { return true })
	assert.EqualError(t, err, `train: `+path+`: the row at byte 35: "epoch" is missing; mend it, or move the file away to begin a new log`)
	require.NoError(t, os.WriteFile(path, []byte(row+strings.Repeat(" ", maxRow)+row), 0o644))
	_, err = ReadLog(path)
	assert.EqualError(t, err, "train: "+path+":2: the line has more than 1048576 bytes")
	_, err = newLogWriter(path, func(r *Row) bool { return r.Step < 1 })
	assert.NoError(t, err, "a long row that is cut")

	run := small(t, linear(t))
	run.Dir = t.TempDir()
	require.NoError(t, os.Mkdir(run.log(), 0o755))
	run.Overwrite = true
	_, err = run.Start(t.Context())
	assert.EqualError(t, err, "train: "+run.log()+" is not a regular file")
}
