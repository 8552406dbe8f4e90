package dataset

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// writeIn writes files into a folder of dir.
func writeIn(t *testing.T, dir, sub string, files map[string][]byte) {
	require.NoError(t, os.MkdirAll(filepath.Join(dir, sub), 0o777))
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, sub, name), content, 0o666))
	}
}

func TestFolder(t *testing.T) {
	idx, ten, hundred := mnist("-", ".gz", zipped), cifar10("", plain), cifar100(".gz", zipped)
	digit, color := net.Shape{2, 3, 1}, net.Shape{32, 32, 3}
	for _, test := range []struct {
		name, sub string
		files     map[string][]byte
		shape     net.Shape
		classes   int
		called    string
	}{
		{"MNIST", "", idx, digit, 3, "data"},
		{"CIFAR-10", "", ten, color, 10, "data"},
		{"CIFAR-100", "", hundred, color, 100, "data"},
		{"archive of CIFAR-10", "cifar-10-batches-bin", ten, color, 10, "cifar-10-batches-bin"},
		{"archive of CIFAR-100", "cifar-100-binary", hundred, color, 100, "cifar-100-binary"},
		{"torchvision", "FashionMNIST/raw", idx, digit, 3, "FashionMNIST/raw"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "data")
			writeIn(t, dir, test.sub, test.files)
			writeIn(t, dir, "other", nil)
			train, held, err := Open(dir)
			require.NoError(t, err)
			assert.Equal(t, []string{test.called + "/train", test.called + "/test"}, []string{train.Name, held.Name})
			for _, s := range []*Set{train, held} {
				assert.Equal(t, test.shape, s.Shape)
				assert.Equal(t, test.classes, s.Classes)
				assert.NoError(t, s.Validate())
			}
		})
	}
}

// What the folder itself has goes before what its sub-folders have.
func TestFolderBeforeSubfolders(t *testing.T) {
	dir := t.TempDir()
	writeIn(t, dir, "", cifar100("", plain))
	writeIn(t, dir, "cifar-10-batches-bin", cifar10("", plain))
	train, _, err := Folder(dir)
	require.NoError(t, err)
	assert.Equal(t, 100, train.Classes)
}

func TestFolderErrors(t *testing.T) {
	ten, hundred := cifar10("", plain), cifar100("", plain)
	both := maps.Clone(ten)
	maps.Copy(both, hundred)
	lacking := maps.Clone(ten)
	delete(lacking, "data_batch_1.bin")

	for _, test := range []struct {
		name string
		subs map[string]map[string][]byte
		want []string
	}{
		{"nothing", nil, []string{
			" has no data set, looked for the files of",
			"MNIST (train-images-idx3-ubyte, train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte)",
			"CIFAR-10 (data_batch_1.bin, data_batch_2.bin, data_batch_3.bin, data_batch_4.bin, data_batch_5.bin, test_batch.bin)",
			"CIFAR-100 (train.bin, test.bin)",
			"folders MNIST/raw, FashionMNIST/raw, cifar-10-batches-bin, cifar-100-binary",
		}},
		{"files of two", map[string]map[string][]byte{"": both}, []string{"has files of both CIFAR-10 and CIFAR-100, want those of one data set"}},
		{"two folders", map[string]map[string][]byte{"cifar-10-batches-bin": ten, "cifar-100-binary": hundred},
			[]string{"has several data sets, name one: cifar-10-batches-bin, cifar-100-binary"}},
		{"a file lacks", map[string]map[string][]byte{"": lacking}, []string{"has no data_batch_1.bin, tried data_batch_1.bin, data_batch_1.bin.gz"}},
		{"a file lacks below", map[string]map[string][]byte{"cifar-10-batches-bin": lacking},
			[]string{"cifar-10-batches-bin has no data_batch_1.bin"}},
		{"an empty folder below", map[string]map[string][]byte{"cifar-10-batches-bin": nil}, []string{" has no data set"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for sub, files := range test.subs {
				writeIn(t, dir, sub, files)
			}
			train, held, err := Folder(dir)
			assert.Nil(t, train)
			assert.Nil(t, held)
			for _, want := range append(test.want, dir) {
				assert.ErrorContains(t, err, want)
			}
		})
	}
	_, _, err := Folder(t.TempDir())
	assert.ErrorIs(t, err, fs.ErrNotExist)
}
