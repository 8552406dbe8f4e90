package checkpoint

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/nlpodyssey/safetensors"

	"github.com/steppe-ml/steppe/net"
)

// optimizerPrefix begins the names of tensors that aren't the model's, and that Load
// has no use for. A layer's name begins with a digit.
const optimizerPrefix = "optimizer."

// Load reads the parameters and the running state of model from a file. The file must
// have each of the model's tensors, by name and in its shape, and no others; all values
// must be finite. There is no checksum: what a flipped bit makes of a finite value may
// well be another.
func Load(path string, model *net.Model) (*net.Params, error) {
	var params *net.Params
	err := open(path, func(f *file) (err error) {
		params, err = f.params(model)
		return err
	})
	return params, err
}

// ReadMeta reads a file's metadata. What the file doesn't say stays at its zero value:
// one that isn't Steppe's may have none at all.
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
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	if !info.Mode().IsRegular() { // which may wait for ever to be read
		return fmt.Errorf("checkpoint: %s is not a regular file", path)
	}
	opened, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	defer opened.Close()
	contents, err := parse(opened, info.Size())
	if err == nil {
		err = f(contents)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return nil
}

// params reads what is model's. All is checked before anything is allocated, so that
// neither takes more memory than the file has bytes.
func (f *file) params(model *net.Model) (*net.Params, error) {
	if err := f.check(model); err != nil {
		return nil, err
	}
	params := &net.Params{Values: make([]float32, model.NumParams()), State: make([]float32, model.NumState())}
	var buffer []byte
	for view, values := range tensors(model, params) {
		info := f.tensors[view.Name]
		buffer = slices.Grow(buffer[:0], 4*len(values))[:4*len(values)]
		if _, err := f.ReadAt(buffer, f.data+int64(info.DataOffsets[0])); err != nil {
			return nil, fmt.Errorf("%s: %w", view.Name, err)
		}
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(buffer[4*i:]))
		}
		if err := checkFinite(view.Name, values); err != nil {
			return nil, err
		}
	}
	return params, nil
}

// check returns an error unless the file has the model's tensors and no others.
func (f *file) check(model *net.Model) error {
	views := slices.Concat(model.Params(), model.State())
	others := maps.Clone(f.tensors)
	var missing []string
	for _, view := range views {
		if _, ok := f.tensors[view.Name]; !ok {
			missing = append(missing, view.Name)
		}
		delete(others, view.Name)
	}
	maps.DeleteFunc(others, func(name string, _ *safetensors.TensorInfo) bool {
		return strings.HasPrefix(name, optimizerPrefix)
	})
	var wrong []string
	if len(missing) > 0 {
		wrong = append(wrong, "tensors missing: "+list(missing))
	}
	if len(others) > 0 {
		wrong = append(wrong, "tensors that the model hasn't: "+list(slices.Sorted(maps.Keys(others))))
	}
	if len(wrong) > 0 {
		return errors.New(strings.Join(wrong, "; "))
	}
	for _, view := range views {
		info := f.tensors[view.Name]
		if info.DType != safetensors.F32 {
			return fmt.Errorf("%s is %v, want F32", view.Name, info.DType)
		}
		if want := (tensor{shape: view.Shape}).Shape(); !slices.Equal(info.Shape, want) {
			return fmt.Errorf("%s is %v, want %v", view.Name, info.Shape, want)
		}
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
