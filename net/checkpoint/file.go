package checkpoint

import (
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

// The library's own readers want a whole file in memory, and their errors have no
// numbers in them. So the header is read here, and what it says of the file is checked
// here; the library parses it. It also writes.

// file is a safetensors file whose header holds together.
type file struct {
	io.ReaderAt
	meta    map[string]string
	tensors map[string]*safetensors.TensorInfo
	data    int64 // where the elements begin
}

// maxHeader is as long a header as other readers of the format allow.
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
	f := &file{ReaderAt: r, meta: m.Metadata(), tensors: m.Tensors(), data: int64(8 + length)}
	return f, f.checkLayout(rest - length)
}

// checkLayout returns an error unless the tensors fill the given number of bytes, one
// behind the other and without a gap, as the format wants it.
func (f *file) checkLayout(size uint64) error {
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

// byteSize returns the bytes that a tensor takes, unless no file can have as many.
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
