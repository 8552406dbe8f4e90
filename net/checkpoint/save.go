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

// Save writes params, which are model's, to a file. It is there whole or not at all:
// an existing file stays as it is until the new one is written and has reached the
// disk.
//
// Values that aren't finite are an error, as they are to Load.
func Save(path string, model *net.Model, params *net.Params, meta Meta) error {
	file, err := atomicfile.Create(path)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer file.Discard()
	if err := Write(file, model, params, meta); err != nil {
		return err
	}
	if err := file.Commit(); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Write writes what Save does, to w. The same arguments make the same bytes. Errors of
// arguments come before anything is written.
func Write(w io.Writer, model *net.Model, params *net.Params, meta Meta) error {
	if err := model.ValidateParams(params); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	all, err := meta.strings()
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	// Another section of a file, such as an optimiser's state, would add its tensors
	// here, under names that begin with its prefix.
	file := map[string]tensor{}
	for view, values := range tensors(model, params) {
		if err := checkFinite(view.Name, values); err != nil {
			return fmt.Errorf("checkpoint: %w", err)
		}
		file[view.Name] = tensor{view.Shape, values}
	}
	if err := safetensors.SerializeToWriter(file, all, w); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// tensors are all tensors of a model, each with its part of params.
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

// checkFinite returns an error that names the first value that isn't finite.
func checkFinite(name string, values []float32) error {
	for i, v := range values {
		if v-v != 0 {
			return fmt.Errorf("%s: element %d of %d is %v, want finite values", name, i, len(values), v)
		}
	}
	return nil
}

// tensor is floats as a safetensors.View. They turn into bytes when they are written,
// one tensor at a time.
type tensor struct {
	shape  net.Shape
	values []float32
}

func (t tensor) DType() safetensors.DType { return safetensors.F32 }

func (t tensor) Shape() []uint64 {
	shape := make([]uint64, len(t.shape))
	for i, d := range t.shape {
		shape[i] = uint64(d)
	}
	return shape
}

func (t tensor) DataLen() uint64 { return 4 * uint64(len(t.values)) }

func (t tensor) Data() []byte {
	data := make([]byte, 0, t.DataLen())
	for _, v := range t.values {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
	}
	return data
}
