package dataset

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// LabeledTable reads the rows of a table with the label's column, to measure a model on: of a file,
// or of a folder's table for tests, as Options.Open knows it.
func (in *Input) LabeledTable(path string) (*Set, error) {
	name := path
	if isDir(path) {
		_, test, ok := tablePair(path)
		if !ok {
			return nil, fmt.Errorf("dataset: folder %s has no train.csv and test.csv, want a table, since the model was trained on one", path)
		}
		name = test
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer file.Close()
	return in.LabeledRows(file, name)
}

// LabeledPictures reads a folder with a sub-folder of pictures for each class, to measure a model
// on: its part for tests, as PictureFolder knows it, if it has one, and otherwise all pictures.
// names are the model's classes in their order. A sub-folder of another name is an error, and a
// class without a sub-folder has no samples. The set streams.
func (in *Input) LabeledPictures(dir string, names []string) (*Set, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if in.Pictures == nil {
		return nil, fmt.Errorf("dataset: %s: expected %s, got a folder of pictures", dir, in.wants())
	}
	within := dir
	if isDir(filepath.Join(dir, trainFolder)) {
		within = filepath.Join(dir, trainFolder)
		for _, part := range testFolders {
			if isDir(filepath.Join(dir, part)) {
				within = filepath.Join(dir, part)
				break
			}
		}
	}
	folders, err := subfolders(within)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	classes, found := make([]class, len(names)), 0
	for i, name := range names {
		classes[i].name = name
	}
	for _, name := range folders {
		i := slices.Index(names, name)
		if i < 0 {
			return nil, fmt.Errorf("dataset: folder %s has a class %q, want one of the model's: %s", within, name, strings.Join(names, ", "))
		}
		if classes[i].paths, err = PictureFiles(filepath.Join(within, name)); err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		found += len(classes[i].paths)
	}
	if found == 0 {
		return nil, fmt.Errorf("dataset: folder %s has no pictures in sub-folders named like the classes: %s: %w",
			within, strings.Join(names, ", "), os.ErrNotExist)
	}
	return pictureSet(filepath.Base(filepath.Clean(dir))+"/test", classes, *in.Pictures), nil
}
