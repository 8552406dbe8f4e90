package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"github.com/steppe-ml/steppe/net"
)

// Prefixes begin the names of tensors that aren't the model's own. A layer's name begins with a
// digit.
const (
	optimizerPrefix = "optimizer."
	bestPrefix      = "best."
	historyName     = "history" // of the tensor that has State.History
)

// Load reads the parameters and the running state of model from a file. The file must have each of
// the model's tensors, by name and in its shape, and no others than those of a training state; all
// values must be finite. There is no checksum, so Load can't notice a flipped bit that leaves a
// value finite.
func Load(path string, model *net.Model) (*net.Params, error) {
	var params *net.Params
	err := open(path, func(f *file) (err error) {
		params, err = f.params("", model)
		return err
	})
	return params, err
}

// ReadMeta reads a file's metadata. A field that the file doesn't have stays at its zero value: a
// file that isn't Steppe's may have none at all.
func ReadMeta(path string) (Meta, error) {
	var meta Meta
	err := open(path, func(f *file) (err error) {
		meta, err = parseMeta(f.meta)
		return err
	})
	return meta, err
}

// open calls f with an open file. Errors get the path.
func open(path string, f func(*file) error) error {
	t, err := OpenTensors(path)
	if err != nil {
		return err
	}
	defer t.Close()
	if err := f(t.file); err != nil {
		return fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return nil
}

// params reads the model's tensors, with a prefix before their names. It checks all before it
// allocates anything, so that neither takes more memory than the file has bytes.
func (f *file) params(prefix string, model *net.Model) (*net.Params, error) {
	if err := f.validate(prefix, model); err != nil {
		return nil, err
	}
	params := &net.Params{Values: make([]float32, model.NumParams()), State: make([]float32, model.NumState())}
	for view, values := range tensors(model, params) {
		if err := f.read(prefix+view.Name, values); err != nil {
			return nil, err
		}
	}
	return params, nil
}

// read reads a tensor that the file has in that size.
func (f *file) read(name string, values []float32) error {
	f.buffer = slices.Grow(f.buffer[:0], 4*len(values))[:4*len(values)]
	if _, err := f.ReadAt(f.buffer, f.data+int64(f.tensors[name].DataOffsets[0])); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	for i := range values {
		values[i] = math.Float32frombits(binary.LittleEndian.Uint32(f.buffer[4*i:]))
	}
	return validateFinite(name, values)
}

// validate returns an error unless the file has the model's tensors, with a prefix before their
// names, and without a prefix no others that it doesn't know.
func (f *file) validate(prefix string, model *net.Model) error {
	views := slices.Concat(model.Params(), model.State())
	others := maps.Clone(f.tensors)
	var missing []string
	for _, view := range views {
		name := prefix + view.Name
		if _, ok := f.tensors[name]; !ok {
			missing = append(missing, name)
		}
		delete(others, name)
	}
	maps.DeleteFunc(others, func(name string, _ *safetensors.TensorInfo) bool {
		return strings.HasPrefix(name, optimizerPrefix) || strings.HasPrefix(name, bestPrefix) || name == historyName
	})
	var wrong []string
	if len(missing) > 0 {
		wrong = append(wrong, "tensors missing: "+list(missing))
	}
	if len(others) > 0 && prefix == "" {
		wrong = append(wrong, "tensors that the model hasn't: "+list(slices.Sorted(maps.Keys(others))))
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	for _, view := range views {
		if err := f.validateShape(prefix+view.Name, (tensor{shape: view.Shape}).Shape()); err != nil {
			return err
		}
	}
	return nil
}

// bytes reads a tensor of bytes.
func (f *file) bytes(name string) ([]byte, error) {
	info, ok := f.tensors[name]
	if !ok {
		return nil, fmt.Errorf("tensors missing: %q", name)
	}
	if info.DType != safetensors.U8 || len(info.Shape) != 1 {
		return nil, fmt.Errorf("%s is %v %v, want U8 in one dimension", name, info.DType, info.Shape)
	}
	data := make([]byte, info.Shape[0])
	if _, err := f.ReadAt(data, f.data+int64(info.DataOffsets[0])); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return data, nil
}

// validateShape returns an error unless a tensor that the file has is F32 and of that shape.
func (f *file) validateShape(name string, shape []uint64) error {
	info := f.tensors[name]
	if info.DType != safetensors.F32 {
		return fmt.Errorf("%s is %v, want F32", name, info.DType)
	}
	if !slices.Equal(info.Shape, shape) {
		return fmt.Errorf("%s is %v, want %v", name, info.Shape, shape)
	}
	return nil
}

// list quotes some names, and counts the rest.
func list(names []string) string {
	const most = 3
	var quoted []string
	for _, name := range names[:min(most, len(names))] {
		quoted = append(quoted, strconv.Quote(name))
	}
	text := strings.Join(quoted, ", ")
	if len(names) > most {
		text += fmt.Sprintf(" and %d more", len(names)-most)
	}
	return text
}
