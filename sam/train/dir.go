package train

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/net/checkpoint"
)

func (r *Run) last() string { return filepath.Join(r.Dir, "last.safetensors") }
func (r *Run) best() string { return filepath.Join(r.Dir, "best.safetensors") }
func (r *Run) log() string  { return filepath.Join(r.Dir, "metrics.jsonl") }

// openDir makes Dir, keeps other runs out of it until unlock is called, and removes what a killed
// process has left of files that it was writing. created says whether there was no Dir before.
func (r *Run) openDir() (unlock func(), created bool, err error) {
	if r.Dir == "" {
		return func() {}, false, nil
	}
	if _, err := os.Stat(r.Dir); errors.Is(err, fs.ErrNotExist) {
		created = true
	}
	if err := os.MkdirAll(r.Dir, 0o755); err != nil {
		return nil, false, fmt.Errorf("train: %w", err)
	}
	if unlock, err = lockDir(r.Dir); err != nil {
		return nil, false, fmt.Errorf("train: %w", err)
	}
	for _, path := range []string{r.last(), r.best()} {
		if err := atomicfile.RemoveTemporary(path); err != nil {
			unlock()
			return nil, false, fmt.Errorf("train: %w", err)
		}
	}
	return unlock, created, nil
}

// validateDir returns an error if Dir has files that aren't to be replaced.
func (r *Run) validateDir() error {
	if r.Dir == "" || r.Overwrite {
		return nil
	}
	for _, path := range []string{r.last(), r.best(), r.log()} {
		if _, err := os.Lstat(path); err == nil {
			return fmt.Errorf("train: %s is of another run: go on by Resume (--resume), take another Dir (--out), or Overwrite it (--force)", path)
		}
	}
	return nil
}

// beginDir brings Dir to the state that the run begins with: its own files first, and then the log,
// which loses rows of steps that the state doesn't have. A log of another run loses all.
func (l *loop) beginDir(another bool) error {
	if l.Dir == "" {
		return nil
	}
	if l.PrepareDir != nil {
		if err := l.PrepareDir(); err != nil {
			return err
		}
	}
	if err := l.save(); err != nil { // the work would be for nothing
		return err
	}
	var err error
	l.rows, err = newLogWriter(l.log(), func(row *Row) bool {
		if row.Kind == RowEpoch {
			return !another && row.Epoch <= l.epoch
		}
		return !another && row.Step <= l.steps
	})
	return err
}

// closeDir closes what beginDir has opened.
func (l *loop) closeDir() {
	if l.rows != nil {
		l.rows.file.Close()
		l.rows = nil
	}
}

// SaveError is why the log or the state of a run couldn't be written to its folder. The folder has
// the last state that was saved whole, if there is one.
type SaveError struct {
	Dir string
	Err error
}

// Error implements error.
func (e *SaveError) Error() string {
	if _, err := os.Stat(e.Dir); errors.Is(err, fs.ErrNotExist) {
		return fmt.Sprintf("train: the run's folder %s is gone: %v", e.Dir, e.Err)
	}
	return e.Err.Error()
}

// Unwrap returns Err.
func (e *SaveError) Unwrap() error { return e.Err }

// save brings the files in Dir up to date: the log and the best parameters first, so that a state
// isn't there without the rows and the parameters that it knows of.
func (l *loop) save() error {
	if l.Dir == "" || l.saved {
		return nil
	}
	if err := l.saveFiles(); err != nil {
		return &SaveError{l.Dir, err}
	}
	l.saved = true
	return nil
}

func (l *loop) saveFiles() error {
	if l.rows != nil {
		if err := l.rows.sync(); err != nil {
			return err
		}
	}
	best := l.history.Best
	if best != nil && !l.bestSaved {
		if err := checkpoint.Save(l.best(), l.Model, best, l.meta()); err != nil {
			return err
		}
		l.bestSaved = true
	}
	var err error
	if l.epochs, err = appendEpochs(l.epochs, l.history.Epochs[l.encoded:]); err != nil {
		return err
	}
	l.encoded = len(l.history.Epochs)
	if err := l.shared().save(l.last(), l.Model, l.meta(), l.epochs); err != nil {
		return err
	}
	if best != nil {
		return nil
	}
	if err := os.Remove(l.best()); err != nil && !errors.Is(err, fs.ErrNotExist) { // of another run
		return fmt.Errorf("train: %w", err)
	}
	return nil
}
