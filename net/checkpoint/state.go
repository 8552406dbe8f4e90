package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// State is what training needs beside a model's tensors to go on where it stopped.
type State struct {
	Rule     string          // the optimizer's kind, as optim.State.Rule says; "" if it isn't known
	Vectors  [][]float32     // the optimizer's vectors, of any lengths
	Best     *net.Params     // parameters of the best epoch; nil if there is none
	Step     uint64          // steps that the optimizer has made
	Epoch    int             // epochs that are finished
	Batch    int             // batches of the next epoch that are done
	Progress json.RawMessage // whatever else the training loop keeps; nil for nothing
	History  []byte          // what it keeps of all epochs so far, in a form of its own; nil for nothing
}

// stateText is the part of a State that goes to the metadata.
type stateText struct {
	Rule     string          `json:"rule,omitempty"`
	Vectors  int             `json:"vectors"`
	Best     bool            `json:"best"`
	Step     uint64          `json:"step"`
	Epoch    int             `json:"epoch"`
	Batch    int             `json:"batch"`
	Progress json.RawMessage `json:"progress,omitempty"`
	History  bool            `json:"history,omitempty"`
}

// SaveState writes what Save does and state, to one file. Load and ReadMeta read the model's part
// of it.
func SaveState(path string, model *net.Model, params *net.Params, meta Meta, state *State) error {
	if state == nil {
		return errors.New("checkpoint: no state to save")
	}
	return save(path, model, params, meta, state)
}

// WriteState writes to w the bytes that SaveState writes to a file.
func WriteState(w io.Writer, model *net.Model, params *net.Params, meta Meta, state *State) error {
	if state == nil {
		return errors.New("checkpoint: no state to write")
	}
	return encode(w, model, params, meta, state)
}

// LoadState reads the parameters and the state that SaveState has written for model. A file without
// a state is an error.
func LoadState(path string, model *net.Model) (params *net.Params, state *State, err error) {
	err = open(path, func(f *file) error {
		params, state, err = f.state(model)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	return params, state, nil
}

// addTo adds s to the tensors and the metadata of a file.
func (s *State) addTo(file section, meta map[string]string, model *net.Model) error {
	if s.Epoch < 0 || s.Batch < 0 {
		return fmt.Errorf("State.Epoch is %d and Batch %d, want 0 or more", s.Epoch, s.Batch)
	}
	for i, vector := range s.Vectors {
		if err := file.add(vectorName(i), net.Shape{len(vector)}, vector); err != nil {
			return err
		}
	}
	if s.Best != nil {
		if err := file.model(bestPrefix, model, s.Best); err != nil {
			return err
		}
	}
	if s.History != nil { // which grows: as bytes it costs nothing to encode
		file[historyName] = tensor{shape: net.Shape{len(s.History)}, bytes: s.History}
	}
	text, err := json.Marshal(stateText{s.Rule, len(s.Vectors), s.Best != nil, s.Step, s.Epoch, s.Batch, s.Progress, s.History != nil})
	if err != nil {
		return fmt.Errorf("State.Progress: %w", err)
	}
	meta[keyTraining] = string(text)
	return nil
}

func vectorName(i int) string { return optimizerPrefix + strconv.Itoa(i) }

// state reads a model and a state.
func (f *file) state(model *net.Model) (*net.Params, *State, error) {
	text, ok := f.meta[keyTraining]
	if !ok {
		return nil, nil, fmt.Errorf("no training state: it has no metadata %q, as a model alone", keyTraining)
	}
	var t stateText
	if err := json.Unmarshal([]byte(text), &t); err != nil {
		return nil, nil, fmt.Errorf("metadata %q: %w", keyTraining, err)
	}
	if t.Epoch < 0 || t.Batch < 0 || t.Vectors < 0 {
		return nil, nil, fmt.Errorf("metadata %q has epoch %d, batch %d and %d vectors, want 0 or more", keyTraining, t.Epoch, t.Batch, t.Vectors)
	}
	params, err := f.params("", model)
	if err != nil {
		return nil, nil, err
	}
	s := &State{Rule: t.Rule, Step: t.Step, Epoch: t.Epoch, Batch: t.Batch, Progress: t.Progress}
	if s.Vectors, err = f.vectors(t.Vectors); err != nil {
		return nil, nil, err
	}
	if t.Best {
		if s.Best, err = f.params(bestPrefix, model); err != nil {
			return nil, nil, err
		}
	}
	if t.History {
		if s.History, err = f.bytes(historyName); err != nil {
			return nil, nil, err
		}
	}
	return params, s, nil
}

// vectors reads the n vectors of an optimizer.
func (f *file) vectors(n int) (list [][]float32, err error) {
	found := 0
	for name := range f.tensors {
		if strings.HasPrefix(name, optimizerPrefix) {
			found++
		}
	}
	if found != n {
		return nil, fmt.Errorf("%d tensors of the optimizer, want %d", found, n)
	}
	for i := range n {
		name := vectorName(i)
		info, ok := f.tensors[name]
		if !ok {
			return nil, fmt.Errorf("tensors missing: %q", name)
		}
		if len(info.Shape) != 1 {
			return nil, fmt.Errorf("%s is %v, want one dimension", name, info.Shape)
		}
		if err := f.validateShape(name, slices.Clone(info.Shape)); err != nil {
			return nil, err
		}
		values := make([]float32, info.Shape[0])
		if err := f.read(name, values); err != nil {
			return nil, err
		}
		list = append(list, values)
	}
	return list, nil
}
