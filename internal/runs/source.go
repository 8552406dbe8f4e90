package runs

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/net/dataset"
)

// Source says where data is and how to read it. It is part of Settings, and goes to model files.
type Source struct {
	Data      string  `json:"data"`                 // as the flag gave it
	Path      string  `json:"data-path,omitempty"`  // absolute, if Data is a file or a folder
	Label     string  `json:"label,omitempty"`      // column of a table
	Task      string  `json:"task,omitempty"`       // of a table: auto, classify or regress
	ImageSize int     `json:"image-size,omitempty"` // side of pictures in pixels; 0 for their own
	Color     string  `json:"color,omitempty"`      // of pictures: auto, gray or color
	Test      float64 `json:"test,omitempty"`       // fraction of pictures or rows to test on, where none are for it; 0 for a fifth
	Stream    string  `json:"stream,omitempty"`     // auto, always or never: read samples when they are needed
}

// Validate returns an error in the words of the flags if a field has a value that no data takes.
func (s *Source) Validate() error {
	if s.Data == "" {
		return errors.New("--data is empty, want the name of a data set, a file or a folder")
	}
	for _, choice := range []struct {
		flag, value string
		of          []string
	}{
		{"task", s.Task, []string{"auto", "classify", "regress"}},
		{"color", s.Color, []string{"auto", "gray", "color"}},
		{"stream", s.Stream, []string{"auto", "always", "never"}},
	} {
		if !slices.Contains(choice.of, choice.value) {
			return fmt.Errorf("--%s is %q, want one of %s", choice.flag, choice.value, strings.Join(choice.of, ", "))
		}
	}
	if s.ImageSize < 0 {
		return fmt.Errorf("--image-size is %d, want at least 1", s.ImageSize)
	}
	if !(s.Test >= 0 && s.Test < 1) {
		return fmt.Errorf("--test is %v, want more than 0 and less than 1, or 0 for a fifth", s.Test)
	}
	return nil
}

// locate fills in Path if Data is a file or a folder.
func (s *Source) locate() error {
	s.Path = ""
	if _, err := os.Stat(s.Data); err != nil || !dataset.IsPath(s.Data) {
		return nil // a name, or missing, which opening it says
	}
	path, err := filepath.Abs(s.Data)
	if err != nil {
		return fmt.Errorf("--data %s: %w", s.Data, err)
	}
	s.Path = path
	return nil
}

// Open reads the data: from where it was, or else from where Data means here.
func (s *Source) Open() (train, test *dataset.Set, err error) {
	if s.Path != "" {
		if here, err := filepath.Abs(s.Data); err == nil && here == s.Path {
			return s.open(s.Data) // errors name it as the user did
		}
		if _, err := os.Stat(s.Path); err == nil {
			return s.open(s.Path)
		}
	}
	train, test, err = s.open(s.Data)
	if err != nil && s.Path != "" && s.Path != s.Data {
		err = fmt.Errorf("%s is gone, and %w", s.Path, err)
	}
	return train, test, err
}

// open reads the data that a spec of dataset.Open names.
func (s *Source) open(spec string) (train, test *dataset.Set, err error) {
	return dataset.Options{
		Label: s.Label, Task: dataset.Task(s.Task), ImageSize: s.ImageSize, Color: dataset.Color(s.Color), Test: s.Test, Stream: dataset.Stream(s.Stream),
	}.Open(spec)
}

// sourceKey is the metadata of a model file that has the Source in JSON.
const sourceKey = "source"

// sourceOf returns the Source that a model file names, and false if it names none.
func sourceOf(more map[string]string) (s Source, ok bool, err error) {
	text, ok := more[sourceKey]
	if !ok {
		return Source{}, false, nil
	}
	if err = json.Unmarshal([]byte(text), &s); err != nil {
		return Source{}, false, fmt.Errorf("metadata %q is %q: %w", sourceKey, text, err)
	}
	return s, true, nil
}
