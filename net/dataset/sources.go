package dataset

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"github.com/steppe-ml/steppe/net"
)

// Source is a kind of data set that Open knows.
type Source struct {
	// Name is the spec that Open takes. The part behind a colon stands for an argument, and so
	// do FOLDER and FILE.
	Name   string
	About  string // one line for a list of sources
	Cached bool   // lies in CacheDir, once it has been fetched
	// Open reads the data. arg is the argument in the spec, "" if the source has none. Options
	// are valid; those that the source has no use for are an error.
	Open func(arg string, o Options) (train, test *Set, err error)
}

// Sources lists the data sets that Open knows, in the order in which it tries them. FOLDER takes
// any folder, so it comes late.
var Sources = []Source{
	{
		Name:  "digits",
		About: "1,797 handwritten digits of 8x8 pixels from the UCI repository, built in",
		Open: func(_ string, o Options) (train, test *Set, err error) {
			if err := o.only("digits"); err != nil {
				return nil, nil, err
			}
			return Digits()
		},
	},
	{
		Name:   "mnist",
		About:  "70,000 handwritten digits of 28x28 gray pixels, from the cache (steppe data get mnist)",
		Cached: true,
		Open:   fromCache("mnist", digitNames, Options.idxFolder),
	},
	{
		Name:   "fashion-mnist",
		About:  "70,000 pictures of clothes in 10 classes, 28x28 gray pixels, from the cache",
		Cached: true,
		Open:   fromCache("fashion-mnist", fashionNames, Options.idxFolder),
	},
	{
		Name:   "cifar10",
		About:  "60,000 photographs in 10 classes, 32x32 color pixels, from the cache",
		Cached: true,
		Open:   fromCache("cifar10", cifar10Names, CIFAR10.folder),
	},
	{
		Name:   "cifar100",
		About:  "60,000 photographs in 100 classes, 32x32 color pixels, from the cache",
		Cached: true,
		Open:   fromCache("cifar100", cifar100Names, CIFAR100.folder),
	},
	{
		Name:   "brown",
		About:  "the Brown corpus: passages of 500 documents in 15 genres, or their text for a language model, from the cache (steppe data get brown)",
		Cached: true,
		Open:   textsFromCache("brown", brownArchive, readBrown, Options.brown),
	},
	{
		Name:   "spam",
		About:  "SpamAssassin's mails, subject and text, to tell spam from ham, from the cache",
		Cached: true,
		Open:   textsFromCache("spam", spamArchive, readSpam, Options.spam),
	},
	{
		Name:  "synthetic:HxWxC",
		About: "4,096 training and 1,024 test samples of noise in 10 classes, of that shape (or synthetic:N), for timing",
		Open:  openSynthetic,
	},
	{
		Name:  folder,
		About: "a folder with the files of MNIST, CIFAR-10 or CIFAR-100, or of a data set laid out alike, gzipped or not; with a sub-folder of pictures for each class, perhaps in folders train and test; with train.csv and test.csv; with train.tsv and dev.tsv of texts, as GLUE's; or with text files for a language model",
		Open:  func(dir string, o Options) (train, test *Set, err error) { return o.Folder(dir) },
	},
	{
		Name:  file,
		About: "a table in a file that ends in .csv or .tsv, with the columns' names in the first line; lines of JSON (.jsonl) with texts; or a text (.txt) for a language model; gzipped or not",
		Open: func(path string, o Options) (train, test *Set, err error) {
			if IsText(path) {
				return o.TextFile(path)
			}
			return o.TableFile(path)
		},
	},
}

// IsPath reports whether Open reads the file or the folder of that path, and not a data set of that
// name.
func IsPath(spec string) bool {
	for _, source := range Sources {
		if _, ok := source.claims(spec); ok {
			if source.Cached {
				_, err := cached(spec)
				return errors.Is(err, fs.ErrNotExist) && isDir(spec)
			}
			return source.Name == folder || source.Name == file
		}
	}
	return false
}

const (
	folder = "FOLDER"
	file   = "FILE"
)

// claims reports whether spec means s, and with what argument.
func (s Source) claims(spec string) (arg string, ok bool) {
	switch s.Name {
	case folder:
		info, err := os.Stat(spec)
		return spec, err == nil && info.IsDir()
	case file:
		return spec, IsTable(spec) || IsText(spec)
	}
	if name, _, takesArg := strings.Cut(s.Name, ":"); takesArg {
		return strings.CutPrefix(spec, name+":")
	}
	return "", spec == s.Name
}

const (
	syntheticTrain   = 4096
	syntheticTest    = 1024
	syntheticClasses = 10
	// syntheticFloats bounds both sets together to 4 GiB; 224x224x3 takes 2.9.
	syntheticFloats = 1 << 30
)

func openSynthetic(arg string, o Options) (train, test *Set, err error) {
	if err := o.only("synthetic:" + arg); err != nil {
		return nil, nil, err
	}
	shape, err := parseShape(arg, syntheticFloats/(syntheticTrain+syntheticTest))
	if err != nil {
		return nil, nil, fmt.Errorf("dataset: synthetic:%s: %w", arg, err)
	}
	train = Synthetic(shape, syntheticClasses, syntheticTrain, 1)
	test = Synthetic(shape, syntheticClasses, syntheticTest, 2)
	train.Name += "/train"
	test.Name += "/test"
	return train, test, nil
}

// parseShape reads a shape of at most limit floats, written as Shape.String does.
func parseShape(s string, limit int) (net.Shape, error) {
	var shape net.Shape
	size := 1
	for field := range strings.SplitSeq(s, "x") {
		dim, err := strconv.Atoi(field)
		if err != nil || dim <= 0 {
			return nil, fmt.Errorf("expected positive dimensions such as 32x32x3 or 64, got %q", s)
		}
		if dim > limit/size {
			return nil, fmt.Errorf("expected at most %d floats a sample, got %s", limit, s)
		}
		size *= dim
		shape = append(shape, dim)
	}
	return shape, nil
}
