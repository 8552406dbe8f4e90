package dataset

import (
	"bufio"
	"compress/gzip"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// findFile returns the path of the first of names that is a file in dir. The error says that there
// is none for what.
func findFile(dir, what string, names []string) (string, error) {
	for _, name := range names {
		path := filepath.Join(dir, name)
		if info, err := os.Stat(path); err == nil && !info.IsDir() {
			return path, nil
		}
	}
	return "", fmt.Errorf("dataset: folder %s has no %s, tried %s: %w",
		dir, what, strings.Join(names, ", "), fs.ErrNotExist)
}

// readFile gives read the contents of a file, unpacked if it is gzipped, and puts its path before
// errors.
func readFile(path string, read func(content io.Reader) error) error {
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("dataset: %w", err)
	}
	defer file.Close()
	content, err := uncompressed(file)
	if err == nil {
		err = read(content)
	}
	if err != nil {
		return fmt.Errorf("dataset: %s: %w", path, err)
	}
	return nil
}

// uncompressed returns what r holds, gunzipped if it starts as gzip does. No file of ours does
// unpacked: IDX files begin with a zero, and CIFAR's with a label below 31.
func uncompressed(r io.Reader) (io.Reader, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if start, _ := buffered.Peek(2); string(start) != "\x1f\x8b" {
		return buffered, nil
	}
	unzipped, err := gzip.NewReader(buffered)
	if err != nil {
		return nil, fmt.Errorf("damaged gzip: %w", err)
	}
	return gunzip{unzipped}, nil
}

// gunzip tells a gzip file that breaks off from one that ends too early once unpacked: the error of
// the former is not the bare io.ErrUnexpectedEOF, which is all that io.ReadFull would give for
// either.
type gunzip struct{ *gzip.Reader }

func (g gunzip) Read(p []byte) (int, error) {
	n, err := g.Reader.Read(p)
	if err != nil && err != io.EOF {
		err = fmt.Errorf("damaged gzip: %w", err)
	}
	return n, err
}
