package dataset

import (
	"archive/tar"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// archived is a file of an archive.
type archived struct {
	name    string // in the archive
	content []byte
}

// maxArchived bounds the files of an archive together, in bytes.
const maxArchived = 1 << 30

// readArchive returns the files of a tar archive, gzipped or not, that wanted wants, by name.
func readArchive(archive string, wanted func(name string) bool) (files []archived, err error) {
	file, err := os.Open(archive)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	content, err := uncompressed(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", archive, err)
	}
	left := int64(maxArchived)
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, fmt.Errorf("%s: damaged archive: %w", archive, err)
		}
		if name := path.Clean(filepath.ToSlash(header.Name)); header.Typeflag == tar.TypeReg && wanted(name) {
			if left -= header.Size; left < 0 {
				return nil, fmt.Errorf("%s unpacks to more than %d bytes", archive, int64(maxArchived))
			}
			content, err := io.ReadAll(reader)
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", archive, name, err)
			}
			files = append(files, archived{name, content})
		}
	}
	slices.SortFunc(files, func(a, b archived) int { return strings.Compare(a.name, b.name) })
	return files, nil
}
