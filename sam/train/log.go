package train

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// maxRow is the longest row of a log that is read, in bytes.
const maxRow = 1 << 20

// ReadLog reads the log of a run, metrics.jsonl in its folder. A run may be writing it: a last line
// that isn't whole yet is left out.
func ReadLog(path string) ([]Row, error) {
	file, err := openLog(path, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var rows []Row
	lines := bufio.NewReaderSize(file, maxRow)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case err == io.EOF:
			return rows, nil
		case err == bufio.ErrBufferFull:
			return nil, fmt.Errorf("train: %s:%d: the line has more than %d bytes", path, number, maxRow)
		case err != nil:
			return nil, fmt.Errorf("train: %w", err)
		}
		var row Row
		if err := json.Unmarshal(line, &row); err != nil {
			return nil, fmt.Errorf("train: %s:%d: %w", path, number, err)
		}
		rows = append(rows, row)
	}
}

// openLog opens a log if it is a regular file: any other may wait for ever to be read.
func openLog(path string, flags int) (*os.File, error) {
	info, err := os.Stat(path)
	if err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("train: %s is not a regular file", path)
	}
	file, err := os.OpenFile(path, flags, 0o644)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	return file, nil
}

// logWriter appends rows to a log. Each is written at once. A row that can't be written waits for
// the next try, and leaves nothing of itself in the file.
type logWriter struct {
	file    *os.File
	size    int64  // of the rows in the file
	pending []byte // rows that aren't in it
	synced  bool   // all rows have reached the disk
}

// newLogWriter opens a log, or makes it. Of the rows that are there, it keeps those up to the last
// one that belongs: the others are of steps that were made after the state was saved that the run
// goes on from. The file is cut in one step, so it is whole at any moment.
func newLogWriter(path string, belongs func(*Row) bool) (*logWriter, error) {
	file, err := openLog(path, os.O_RDWR|os.O_CREATE|os.O_APPEND)
	if err != nil {
		return nil, err
	}
	w := &logWriter{file: file}
	if err = w.cut(belongs); err != nil {
		file.Close()
		return nil, fmt.Errorf("train: %w", err)
	}
	return w, nil
}

// cut cuts the log behind the last row that belongs. It reads from the end, so that a long log
// costs no more than a short one.
func (w *logWriter) cut(belongs func(*Row) bool) error {
	info, err := w.file.Stat()
	if err != nil {
		return err
	}
	w.size = info.Size()
	for w.size > 0 {
		line, err := w.lastLine()
		if err != nil {
			return err
		}
		if line[len(line)-1] == '\n' { // or the line is torn
			var row Row
			if err := json.Unmarshal(line, &row); err != nil {
				return fmt.Errorf("%s: the row at byte %d: %w; mend it, or move the file away to begin a new log", w.file.Name(), w.size-int64(len(line)), err)
			}
			if belongs(&row) {
				break
			}
		}
		w.size -= int64(len(line))
	}
	if w.size == info.Size() {
		return nil
	}
	return w.file.Truncate(w.size)
}

// lastLine returns the last line of the first size bytes.
func (w *logWriter) lastLine() ([]byte, error) {
	for n := int64(4096); ; n *= 4 {
		n = min(n, w.size)
		tail := make([]byte, n)
		if _, err := w.file.ReadAt(tail, w.size-n); err != nil {
			return nil, err
		}
		if begin := bytes.LastIndexByte(tail[:n-1], '\n'); begin >= 0 || n == w.size {
			return tail[begin+1:], nil
		}
		if n > maxRow {
			return nil, fmt.Errorf("%s: its last line has more than %d bytes", w.file.Name(), maxRow)
		}
	}
}

// add appends a row.
func (w *logWriter) add(row *Row) error {
	text, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("train: %s: %w", w.file.Name(), err)
	}
	w.pending = append(append(w.pending, text...), '\n')
	return w.flush()
}

// flush writes the rows that wait.
func (w *logWriter) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	w.synced = false
	n, err := w.file.Write(w.pending)
	if err != nil {
		if n > 0 {
			err = errors.Join(err, w.file.Truncate(w.size))
		}
		return fmt.Errorf("train: %w", err)
	}
	w.size += int64(n)
	w.pending = w.pending[:0]
	return nil
}

// sync waits until all rows have reached the disk.
func (w *logWriter) sync() error {
	if err := w.flush(); err != nil || w.synced {
		return err
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	w.synced = true
	return nil
}
