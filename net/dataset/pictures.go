package dataset

import (
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// pictureEndings are the endings of names, in any case, by which files count as pictures.
var pictureEndings = []string{".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp"}

// The folders of a split that somebody has made. The test part is the first of testFolders that is
// there.
var (
	trainFolder = "train"
	testFolders = []string{"test", "val", "valid", "validation"}
)

// class is a class of a folder of pictures.
type class struct {
	name  string
	paths []string // sorted
}

// hasPictures reports whether dir is laid out as PictureFolder wants it, or nearly.
func hasPictures(dir string) bool {
	for _, in := range []string{dir, filepath.Join(dir, trainFolder)} {
		folders, err := subfolders(in)
		if err != nil {
			continue
		}
		for _, name := range folders {
			if paths, err := PictureFiles(filepath.Join(in, name)); err == nil && len(paths) > 0 {
				return true
			}
		}
	}
	return false
}

// PictureFolder reads a folder of pictures: a sub-folder for each class, named like it, with PNG,
// JPEG, GIF, BMP or WebP files in it or in folders below. Or the folder has one called train with
// the sub-folders, and one called test (or val, valid, validation) with the same classes. Without
// the latter, Options.Test of each class is held back as the test part, and the choice depends on
// the names of the files alone. Other files, and names that begin with a dot, are left out.
//
// Classes are in the order of their names. [Pictures] says how a file becomes a sample; its size is
// Options.ImageSize, or that of the files if it is the same for all. The set streams, or has the
// samples in memory, as Options.Stream says. A file whose header can't be read, or that claims to
// have more than 64 Mi pixels, is an error in either case; one whose pixels are damaged is an error
// when it is read. Errors name the file.
func (o Options) PictureFolder(dir string) (train, test *Set, err error) {
	if err := o.Validate(); err != nil {
		return nil, nil, err
	}
	classes, tests, err := o.pictureClasses(dir)
	if err != nil {
		return nil, nil, err
	}
	return o.pictureSets(dir, classes, tests)
}

// pictureClasses finds the files. Both parts have the same classes, in the same order; a class of
// the test part may have no files.
func (o Options) pictureClasses(dir string) (train, test []class, err error) {
	within := filepath.Join(dir, trainFolder)
	if folders, err := subfolders(within); err != nil || len(folders) == 0 {
		if err := o.only("the folder of pictures "+dir, "ImageSize", "Color", "Test", "Stream"); err != nil {
			return nil, nil, err
		}
		return o.splitClasses(dir)
	}
	for _, name := range testFolders {
		beside := filepath.Join(dir, name)
		if info, err := os.Stat(beside); err != nil || !info.IsDir() {
			continue
		}
		if err := o.only(fmt.Sprintf("the folder of pictures %s, which has a folder %s,", dir, name), "ImageSize", "Color", "Stream"); err != nil {
			return nil, nil, err
		}
		if train, err = readClasses(within); err != nil {
			return nil, nil, err
		}
		held, err := readClasses(beside)
		if err != nil {
			return nil, nil, err
		}
		test, err := alike(train, held, within, beside)
		return train, test, err
	}
	if err := o.only("the folder of pictures "+dir, "ImageSize", "Color", "Test", "Stream"); err != nil {
		return nil, nil, err
	}
	return o.splitClasses(within)
}

// alike returns the classes of a test part as those of the training part.
func alike(train, test []class, trainDir, testDir string) ([]class, error) {
	held := make([]class, len(train))
	for i, c := range train {
		held[i].name = c.name
	}
	for _, c := range test {
		i := slices.IndexFunc(train, func(t class) bool { return t.name == c.name })
		if i < 0 {
			return nil, fmt.Errorf("dataset: folder %s has a class %q that %s doesn't have", testDir, c.name, trainDir)
		}
		held[i] = c
	}
	return held, nil
}

// readClasses finds the classes of a folder.
func readClasses(dir string) ([]class, error) {
	folders, err := subfolders(dir)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	var classes []class
	for _, name := range folders {
		within := filepath.Join(dir, name)
		paths, err := PictureFiles(within)
		if err != nil {
			return nil, fmt.Errorf("dataset: %w", err)
		}
		if len(paths) == 0 {
			return nil, fmt.Errorf("dataset: folder %s has no pictures, want files that end in one of %s, or no such folder",
				within, strings.Join(pictureEndings, ", "))
		}
		classes = append(classes, class{name, paths})
	}
	if len(classes) < 2 {
		return nil, fmt.Errorf("dataset: folder %s has pictures of %d classes, want a sub-folder for each of 2 or more", dir, len(classes))
	}
	return classes, nil
}

// splitClasses finds the classes of a folder and holds back a part of each for a test.
func (o Options) splitClasses(dir string) (train, test []class, err error) {
	all, err := readClasses(dir)
	if err != nil {
		return nil, nil, err
	}
	counts := make([]int, len(all))
	for i, c := range all {
		counts[i] = len(c.paths)
	}
	held, err := o.hold(counts)
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: folder %s: %w", dir, err)
	}
	for i, c := range all {
		rest, tests := class{name: c.name}, class{name: c.name}
		for at, path := range c.paths {
			if held[i][at] {
				tests.paths = append(tests.paths, path)
			} else {
				rest.paths = append(rest.paths, path)
			}
		}
		train, test = append(train, rest), append(test, tests)
	}
	return train, test, nil
}

// hold chooses Options.Test of each class, rounded, for a test part, but never all of a class. It
// returns which samples of each class are chosen.
func (o Options) hold(counts []int) (held [][]bool, err error) {
	held = make([][]bool, len(counts))
	total := 0
	for class, n := range counts {
		held[class] = make([]bool, n)
		chosen := min(int(math.Round(o.test()*float64(n))), n-1)
		total += chosen
		var choice Random
		choice.start(splitSeed, 0, uint64(class), forTest)
		for _, i := range choice.permutation(n)[:chosen] {
			held[class][i] = true
		}
	}
	if total == 0 {
		return nil, fmt.Errorf("a share of %v leaves no sample for a test, want a larger Test (--test), or more samples", o.test())
	}
	return held, nil
}

// subfolders returns the names of the folders in a folder, or links to such, in order.
func subfolders(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir) // sorted
	if err != nil {
		return nil, err
	}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") {
			continue
		}
		if info, err := os.Stat(filepath.Join(dir, entry.Name())); err == nil && info.IsDir() {
			names = append(names, entry.Name())
		}
	}
	return names, nil
}

// PictureFiles returns the paths of the pictures in a folder and in those below, in order. Hidden
// files and folders, and files with other endings than those of pictures, are left out.
func PictureFiles(dir string) (paths []string, err error) {
	// A link to a folder, which WalkDir wouldn't enter, is entered by the slash behind it.
	err = filepath.WalkDir(dir+string(filepath.Separator), func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		hidden := strings.HasPrefix(entry.Name(), ".") && filepath.Clean(path) != filepath.Clean(dir)
		if entry.IsDir() {
			if hidden {
				return filepath.SkipDir
			}
			return nil
		}
		if !hidden && slices.Contains(pictureEndings, strings.ToLower(filepath.Ext(path))) {
			paths = append(paths, filepath.Clean(path))
		}
		return nil
	})
	slices.Sort(paths)
	return paths, err
}
