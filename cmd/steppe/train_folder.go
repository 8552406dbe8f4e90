package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam/train"
)

// result is what a finished run leaves in result.json, and what --json prints last.
type result struct {
	Epochs    int          `json:"epochs"`
	BestEpoch int          `json:"best_epoch"`
	Monitor   string       `json:"monitor"`
	Stopped   string       `json:"stopped,omitempty"` // why it ended early
	Samples   int          `json:"test_samples"`
	Test      train.Scores `json:"test"` // of the best epoch's parameters
}

func (t *trainCommand) result() result {
	h := t.history
	return result{len(h.Epochs), h.BestEpoch, t.settings.Monitor, h.Stopped, t.review.Samples, t.review.Scores}
}

// ownFiles are the files of a run's folder that train.Run doesn't write.
var ownFiles = []string{runs.ConfigFile, runs.ResultFile, runs.CurvesFile, runs.ReportFile}

// checkOut returns an error if a new run would replace files of another one, or of anybody else.
func (t *trainCommand) checkOut() error {
	if t.out == "" || t.force || !leads(t.ranks) {
		return nil
	}
	if err := train.Vacant(t.out); err != nil {
		return t.inFlags(err)
	}
	for _, name := range ownFiles {
		path := filepath.Join(t.out, name)
		if _, err := os.Lstat(path); err == nil {
			return t.inFlags(&train.DirError{Path: path})
		}
	}
	return nil
}

// inFlags says in the words of the flags that a folder has another run.
func (t *trainCommand) inFlags(err error) error {
	there := new(train.DirError)
	if !errors.As(err, &there) {
		return err
	}
	if _, missing := os.Stat(filepath.Join(t.out, runs.ConfigFile)); missing != nil {
		return agree.Keep(err, fmt.Errorf("--out %s: %s exists; --force replaces it", t.out, there.Path))
	}
	return agree.Keep(err, fmt.Errorf("--out %s: %s exists; `steppe train --resume %s` goes on with the run there, --force replaces it",
		t.out, there.Path, quoted(t.out)))
}

// prepareDir puts config.json into the run's folder, before anything else. What a run before has
// left besides goes away: it isn't of this one. So does what is left of files that a killed process
// was writing.
func (t *trainCommand) prepareDir() error {
	if err := t.checkOut(); err != nil {
		return err
	}
	dir := t.dir()
	if t.began != nil { // before the data was read, which may take long, and before the folder was locked
		if now, err := runs.LoadConfig(dir); err != nil || !reflect.DeepEqual(now, t.began) {
			return fmt.Errorf("--resume %s: another process has changed the run in the meantime; the same command goes on with what is there now", dir)
		}
	}
	for _, name := range ownFiles {
		if err := atomicfile.RemoveTemporary(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if t.resume == "" {
		for _, name := range []string{runs.ResultFile, runs.CurvesFile, runs.ReportFile} {
			if err := remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return t.config.Save(dir)
}

// remove removes a file if it is there.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// dropResult removes the result of a finished run that goes on after all, with more epochs: it isn't
// the result any more, however the run ends.
func (t *trainCommand) dropResult(at train.Moment, s *train.Status) error {
	if at != train.AtStart || t.dir() == "" || !leads(t.ranks) || len(s.History.Epochs) == s.Run.Epochs {
		return nil
	}
	return remove(filepath.Join(t.dir(), runs.ResultFile))
}

// writeFolder writes the files of a run that has ended, for whatever reason: curves and report,
// and the result if it is finished.
func (t *trainCommand) writeFolder(ctx context.Context, finished bool) error {
	dir := t.dir()
	if dir == "" {
		return nil
	}
	if finished {
		if err := runs.SaveJSON(filepath.Join(dir, runs.ResultFile), t.result()); err != nil {
			return err
		}
	}
	return t.writeReport(ctx, dir, finished)
}
