package checkpoint

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net"
)

// Meta is what is known of a model beside its tensors: how to build it, and how to
// treat data for it. A field at its zero value isn't stored; the key of each stands
// beside it.
type Meta struct {
	Model   string    // "model": the model's name in zoo.Models
	Input   net.Shape // "input": shape of a sample, as in 28x28x1
	Classes int       // "classes"
	Data    string    // "data": name of what it was trained on, as in "digits"

	// "standardise": the moments that samples were standardised by before training, as
	// dataset.Moments writes them.
	Standardise string

	// More has whatever else there is to say, under keys of its own.
	More map[string]string
}

const (
	keyModel       = "model"
	keyInput       = "input"
	keyClasses     = "classes"
	keyData        = "data"
	keyStandardise = "standardise"
)

// strings returns m as the file has it.
func (m Meta) strings() (map[string]string, error) {
	all := map[string]string{}
	for key, value := range map[string]string{keyModel: m.Model, keyData: m.Data, keyStandardise: m.Standardise} {
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
	for key, value := range m.More {
		switch key {
		case keyModel, keyInput, keyClasses, keyData, keyStandardise:
			return nil, fmt.Errorf("Meta.More has the key %q, which a field stands for", key)
		}
		all[key] = value
	}
	// JSON has no other strings, and the encoder would replace what isn't valid.
	for key, value := range all {
		if !utf8.ValidString(key) || !utf8.ValidString(value) {
			return nil, fmt.Errorf("metadata %q is %q, want UTF-8", key, value)
		}
	}
	return all, nil
}

// parseMeta is the inverse of strings.
func parseMeta(all map[string]string) (Meta, error) {
	m := Meta{Model: all[keyModel], Data: all[keyData], Standardise: all[keyStandardise]}
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
	more := maps.Clone(all)
	for _, key := range []string{keyModel, keyInput, keyClasses, keyData, keyStandardise} {
		delete(more, key)
	}
	if len(more) > 0 {
		m.More = more
	}
	return m, nil
}

// parseShape reads a shape as net.Shape writes it. A sample that no memory holds is no
// shape: the sizes of a model made for it could overflow.
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
