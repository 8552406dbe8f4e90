package find

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// store keeps finished trials in memory, and in a file if it has one. The first line of the file
// says what the trials have in common, and each trial is a line that is written at once, so a kill
// loses the trials under way only.
type store struct {
	file  *os.File // nil for none
	mutex sync.Mutex
	done  map[RhoKey]RhoTrial
}

// common is what all trials of a file have in common.
type common struct {
	Version   int    `json:"version"`
	Model     string `json:"model"` // checksums
	Params    string `json:"params,omitempty"`
	Train     string `json:"train"`
	Valid     string `json:"valid"`
	Batch     int    `json:"batch"`
	DropLast  bool   `json:"drop_last"`
	Epochs    int    `json:"epochs"`
	Augment   string `json:"augment"` // as they print
	Optimizer string `json:"optimizer"`
	ISA       string `json:"isa"` // instruction sets round differently
}

// common returns what the trials of a search have in common.
func (s *search) common() common {
	run := s.run
	c := run.Optimizer
	c.Rho, c.Shards, c.ShardSize, c.Batch, c.Workers, c.MaxMemory = 0, 0, 0, s.batch, 0, 0
	params := ""
	if run.Params != nil {
		params = checksum(run.Params.Values, run.Params.State)
	}
	return common{
		Version: 1, Model: checksum([]byte(run.Model.Summary())), Params: params,
		Train: sum(run.Train.Set), Valid: sum(run.Valid),
		Batch: run.Train.Batch, DropLast: run.Train.DropLast, Epochs: run.Epochs,
		Augment: fmt.Sprintf("%+v", run.Train.Augment), Optimizer: describe(c), ISA: simd.Active().Arithmetic().String(),
	}
}

// describe prints a configuration. Rules, schedules and matchers count as they print.
func describe(c sam.Config) string {
	return fmt.Sprintf("base %T%+v, schedule %T%+v, rho schedule %T%+v, ascent %+v, descent %+v, rho with lr %v %v, clip %v, batch %d, groups %+v",
		c.Base, c.Base, c.LRSchedule, c.LRSchedule, c.RhoSchedule, c.RhoSchedule, c.Ascent, c.Descent, c.RhoWithLR, c.RhoMin, c.Clip, c.Batch, c.Groups)
}

// sum returns a checksum of a set: of its size, its labels and targets, its values if they are in
// memory, and its texts.
func sum(s *dataset.Set) string {
	return checksum([]byte(fmt.Sprint(s.Len(), s.Shape, s.Classes)), s.Labels, s.Targets, s.X, s.Tokens, s.Segments, lengths(s))
}

// lengths returns the number of tokens of each text; nil for other samples.
func lengths(s *dataset.Set) (n []int64) {
	if s.IsText() {
		for i := range s.Len() {
			n = append(n, int64(s.Starts[i+1]-s.Starts[i]))
		}
	}
	return n
}

// checksum returns the CRC-32 of slices of numbers.
func checksum(slices ...any) string {
	sum := crc32.NewIEEE()
	for _, s := range slices {
		binary.Write(sum, binary.LittleEndian, s)
	}
	return fmt.Sprintf("%08x", sum.Sum32())
}

// open opens the store that the options ask for.
func (s *search) open() (err error) {
	s.store = &store{done: map[RhoKey]RhoTrial{}}
	if s.o.Dir == "" {
		return nil
	}
	if err := os.MkdirAll(s.o.Dir, 0o755); err != nil {
		return fmt.Errorf("find: %w", err)
	}
	s.store.file, err = os.OpenFile(filepath.Join(s.o.Dir, "rho.jsonl"), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("find: %w", err)
	}
	if err := s.store.read(s.common()); err != nil {
		s.store.close()
		return fmt.Errorf("find: %w", err)
	}
	return nil
}

// read reads the file, and writes the first line of an empty one.
func (s *store) read(here common) error {
	text, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if len(whole) < len(text) { // a line that a kill has cut short
		if err := s.file.Truncate(int64(len(whole))); err != nil {
			return err
		}
	}
	if len(whole) == 0 {
		return s.append(here)
	}
	number := 0
	for line := range bytes.Lines(whole) {
		number++
		if number == 1 {
			err = here.validate(line)
		} else {
			var t RhoTrial
			if err = json.Unmarshal(line, &t); err == nil {
				s.done[t.RhoKey] = t
			}
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", s.file.Name(), number, err)
		}
	}
	return nil
}

// validate returns an error if line is the first one of other trials than c's.
func (c common) validate(line []byte) error {
	var there common
	if err := json.Unmarshal(line, &there); err != nil {
		return err
	}
	if there.Version != c.Version {
		return fmt.Errorf("trials of version %d, want %d", there.Version, c.Version)
	}
	var differ []string
	for _, field := range []struct {
		name        string
		there, here any
	}{
		{"model", there.Model, c.Model}, {"initial parameters", there.Params, c.Params},
		{"training set", there.Train, c.Train}, {"validation set", there.Valid, c.Valid},
		{"batch", there.Batch, c.Batch}, {"drop last", there.DropLast, c.DropLast}, {"epochs", there.Epochs, c.Epochs},
		{"augmentation", there.Augment, c.Augment}, {"optimizer", there.Optimizer, c.Optimizer}, {"instruction set", there.ISA, c.ISA},
	} {
		if field.there != field.here {
			differ = append(differ, fmt.Sprintf("%s %v there, and %v here", field.name, field.there, field.here))
		}
	}
	if differ != nil {
		return errors.New("trials of another run: " + strings.Join(differ, "; "))
	}
	return nil
}

// add keeps a trial.
func (s *store) add(t RhoTrial) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.done[t.RhoKey] = t
	if s.file == nil {
		return nil
	}
	if err := s.append(t); err != nil {
		return fmt.Errorf("find: %w", err)
	}
	return nil
}

// append writes a line in one call and syncs the file.
func (s *store) append(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err := s.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return s.file.Sync()
}

func (s *store) close() {
	if s.file != nil {
		s.file.Close()
	}
}
