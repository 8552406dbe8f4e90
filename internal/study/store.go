package study

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
)

// Store keeps the results of runs in memory, and in a file if it has one. The first line of the
// file is the recipe in JSON. Each finished run adds a line at once, so an interruption loses only
// the runs under way.
type Store struct {
	file *os.File // nil for none

	mutex sync.Mutex
	done  map[Run]Result
}

// header is the first line of the file.
type header struct {
	Version int    `json:"version"`
	Recipe  Recipe `json:"recipe"`
}

const (
	storeVersion = 1
	storeName    = "runs.jsonl"
)

// NewStore returns an empty store without a file.
func NewStore() *Store { return &Store{done: map[Run]Result{}} }

// OpenStore returns a store with the results in a folder's file. It makes the folder and the file
// if they don't exist. A file of another recipe is an error.
func OpenStore(dir string, recipe Recipe) (*Store, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(filepath.Join(dir, storeName), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return nil, err
	}
	s := NewStore()
	s.file = file
	if err := s.read(recipe); err != nil {
		file.Close()
		return nil, err
	}
	return s, nil
}

// read reads the file, and writes the first line of an empty one.
func (s *Store) read(recipe Recipe) error {
	text, err := io.ReadAll(s.file)
	if err != nil {
		return err
	}
	// A killed process may have left an incomplete line: drop it.
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	if len(whole) < len(text) {
		if err := s.file.Truncate(int64(len(whole))); err != nil {
			return err
		}
	}
	if len(whole) == 0 {
		return s.append(header{storeVersion, recipe})
	}
	number := 0
	for line := range bytes.Lines(whole) {
		number++
		if number == 1 {
			err = validateHeader(line, recipe)
		} else {
			var r Result
			if err = json.Unmarshal(line, &r); err == nil {
				s.done[r.Run] = r
			}
		}
		if err != nil {
			return fmt.Errorf("%s, line %d: %w", s.file.Name(), number, err)
		}
	}
	return nil
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
		return errors.New("results of another study: " + strings.Join(differ, "; "))
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

// Add keeps a result.
func (s *Store) Add(r Result) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.done[r.Run] = r
	if s.file == nil {
		return nil
	}
	return s.append(r)
}

// append writes a line in one call and syncs the file.
func (s *Store) append(value any) error {
	line, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if _, err := s.file.Write(append(line, '\n')); err != nil {
		return err
	}
	return s.file.Sync()
}

// Close closes the file.
func (s *Store) Close() error {
	if s.file == nil {
		return nil
	}
	return s.file.Close()
}
