package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"iter"
	"math"

	"github.com/nlpodyssey/safetensors"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/net"
)

// Save writes params, which belong to model, to a file. The file appears whole or not at all: an
// existing one stays as it is until the new one is written and has reached the disk.
//
// Values that aren't finite are an error, as they are to Load.
func Save(path string, model *net.Model, params *net.Params, meta Meta) error {
	return save(path, model, params, meta, nil)
}

// Write writes to w the bytes that Save writes to a file. The same arguments make the same bytes.
// It returns errors of arguments before it writes anything.
func Write(w io.Writer, model *net.Model, params *net.Params, meta Meta) error {
	return encode(w, model, params, meta, nil)
}

// save is Save and SaveState.
func save(path string, model *net.Model, params *net.Params, meta Meta, state *State) error {
	file, err := atomicfile.Create(path)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer file.Discard()
	if err := encode(file, model, params, meta, state); err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// encode is Write, and with a state WriteState.
func encode(w io.Writer, model *net.Model, params *net.Params, meta Meta, state *State) error {
	all, err := meta.strings()
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	file := section{}
	if err = file.model("", model, params); err == nil && state != nil {
		err = state.addTo(file, all, model)
	}
	if err == nil {
		err = safetensors.SerializeToWriter(file, all, w)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// section is tensors by name.
type section map[string]tensor

// model adds the tensors of a model, with a prefix before their names.
func (s section) model(prefix string, model *net.Model, params *net.Params) error {
	if err := model.ValidateParams(params); err != nil {
		return err
	}
	for view, values := range tensors(model, params) {
		if err := s.add(prefix+view.Name, view.Shape, values); err != nil {
			return err
		}
	}
	return nil
}

// add adds a tensor if its values are finite.
func (s section) add(name string, shape net.Shape, values []float32) error {
	s[name] = tensor{shape: shape, values: values}
	return validateFinite(name, values)
}

// tensors returns all tensors of a model, each with its part of params.
func tensors(model *net.Model, params *net.Params) iter.Seq2[net.View, []float32] {
	return func(yield func(net.View, []float32) bool) {
		for _, view := range model.Params() {
			if !yield(view, view.Of(params.Values)) {
				return
			}
		}
		for _, view := range model.State() {
			if !yield(view, view.Of(params.State)) {
				return
			}
		}
	}
}

// validateFinite returns an error that names the first value that isn't finite.
func validateFinite(name string, values []float32) error {
	for i, v := range values {
		if v-v != 0 {
			return fmt.Errorf("%s: element %d of %d is %v, want finite values", name, i, len(values), v)
		}
	}
	return nil
}

// tensor is floats as a safetensors.View, or bytes if they aren't nil. Floats are turned into bytes
// when they are written, one tensor at a time.
type tensor struct {
	shape  net.Shape
	values []float32
	bytes  []byte
}

func (t tensor) DType() safetensors.DType {
	if t.bytes != nil {
		return safetensors.U8
	}
	return safetensors.F32
}

func (t tensor) Shape() []uint64 {
	shape := make([]uint64, len(t.shape))
	for i, d := range t.shape {
		shape[i] = uint64(d)
	}
	return shape
}

func (t tensor) DataLen() uint64 { return 4*uint64(len(t.values)) + uint64(len(t.bytes)) }

func (t tensor) Data() []byte {
	if t.bytes != nil {
		return t.bytes
	}
	data := make([]byte, 0, t.DataLen())
	for _, v := range t.values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}
