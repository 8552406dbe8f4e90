package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"math/bits"
	"slices"

	"github.com/nlpodyssey/safetensors"
)

// The library's own readers want a whole file in memory, and their errors have no numbers in them.
// So this package reads the header and checks it against the file. The library parses the header,
// and writes files.

// file is a safetensors file whose header holds together.
type file struct {
	io.ReaderAt
	meta    map[string]string
	tensors map[string]*safetensors.TensorInfo
	data    int64  // where the elements begin
	buffer  []byte // of a tensor
}

// maxHeader is the longest header that other readers of the format allow.
const maxHeader = 100_000_000

// parse reads the header of a file of size bytes.
func parse(r io.ReaderAt, size int64) (*file, error) {
	var start [9]byte
	if size < int64(len(start)) {
		return nil, fmt.Errorf("not a safetensors file: it has %d bytes", size)
	}
	if _, err := r.ReadAt(start[:], 0); err != nil {
		return nil, err
	}
	if start[8] != '{' {
		return nil, fmt.Errorf("not a safetensors file: its header begins with %q, want '{'", start[8:])
	}
	length, rest := binary.LittleEndian.Uint64(start[:]), uint64(size-8)
	if length > rest {
		return nil, fmt.Errorf("its header has %d bytes, but only %d follow: the file is truncated or damaged", length, rest)
	}
	if length > maxHeader {
		return nil, fmt.Errorf("its header has %d bytes, want at most %d", length, maxHeader)
	}
	header := make([]byte, length)
	if _, err := r.ReadAt(header, 8); err != nil {
		return nil, err
	}
	var m safetensors.Metadata
	if err := json.Unmarshal(header, &m); err != nil {
		return nil, fmt.Errorf("damaged header: %w", err)
	}
	if err := validateUnique(header); err != nil {
		return nil, fmt.Errorf("damaged header: %w", err)
	}
	f := &file{ReaderAt: r, meta: m.Metadata(), tensors: m.Tensors(), data: int64(8 + length)}
	return f, f.validateLayout(rest - length)
}

// validateLayout returns an error unless the tensors fill size bytes, one behind the other and
// without a gap, as the format requires.
func (f *file) validateLayout(size uint64) error {
	names := slices.SortedFunc(maps.Keys(f.tensors), func(a, b string) int {
		x, y := f.tensors[a].DataOffsets, f.tensors[b].DataOffsets
		return cmp.Or(cmp.Compare(x[0], y[0]), cmp.Compare(x[1], y[1]), cmp.Compare(a, b))
	})
	end := uint64(0)
	for _, name := range names {
		info := f.tensors[name]
		begin, after := info.DataOffsets[0], info.DataOffsets[1]
		want, ok := byteSize(info)
		if !ok || after < begin || after-begin != want {
			return fmt.Errorf("damaged header: %q of %v%v lies in bytes %d to %d of the data", name, info.DType, info.Shape, begin, after)
		}
		if begin != end {
			return fmt.Errorf("damaged header: %q begins at byte %d of the data, want %d", name, begin, end)
		}
		end = after
	}
	switch {
	case end > size:
		return fmt.Errorf("truncated: it has %d bytes of tensors, want %d", size, end)
	case end < size:
		return fmt.Errorf("it has %d bytes of tensors, want %d", size, end)
	}
	return nil
}

// byteSize returns the bytes that a tensor takes. ok is false if no file can have as many.
func byteSize(info *safetensors.TensorInfo) (size uint64, ok bool) {
	size = info.DType.Size()
	for _, d := range info.Shape {
		var over uint64
		if over, size = bits.Mul64(size, d); over != 0 {
			return 0, false
		}
	}
	return size, size <= math.MaxInt64
}

// validateUnique returns an error if an object of the header, at any level, has a name twice.
// JSON allows that and a decoder takes the last one, but the format doesn't: another reader
// might take the first. The header is known to be valid JSON and not nested too deeply.
func validateUnique(header []byte) error {
	return objects{json.NewDecoder(bytes.NewReader(header))}.validate("")
}

// objects reads JSON token by token.
type objects struct{ *json.Decoder }

// validate reads one value, which belongs to the name of, and returns an error if it has
// duplicates.
func (o objects) validate(of string) error {
	token, err := o.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return nil
	}
	seen := map[string]bool{}
	for o.More() {
		name := of
		if delim == '{' {
			if token, err = o.Token(); err != nil {
				return err
			}
			if name = token.(string); seen[name] {
				return fmt.Errorf("duplicate name %q%s", name, of)
			}
			seen[name] = true
			name = fmt.Sprintf(" in %q", name)
		}
		if err := o.validate(name); err != nil {
			return err
		}
	}
	_, err = o.Token()
	return err
}
