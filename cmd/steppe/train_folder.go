package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

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

// prepareDir puts config.json into the run's folder, before anything else. What a run before has
// left besides goes away: it isn't of this one. So does what is left of files that a killed process
// was writing.
func (t *trainCommand) prepareDir() error {
	dir := t.dir()
	for _, name := range []string{runs.ConfigFile, runs.ResultFile, runs.CurvesFile, runs.ReportFile} {
		if err := atomicfile.RemoveTemporary(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	if t.resume == "" {
		for _, name := range []string{runs.ResultFile, runs.CurvesFile, runs.ReportFile} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
		}
	}
	return t.config.Save(dir)
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
