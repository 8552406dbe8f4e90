package dataset

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"sort"
	"sync"
)

// records are samples that lie in files of bytes, one record behind the other, and are read where
// they lie. The files stay open as long as the set is in use.
type records struct {
	files   []recordFile
	pixels  int // bytes of a record that are the sample, the last ones
	convert func(x []float32, pixels []byte)
	buffers *sync.Pool // of *[]byte
}

// recordFile is one of the files.
type recordFile struct {
	*os.File
	first  int   // number of its first record among those of all files
	n      int   // records
	start  int64 // byte at which the first begins
	record int   // bytes of a record
}

func newRecords(pixels int, convert func(x []float32, pixels []byte)) *records {
	return &records{pixels: pixels, convert: convert, buffers: &sync.Pool{New: func() any {
		buffer := make([]byte, pixels)
		return &buffer
	}}}
}

// Len implements Samples.
func (r *records) Len() int {
	last := r.files[len(r.files)-1]
	return last.first + last.n
}

// Read implements Samples.
func (r *records) Read(i int, x []float32) error {
	f := r.files[sort.Search(len(r.files), func(k int) bool { return r.files[k].first > i })-1]
	buffer := r.buffers.Get().(*[]byte)
	defer r.buffers.Put(buffer)
	at := f.start + int64(i-f.first+1)*int64(f.record) - int64(r.pixels)
	if n, err := f.ReadAt(*buffer, at); n < r.pixels {
		if err == io.EOF {
			err = fmt.Errorf("truncated: expected %d bytes from byte %d on, got %d", r.pixels, at, n)
		}
		return fmt.Errorf("dataset: %s: %w", f.Name(), err)
	}
	r.convert(x, *buffer)
	return nil
}

// add opens a file whose first start bytes are a header, and whose others are records. read is
// given the file's contents, and its size, to look at what isn't samples.
func (r *records) add(path string, start int64, record int, read func(content io.Reader, size int64) error) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	info, err := file.Stat()
	if err == nil {
		err = read(bufio.NewReaderSize(file, 1<<20), info.Size())
	}
	if err != nil {
		file.Close()
		return fmt.Errorf("dataset: %s: %w", path, err)
	}
	f := recordFile{File: file, n: int((info.Size() - start) / int64(record)), start: start, record: record}
	if len(r.files) > 0 {
		f.first = r.Len()
	}
	r.files = append(r.files, f)
	return nil
}

// streamsFiles reports whether samples of files of bytes, a float each byte, are to be read where
// they lie. They can't be in files that are gzipped.
func (o Options) streamsFiles(paths ...string) (bool, error) {
	size := int64(0)
	for _, path := range paths {
		zipped, bytes, err := look(path)
		if err != nil {
			return false, fmt.Errorf("dataset: %w", err)
		}
		if zipped && o.Stream == StreamAlways {
			return false, fmt.Errorf("dataset: %s is gzipped, so that its samples can't be read one by one: unpack it, or don't set Stream", path)
		}
		if zipped {
			return false, nil
		}
		size += bytes
	}
	return o.streams(int(size)), nil
}

// look returns whether a file is gzipped, and its size.
func look(path string) (zipped bool, size int64, err error) {
	file, err := os.Open(path)
	if err != nil {
		return false, 0, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return false, 0, err
	}
	start := make([]byte, 2)
	n, err := io.ReadFull(file, start)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		err = nil
	}
	return n == 2 && start[0] == 0x1f && start[1] == 0x8b, info.Size(), err
}
