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

func (r *Run) last() string { return LastFile(r.Dir) }
func (r *Run) best() string { return BestFile(r.Dir) }
func (r *Run) log() string  { return LogFile(r.Dir) }

// LastFile returns the path of a run's state in its folder.
func LastFile(dir string) string { return filepath.Join(dir, "last.safetensors") }

// BestFile returns the path of the best epoch's parameters in a run's folder.
func BestFile(dir string) string { return filepath.Join(dir, "best.safetensors") }

// LogFile returns the path of the log in a run's folder.
func LogFile(dir string) string { return filepath.Join(dir, "metrics.jsonl") }

// files returns the paths of a run's files, the state first.
func files(dir string) []string { return []string{LastFile(dir), BestFile(dir), LogFile(dir)} }

// DirError is why a run can't begin in a folder: there is a file of another run.
type DirError struct{ Path string }

// Error implements error.
func (e *DirError) Error() string {
	return fmt.Sprintf("train: %s is of another run: Resume it, use another Dir, or set Overwrite", e.Path)
}

// Vacant returns a *DirError if a folder has files of a run, so that Start would need Overwrite.
func Vacant(dir string) error {
	for _, path := range files(dir) {
		if _, err := os.Lstat(path); err == nil {
			return &DirError{path}
		}
	}
	return nil
}

// openDir makes Dir, keeps other runs out of it until unlock is called, and removes what a killed
// process has left of files that it was writing. created says whether there was no Dir before.
func (r *Run) openDir() (unlock func(), created bool, err error) {
	if !r.keepsFiles() {
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

// beginDir brings Dir to the state that the run begins with. Files of another run go away first, its
// state before anything else: a run that is killed now must not go on later with that state and the
// files of PrepareDir. Then come the run's own files, and then the log, which loses rows of steps
// that the state doesn't have.
func (l *loop) beginDir(another bool) error {
	if !l.keepsFiles() {
		return nil
	}
	if another {
		for _, path := range files(l.Dir) {
			if info, err := os.Lstat(path); err == nil && !info.IsDir() { // which the writers complain about
				if err := os.Remove(path); err != nil {
					return fmt.Errorf("train: %w", err)
				}
			}
		}
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
			return row.Epoch <= l.epoch
		}
		return row.Step <= l.steps
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
	if !l.keepsFiles() || l.saved {
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
