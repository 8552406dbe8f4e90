package runs

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Minimum is where a run has come to: its parameters, and training samples of the run to look at
// the loss around them.
type Minimum struct {
	Dir      string
	Config   *Config      // of the run
	*Trained              // without the dropout of the training
	Last     bool         // the parameters are the last step's, not the best epoch's
	Samples  *dataset.Set // as OpenMinimum chooses them, in memory
	Of       int          // training samples that they were chosen from
	Sum      string       // checksum of Samples: minima of one sum were measured on the same samples
}

// defaultSamples is how many samples OpenMinimum takes if it isn't told.
const defaultSamples = 1000

// OpenMinimum opens the minimum that a run has found: the best epoch's parameters, or with last
// those of the last step, and n samples; 0 takes 1000, or all if there are fewer.
//
// The samples are those that the run trained on, as it saw them: without the validation set, with
// the wrong labels of LabelNoise, standardized if the run standardizes, but never augmented. They
// lie at even distances in the order of the data, as dataset.Set.Spread says. Runs on the same data
// with the same seed, validation part and treatment have the same samples.
//
// Data that isn't what the run was trained on any more, by the checksum in its folder, is an error.
func OpenMinimum(dir string, last bool, n int) (*Minimum, error) {
	m := &Minimum{Dir: dir, Last: last}
	var err error
	if _, err := os.Stat(dir); errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s isn't there, want the folder of a run (steppe train --out)", dir)
	}
	if m.Config, err = LoadConfig(dir); err != nil {
		if errors.Is(err, syscall.ENOTDIR) || isFile(dir) {
			return nil, fmt.Errorf("%s is a file, want the folder of a run, which says what it was trained on and how", dir)
		}
		return nil, err
	}
	if m.Trained, err = Open(dir, last); err != nil {
		return nil, err
	}
	if err := m.open(n); err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return m, nil
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && !info.IsDir()
}

// open reads the data, and chooses n samples.
func (m *Minimum) open(n int) error {
	s := m.Config.Settings // a copy, which Read completes
	if m.Meta.Model != s.Model {
		return fmt.Errorf("%s has the model %s, and %s says %s", m.Path, m.Meta.Model, ConfigFile, s.Model)
	}
	s.KeepTokenizer(m.Dir)
	job, err := s.Read()
	if err != nil {
		return unreadable(err, &s)
	}
	if was := m.Config.DataSum; was != "" && job.Sum != "" && was != job.Sum {
		return fmt.Errorf("%s isn't the data that the run was trained on: its checksum is %s, was %s", s.Data, job.Sum, was)
	}
	if err := m.fits(job); err != nil {
		return err
	}
	m.Of = job.Train.Len()
	if n > m.Of {
		return fmt.Errorf("--samples %d is more than the %d training samples of %s%s", n, m.Of, job.Name, job.held())
	}
	chosen, err := job.Train.Spread(cmp.Or(n, min(defaultSamples, m.Of)))
	if err != nil {
		return err
	}
	if m.Samples, err = chosen.Load(); err != nil {
		return err
	}
	m.Sum, err = study.Sum(m.Samples)
	return err
}

// unreadable says of data that isn't where it was that it is the run's.
func unreadable(err error, s *Settings) error {
	if s.Path != "" {
		if _, gone := os.Stat(s.Path); gone != nil {
			return fmt.Errorf("the data that the run was trained on, %s, can't be opened: %w", s.Path, err)
		}
	}
	return err
}

// fits returns an error if the model isn't one for the data.
func (m *Minimum) fits(job *Job) error {
	if have, want := m.Model.NumParams(), job.Model.NumParams(); have != want {
		return fmt.Errorf("%s has %d parameters, and the model of %s for %s has %d", m.Path, have, ConfigFile, job.Name, want)
	}
	return nil
}

// Batches cuts the samples into batches of the run's size. The last one is shorter if they don't
// come out even; if a normalization over the batch needs more samples than it would have, it goes
// to the batch before.
func (m *Minimum) Batches() []net.Batch {
	var batches []net.Batch
	size, all := max(m.Config.Settings.Batch, m.Model.MinShard()), m.Samples.Len()
	for first := 0; first < all; {
		n := min(size, all-first)
		if rest := all - first - n; rest < m.Model.MinShard() {
			n += rest
		}
		batches = append(batches, m.Samples.Range(first, n))
		first += n
	}
	return batches
}
