package dataset

import (
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// plainFiles returns the paths of the text files in a folder and in those below, in order. Hidden
// files and folders are left out.
func plainFiles(dir string) (paths []string, err error) {
	// A link to a folder, which WalkDir wouldn't enter, is entered by the slash behind it.
	root := dir + string(filepath.Separator)
	err = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case path != root && strings.HasPrefix(entry.Name(), "."):
			if entry.IsDir() {
				return fs.SkipDir
			}
		case !entry.IsDir() && hasEnding(path, plainEndings):
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}

// readDocuments reads files of plain text, each of which is a document.
func readDocuments(paths []string) ([]string, error) {
	documents := make([]string, len(paths))
	for i, path := range paths {
		file, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		documents[i], err = readDocument(file, path)
		file.Close()
		if err != nil {
			return nil, err
		}
	}
	return documents, nil
}

// readDocument reads a text, with line feeds at the ends of its lines.
func readDocument(r io.Reader, name string) (string, error) {
	text, err := decoded(r, name)
	if err != nil {
		return "", err
	}
	content, err := io.ReadAll(text)
	if err != nil {
		return "", fmt.Errorf("%s: %w", name, err)
	}
	document := string(content)
	if !utf8.ValidString(document) {
		line := 1
		for text := range strings.Lines(document) {
			if !utf8.ValidString(text) {
				return "", fmt.Errorf("%s: line %d: %s isn't UTF-8", name, line, invalid(text))
			}
			line++
		}
	}
	document = strings.ReplaceAll(document, "\r\n", "\n")
	if strings.TrimSpace(document) == "" {
		return "", fmt.Errorf("%s has no text", name)
	}
	return document, nil
}
