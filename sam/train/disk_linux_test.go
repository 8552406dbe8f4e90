package train

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// smallDisk mounts a disk of 256 KB.
func smallDisk(t *testing.T) (path string) {
	path = t.TempDir()
	if err := unix.Mount("tmpfs", path, "tmpfs", 0, "size=256k"); err != nil {
		t.Skip("can't mount a small disk: ", err)
	}
	t.Cleanup(func() { assert.NoError(t, unix.Unmount(path, unix.MNT_DETACH)) })
	return path
}

// A disk that fills up, or that turns read-only, in the middle of a run ends it. The folder keeps the
// last whole state, and the run goes on from it later, as if nothing had happened.
func TestDiskFails(t *testing.T) {
	type failure struct {
		fail, mend func(disk string) error
		want       error
	}
	full := failure{fill, func(disk string) error { return os.Remove(filepath.Join(disk, "filler")) }, unix.ENOSPC}
	readOnly := failure{func(disk string) error {
		if err := unix.Mount(disk, disk, "", unix.MS_BIND, ""); err != nil {
			return err
		}
		return unix.Mount("", disk, "", unix.MS_REMOUNT|unix.MS_BIND|unix.MS_RDONLY, "")
	}, func(disk string) error { return unix.Unmount(disk, 0) }, unix.EROFS}
	everyStep := func(r *Run) { r.LogEvery = 1 }
	for name, test := range map[string]struct {
		failure
		change    func(*Run)
		interrupt bool
	}{
		"full, in an epoch":            {full, func(r *Run) { r.SaveEvery = 3 }, false},
		"full, at an epoch's end":      {full, everyStep, false},
		"full, in a row":               {full, longRows, false},
		"full, and interrupted":        {full, everyStep, true},
		"read-only, in an epoch":       {readOnly, func(r *Run) { r.SaveEvery = 3 }, false},
		"read-only, at an epoch's end": {readOnly, everyStep, false},
		"read-only, and interrupted":   {readOnly, everyStep, true},
	} {
		t.Run(name, func(t *testing.T) {
			run := func(dir string) *Run {
				r := small(t, normed(t))
				r.Dir = dir
				test.change(&r)
				return &r
			}
			whole := run(t.TempDir())
			_, err := whole.Start(t.Context())
			require.NoError(t, err)

			disk := smallDisk(t)
			first := run(filepath.Join(disk, "run"))
			var before *State
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			first.Hooks = []Hook{HookFunc(func(at Moment, s *Status) (err error) {
				if at != AfterStep || s.Epoch != 3 || s.Batch != 2 {
					return nil
				}
				if test.interrupt {
					cancel()
				}
				before, err = LoadState(first.last(), first.Model)
				return errors.Join(err, test.fail(disk))
			})}
			history, err := first.Start(ctx)
			require.ErrorAs(t, err, new(*SaveError))
			assert.ErrorIs(t, err, test.want)
			assert.ErrorContains(t, err, first.Dir)
			assert.NotNil(t, history)
			if test.interrupt {
				assert.ErrorIs(t, err, context.Canceled)
				assert.ErrorContains(t, err, "; then the state couldn't be saved: ")
			}
			assert.Equal(t, []string{"best.safetensors", "last.safetensors", "metrics.jsonl"}, names(t, first.Dir))
			state, err := LoadState(first.last(), first.Model)
			require.NoError(t, err)
			assert.Equal(t, before, state)
			text, err := os.ReadFile(first.log())
			require.NoError(t, err)
			assert.Equal(t, byte('\n'), text[len(text)-1], "no torn row")

			require.NoError(t, test.mend(disk))
			again := run(first.Dir)
			_, err = again.Resume(t.Context())
			require.NoError(t, err)
			assert.Equal(t, timeless(whole), timeless(again))
			assert.Equal(t, logged(t, whole.Dir), logged(t, again.Dir))
		})
	}
}

// longRows makes the row of an epoch longer than a disk's block, so that a part of it may fit.
func longRows(r *Run) { r.Metrics = []Metric{&longNamed{}} }

type longNamed struct{ Accuracy }

func (*longNamed) Name() string { return strings.Repeat("accuracy", 700) }

// fill fills a disk.
func fill(disk string) error {
	file, err := os.Create(filepath.Join(disk, "filler"))
	if err != nil {
		return err
	}
	defer file.Close()
	for block := make([]byte, 4096); err == nil; {
		_, err = file.Write(block)
	}
	if errors.Is(err, unix.ENOSPC) {
		return nil
	}
	return err
}
