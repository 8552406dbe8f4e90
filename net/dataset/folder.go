package dataset

import (
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
)

// layout describes a folder with a data set.
type layout struct {
	name  string                     // of the data set
	files []string                   // in the folder
	names func(file string) []string // possible names of a file
	homes []string                   // the folder's names in archives and other programs
	read  func(o Options, dir string) (train, test *Set, err error)
}

var layouts = []layout{
	{"MNIST", idxFiles[:], idxNames, []string{"MNIST/raw", "FashionMNIST/raw"}, Options.idxFolder},
	cifarLayout(CIFAR10, "cifar-10-batches-bin"),
	cifarLayout(CIFAR100, "cifar-100-binary"),
}

func cifarLayout(c CIFAR, home string) layout {
	files := slices.Concat(cifars[c].train, cifars[c].test)
	return layout{c.String(), files, cifarNames, []string{home}, c.folder}
}

// in reports whether dir has any of the files. One is enough, since read names those that are
// missing.
func (l layout) in(dir string) bool {
	return slices.ContainsFunc(l.files, func(file string) bool {
		_, err := findFile(dir, file, l.names(file))
		return err == nil
	})
}

// Folder reads a folder as Options{}.Folder does.
func Folder(dir string) (train, test *Set, err error) { return Options{}.Folder(dir) }

// Folder reads a folder by the files that are there: those of [IDXFolder], of CIFAR10 or of
// CIFAR100, or train.csv and test.csv (or .tsv). If there are none it looks in the sub-folders that
// archives unpack to (cifar-10-batches-bin, cifar-100-binary) and that torchvision keeps
// (MNIST/raw, FashionMNIST/raw). If there are none either, it is a folder of pictures, as
// PictureFolder reads it, or of text files, each a document for a language model.
//
// Tables of texts (see [Options.TextFile]) have the names train and test, too, or dev, valid,
// validation or val for the latter. The first of these whose file has labels is the test part, so
// that of GLUE's folders it is dev. The others are left aside.
//
// Files of no data set, and of more than one, are errors that list them.
func (o Options) Folder(dir string) (train, test *Set, err error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	var found []layout
	for _, l := range layouts {
		if l.in(dir) {
			found = append(found, l)
		}
	}
	if len(found) == 1 {
		if err := o.only(fmt.Sprintf("%s, a folder with the files of %s,", dir, found[0].name), "Stream"); err != nil {
			return nil, nil, err
		}
		return found[0].read(o, dir)
	}
	if len(found) > 1 {
		return nil, nil, fmt.Errorf("dataset: folder %s has files of both %s and %s, want those of one data set",
			dir, found[0].name, found[1].name)
	}
	if train, tests, ok := textPair(dir); ok && (o.texts() || IsText(train)) {
		return o.textFolder(dir, train, tests)
	}
	if train, test, ok := tablePair(dir); ok {
		return o.tables(dir, train, test)
	}
	return o.subfolder(dir)
}

func (o Options) subfolder(dir string) (train, test *Set, err error) {
	var homes, looked, wanted []string
	var home layout
	for _, l := range layouts {
		for _, name := range l.homes {
			looked = append(looked, name)
			if l.in(filepath.Join(dir, name)) {
				homes = append(homes, name)
				home = l
			}
		}
		var files []string
		for _, file := range l.files {
			files = append(files, l.names(file)[0])
		}
		wanted = append(wanted, fmt.Sprintf("%s (%s)", l.name, strings.Join(files, ", ")))
	}
	switch len(homes) {
	case 0:
		if hasPictures(dir) {
			return o.PictureFolder(dir)
		}
		if paths, err := plainFiles(dir); err == nil && len(paths) > 0 {
			if err := o.onlyPlain(dir); err != nil {
				return nil, nil, err
			}
			return o.plainSets(filepath.Base(filepath.Clean(dir)), paths, nil)
		}
		return nil, nil, fmt.Errorf("dataset: folder %s has no data set, looked for the files of %s, each gzipped or not, for folders %s, for train.csv and test.csv (or .tsv, .jsonl, .txt), for folders of pictures, one a class, and for text files: %w",
			dir, strings.Join(wanted, ", "), strings.Join(looked, ", "), fs.ErrNotExist)
	case 1:
		if err := o.only(fmt.Sprintf("%s, a folder with the files of %s,", dir, home.name), "Stream"); err != nil {
			return nil, nil, err
		}
		if train, test, err = home.read(o, filepath.Join(dir, homes[0])); err != nil {
			return nil, nil, err
		}
		train.Name, test.Name = homes[0]+"/train", homes[0]+"/test"
		return train, test, nil
	}
	return nil, nil, fmt.Errorf("dataset: folder %s has several data sets, name one: %s",
		dir, strings.Join(homes, ", "))
}
