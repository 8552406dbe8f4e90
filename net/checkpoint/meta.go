package checkpoint

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net"
)

// Meta is what a file says of a model beside its tensors: how to build it, and how to treat data
// for it. A field at its zero value isn't stored. Each field's key stands beside it.
type Meta struct {
	Model       string            // "model": the model's name in zoo.Models
	Input       net.Shape         // "input": shape of a sample, as in 28x28x1
	Classes     int               // "classes"; 0 for a model that doesn't classify
	ClassNames  []string          // "class_names", in JSON: Classes of them, or none
	Data        string            // "data": name of the training data, as in "digits"
	Standardize string            // "standardize": mean and deviation of the samples before training, as dataset.MeanStd writes them
	Preprocess  json.RawMessage   // "preprocess": how pictures or rows become samples, as a dataset.Input in JSON
	More        map[string]string // anything else, under keys of its own
}

const (
	keyModel       = "model"
	keyInput       = "input"
	keyClasses     = "classes"
	keyData        = "data"
	keyClassNames  = "class_names"
	keyStandardize = "standardize"
	keyPreprocess  = "preprocess"
	keyTraining    = "training" // a State but for its tensors, in JSON

	keyStandardise = "standardise" // what files before v0.1.0 call keyStandardize
)

// reserved are the keys that Meta.More can't have.
var reserved = []string{keyModel, keyInput, keyClasses, keyData, keyClassNames, keyStandardize, keyPreprocess, keyTraining, keyStandardise}

// strings returns m as it is stored.
func (m Meta) strings() (map[string]string, error) {
	all := map[string]string{}
	for key, value := range map[string]string{keyModel: m.Model, keyData: m.Data, keyStandardize: m.Standardize} {
		if value != "" {
			all[key] = value
		}
	}
	if m.Input != nil {
		if _, err := parseShape(m.Input.String()); err != nil {
			return nil, fmt.Errorf("Meta.Input is %v: %w", []int(m.Input), err)
		}
		all[keyInput] = m.Input.String()
	}
	if m.Classes < 0 {
		return nil, fmt.Errorf("Meta.Classes is %d, want a positive number, or 0 for none", m.Classes)
	}
	if m.Classes > 0 {
		all[keyClasses] = strconv.Itoa(m.Classes)
	}
	if len(m.ClassNames) > 0 {
		if len(m.ClassNames) != m.Classes {
			return nil, fmt.Errorf("Meta has %d ClassNames, want one for each of %d classes", len(m.ClassNames), m.Classes)
		}
		names, err := json.Marshal(m.ClassNames)
		if err != nil {
			return nil, fmt.Errorf("Meta.ClassNames: %w", err)
		}
		all[keyClassNames] = string(names)
	}
	if m.Preprocess != nil {
		if !json.Valid(m.Preprocess) {
			return nil, fmt.Errorf("Meta.Preprocess is %q, want JSON", m.Preprocess)
		}
		all[keyPreprocess] = string(m.Preprocess)
	}
	for key, value := range m.More {
		if slices.Contains(reserved, key) {
			return nil, fmt.Errorf("Meta.More has the key %q, which is reserved", key)
		}
		all[key] = value
	}
	// JSON has no other strings: the encoder would replace invalid bytes.
	for key, value := range all {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("metadata %q is %q, want UTF-8", key, value)
		}
	}
	return all, nil
}

// parseMeta is the inverse of strings.
func parseMeta(all map[string]string) (Meta, error) {
	m := Meta{Model: all[keyModel], Data: all[keyData], Standardize: cmp.Or(all[keyStandardize], all[keyStandardise])}
	var err error
	if s, ok := all[keyInput]; ok {
		if m.Input, err = parseShape(s); err != nil {
			return Meta{}, fmt.Errorf("metadata %q is %q: %w", keyInput, s, err)
		}
	}
	if s, ok := all[keyClasses]; ok {
		if m.Classes, err = strconv.Atoi(s); err != nil || m.Classes < 1 {
			return Meta{}, fmt.Errorf("metadata %q is %q, want a positive number", keyClasses, s)
		}
	}
	if s, ok := all[keyClassNames]; ok {
		if err := json.Unmarshal([]byte(s), &m.ClassNames); err != nil || len(m.ClassNames) != m.Classes {
			return Meta{}, fmt.Errorf("metadata %q is %q, want a list of %d names", keyClassNames, s, m.Classes)
		}
	}
	if s, ok := all[keyPreprocess]; ok {
		if !json.Valid([]byte(s)) {
			return Meta{}, fmt.Errorf("metadata %q is %q, want JSON", keyPreprocess, s)
		}
		m.Preprocess = json.RawMessage(s)
	}
	more := maps.Clone(all)
	for _, key := range reserved {
		delete(more, key)
	}
	if len(more) > 0 {
		m.More = more
	}
	return m, nil
}

// parseShape reads a shape as net.Shape writes it. It refuses a sample that no memory holds: the
// sizes of a model made for it could overflow.
func parseShape(s string) (net.Shape, error) {
	var shape net.Shape
	size := 1
	for field := range strings.SplitSeq(s, "x") {
		dim, err := strconv.Atoi(field)
		if err != nil || dim < 1 {
			return nil, errors.New("want positive dimensions such as 28x28x1")
		}
		if dim > math.MaxInt32/size {
			return nil, fmt.Errorf("want at most %d floats a sample", math.MaxInt32)
		}
		size *= dim
		shape = append(shape, dim)
	}
	return shape, nil
}
