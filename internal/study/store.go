package study

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/gofrs/flock"
)

// Store keeps the results of runs in memory, and in a file if it has one. The first line of the
// file is the recipe in JSON. Each finished run adds a line at once, so an interruption loses only
// the runs under way.
type Store struct {
	file *os.File     // nil for none
	lock *flock.Flock // of the folder, if there is a file
	size int64        // of the file's whole lines

	mutex      sync.Mutex
	done       map[Run]Result      // the last of each run
	flatnesses map[Run][]*Flatness // all that were measured, with whatever settings
	costs      *costs              // nil until they are measured
}

// costs is a line of the file: what steps of some methods take. It is measured once, so that a study
// that is interrupted goes on with the same epochs. The last line that has a method counts.
type costs struct {
	Steps   []Cost `json:"costs"`
	Workers int    `json:"workers"` // of a step
}

// header is the first line of the file.
type header struct {
	Version int    `json:"version"`
	Recipe  Recipe `json:"recipe"`
}

const (
	storeVersion = 1
	storeName    = "runs.jsonl"
	lockName     = ".lock"
)

// NewStore returns an empty store without a file.
func NewStore() *Store { return &Store{done: map[Run]Result{}, flatnesses: map[Run][]*Flatness{}} }

// OpenStore returns a store with the results in a folder's file. It makes the folder and the file
// if they don't exist. A file of another recipe is an error, and so is a folder that another store
// has open, in this process or another one.
func OpenStore(dir string, recipe Recipe) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	s := NewStore()
	s.lock = flock.New(filepath.Join(dir, lockName))
	// Some network file systems can't lock. There, a study goes on without a lock.
	if got, err := s.lock.TryLock(); err == nil && !got {
		return nil, fmt.Errorf("%s is in use: another process runs its study", dir)
	}
	var err error
	if s.file, err = os.OpenFile(filepath.Join(dir, storeName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644); err == nil {
		err = s.read(recipe)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// ReadStore returns a store with the results in a folder's file, as OpenStore does. It changes
// nothing there, so another process may be at work in the folder. Without a file it is empty. The
// store keeps what is added to it in memory.
func ReadStore(dir string, recipe Recipe) (*Store, error) {
	name := filepath.Join(dir, storeName)
	text, err := os.ReadFile(name)
	if errors.Is(err, fs.ErrNotExist) {
		return NewStore(), nil
	}
	if err != nil {
		return nil, err
	}
	s := NewStore()
	return s, s.parse(name, wholeLines(text), recipe)
}

// wholeLines returns the text up to the end of its last line: a process that was killed, or that
// is at work, may have written the next in part.
func wholeLines(text []byte) []byte { return text[:bytes.LastIndexByte(text, '\n')+1] }

// read reads the file, and writes the first line of an empty one.
func (s *Store) read(recipe Recipe) error {
	text, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	whole := wholeLines(text)
	if len(whole) < len(text) {
		if err := s.file.Truncate(int64(len(whole))); err != nil {
			return err
		}
	}
	s.size = int64(len(whole))
	if len(whole) == 0 {
		return s.append(header{storeVersion, recipe})
	}
	return s.parse(s.file.Name(), whole, recipe)
}

// parse reads the lines of a file.
func (s *Store) parse(name string, lines []byte, recipe Recipe) error {
	number := 0
	for line := range bytes.Lines(lines) {
		number++
		var err error
		if number == 1 {
			err = validateHeader(line, recipe)
		} else {
			err = s.readLine(line)
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", name, number, err)
		}
	}
	return nil
}

// readLine reads a line behind the first.
func (s *Store) readLine(line []byte) error {
	var kind struct {
		Costs json.RawMessage `json:"costs"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return err
	}
	if kind.Costs != nil {
		var c costs
		if err := json.Unmarshal(line, &c); err != nil {
			return err
		}
		s.mergeCosts(c)
		return nil
	}
	var r Result
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	s.keep(r)
	return nil
}

// keep keeps a result in memory.
func (s *Store) keep(r Result) {
	s.done[r.Run] = r
	if r.Details != nil && r.Details.Flatness != nil {
		s.flatnesses[r.Run] = append(s.flatnesses[r.Run], r.Details.Flatness)
	}
}

// validateHeader returns an error if the first line of a file is not that of the recipe.
func validateHeader(line []byte, recipe Recipe) error {
	var h header
	if err := json.Unmarshal(line, &h); err != nil {
		return err
	}
	if h.Version != storeVersion {
		return fmt.Errorf("results of version %d, want %d", h.Version, storeVersion)
	}
	there, here := fields(h.Recipe), fields(recipe)
	var differ []string
	names := maps.Clone(there)
	maps.Copy(names, here)
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if string(there[name]) != string(here[name]) {
			differ = append(differ, fmt.Sprintf("%s is %s there, and %s here", name, orUsual(there[name]), orUsual(here[name])))
		}
	}
	if differ != nil {
		return errors.New("results of another study: " + strings.Join(differ, "; ") + ": give another --out, or change it back")
	}
	return nil
}

// orUsual returns a value of a recipe, which leaves out those that it had not always.
func orUsual(value json.RawMessage) string {
	if value == nil {
		return "the usual one"
	}
	return string(value)
}

func fields(r Recipe) (m map[string]json.RawMessage) {
	text, err := json.Marshal(r)
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if err != nil {
		panic(err) // impossible: a Recipe has strings and finite numbers
	}
	return m
}

// Get returns the result of a run, if there is one.
func (s *Store) Get(run Run) (Result, bool) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	r, ok := s.done[run]
	return r, ok
}

// flatness returns what was measured of a run's model with these settings last; nil if nothing was.
func (s *Store) flatness(run Run, c FlatnessConfig) *Flatness {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for _, f := range slices.Backward(s.flatnesses[run]) {
		if c.fits(f) {
			return f
		}
	}
	return nil
}

// Add keeps a result.
func (s *Store) Add(r Result) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.keep(r)
	if s.file == nil {
		return nil
	}
	return s.append(r)
}

// addCosts keeps the costs of steps, in place of those of the same methods before.
func (s *Store) addCosts(c costs) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.mergeCosts(c)
	if s.file == nil {
		return nil
	}
	return s.append(c)
}

// mergeCosts puts costs in place of those of the same methods. The caller holds the mutex.
//
// Lines of versions without a control have a median of the steps' times besides that of their
// ratios to SAM's, which decided epochs. The ratios count for both.
func (s *Store) mergeCosts(c costs) {
	if sharp := slices.IndexFunc(c.Steps, func(c Cost) bool { return c.Method == samName }); sharp >= 0 {
		for i := range c.Steps {
			if one := &c.Steps[i]; one.Off == nil && one.VsSAM > 0 {
				one.Step = c.Steps[sharp].Step * one.VsSAM
			}
		}
	}
	merged := costs{Workers: c.Workers}
	if s.costs != nil {
		merged.Steps = slices.Clone(s.costs.Steps) // getCosts has given out the old ones
	}
	for _, one := range c.Steps {
		if known := costOf(merged.Steps, one.key()); known != nil {
			*known = one
		} else {
			merged.Steps = append(merged.Steps, one)
		}
	}
	s.costs = &merged
}

// hasEqualTime reports whether there are runs of equal time.
func (s *Store) hasEqualTime() bool {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for run := range s.done {
		if run.Stage == Final && run.Epochs != 0 {
			return true
		}
	}
	return false
}

// equalTimeRuns returns the number of finished runs of an entry at equal time, of so many epochs.
func (s *Store) equalTimeRuns(k key, epochs int) (n int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for run := range s.done {
		if run.Stage == Final && run.Epochs == epochs && run.key() == k {
			n++
		}
	}
	return n
}

// getCosts returns the costs of steps, nil before they are measured.
func (s *Store) getCosts() *costs {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return s.costs
}

// append writes a line in one call and syncs the file. If the disk is full, it takes away the part
// that was written.
func (s *Store) append(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	line = append(line, '\n')
	if _, err = s.file.Write(line); err == nil {
		err = s.file.Sync()
	}
	if err != nil {
		return errors.Join(fmt.Errorf("%w; the results before are kept, and the same command goes on from them", err), s.file.Truncate(s.size))
	}
	s.size += int64(len(line))
	return nil
}

// Close closes the file, so that another store may open it.
func (s *Store) Close() (err error) {
	if s.file != nil {
		err = s.file.Close()
	}
	if s.lock != nil {
		err = errors.Join(err, s.lock.Unlock())
	}
	return err
}
