package checkpoint

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"os"
	"slices"

	"github.com/nlpodyssey/safetensors"

	"github.com/steppe-ml/steppe/net"
)

// Tensors is an open safetensors file with any tensors, as other programs write them. Names and
// shapes are in memory, elements are read when they are wanted. It serves one goroutine at a time.
type Tensors struct {
	path   string
	opened *os.File
	file   *file
}

// OpenTensors opens a safetensors file. A header that doesn't hold together, or doesn't fit the
// file's size, is an error.
func OpenTensors(path string) (*Tensors, error) {
	t := &Tensors{path: path}
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if !info.Mode().IsRegular() { // which may wait for ever to be read
		return nil, fmt.Errorf("checkpoint: %s is not a regular file", path)
	}
	if t.opened, err = os.Open(path); err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	if t.file, err = parse(t.opened, info.Size()); err != nil {
		t.opened.Close()
		return nil, fmt.Errorf("checkpoint: %s: %w", path, err)
	}
	return t, nil
}

// Close closes the file.
func (t *Tensors) Close() error { return t.opened.Close() }

// Names returns the names of the tensors, sorted.
func (t *Tensors) Names() []string { return slices.Sorted(maps.Keys(t.file.tensors)) }

// Metadata returns the strings of the header's __metadata__, nil if there are none.
func (t *Tensors) Metadata() map[string]string { return maps.Clone(t.file.meta) }

// Meta returns the metadata as a Meta, as ReadMeta does.
func (t *Tensors) Meta() (Meta, error) {
	m, err := parseMeta(t.file.meta)
	if err != nil {
		return Meta{}, fmt.Errorf("checkpoint: %s: %w", t.path, err)
	}
	return m, nil
}

// Shape returns the shape of a tensor: no dimensions for a scalar, and possibly dimensions of 0.
// ok is false if the file has no tensor of that name.
func (t *Tensors) Shape(name string) (shape net.Shape, ok bool) {
	info, ok := t.file.tensors[name]
	if !ok {
		return nil, false
	}
	shape = make(net.Shape, len(info.Shape))
	for i, d := range info.Shape {
		// A tensor with a dimension of 0 is as small as its others are not.
		shape[i] = int(min(d, math.MaxInt))
	}
	return shape, true
}

// Floats returns the elements of a tensor of F32, or of F64, F16 or BF16 turned into it. It is an
// error if the file has no tensor of that name, if it is of another type, and if a value isn't
// finite as an F32.
func (t *Tensors) Floats(name string) ([]float32, error) {
	values, err := t.file.floats(name)
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %s: %w", t.path, err)
	}
	return values, nil
}

// floats is Tensors.Floats.
func (f *file) floats(name string) ([]float32, error) {
	info, ok := f.tensors[name]
	if !ok {
		return nil, fmt.Errorf("it has no tensor %q", name)
	}
	decode, ok := decoders[info.DType]
	if !ok {
		return nil, fmt.Errorf("%s is %v, want F32, F64, F16 or BF16", name, info.DType)
	}
	bytes := make([]byte, info.DataOffsets[1]-info.DataOffsets[0])
	if _, err := f.ReadAt(bytes, f.data+int64(info.DataOffsets[0])); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	size := int(info.DType.Size())
	values := make([]float32, len(bytes)/size)
	for i := range values {
		values[i] = decode(bytes[i*size:])
	}
	return values, validateFinite(name, values)
}

var decoders = map[safetensors.DType]func([]byte) float32{
	safetensors.F32:  func(b []byte) float32 { return math.Float32frombits(binary.LittleEndian.Uint32(b)) },
	safetensors.F64:  func(b []byte) float32 { return float32(math.Float64frombits(binary.LittleEndian.Uint64(b))) },
	safetensors.F16:  func(b []byte) float32 { return half(binary.LittleEndian.Uint16(b)) },
	safetensors.BF16: func(b []byte) float32 { return math.Float32frombits(uint32(binary.LittleEndian.Uint16(b)) << 16) },
}

// half returns a number of IEEE 754's binary16: a sign, 5 bits of exponent, 10 of the fraction.
func half(bits uint16) float32 {
	sign, exponent, fraction := uint32(bits>>15)<<31, uint32(bits>>10&0x1f), uint32(bits&0x3ff)
	switch exponent {
	case 0: // zero, or less than the smallest exponent: a multiple of 2^-24
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 0x1f: // Inf or NaN
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}

// Tensor is a tensor to write.
type Tensor struct {
	Shape  net.Shape        // no dimensions for a scalar
	Floats func() []float32 // its elements, for F32; called when they are written
	Ints   []int64          // its elements, for I64, if Floats is nil
}

// WriteTensors writes a safetensors file of any tensors, by name, for other programs. The same
// tensors make the same bytes. It doesn't look at the values.
func WriteTensors(w io.Writer, tensors map[string]Tensor, metadata map[string]string) error {
	views := make(map[string]view, len(tensors))
	for name, t := range tensors {
		views[name] = view{t}
	}
	if err := safetensors.SerializeToWriter(views, metadata, w); err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

// Strings returns m as a file's header has it, for WriteTensors. A Meta that Save refuses is an
// error.
func (m Meta) Strings() (map[string]string, error) {
	all, err := m.strings()
	if err != nil {
		return nil, fmt.Errorf("checkpoint: %w", err)
	}
	return all, nil
}

// view is a Tensor as a safetensors.View.
type view struct{ Tensor }

func (v view) DType() safetensors.DType {
	if v.Floats != nil {
		return safetensors.F32
	}
	return safetensors.I64
}

func (v view) Shape() []uint64 { return tensor{shape: v.Tensor.Shape}.Shape() }

func (v view) DataLen() uint64 { return v.DType().Size() * uint64(v.Tensor.Shape.Size()) }

func (v view) Data() []byte {
	if v.Floats != nil {
		return tensor{values: v.Floats()}.Data()
	}
	data := make([]byte, 0, 8*len(v.Ints))
	for _, i := range v.Ints {
		data = binary.LittleEndian.AppendUint64(data, uint64(i))
	}
	return data
}
