package dataset

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// idx returns an IDX file with the given magic, dimensions and values.
func idx(magic uint32, dims []uint32, values ...byte) []byte {
	file := binary.BigEndian.AppendUint32(nil, magic)
	for _, dim := range dims {
		file = binary.BigEndian.AppendUint32(file, dim)
	}
	return append(file, values...)
}

func idxLabels(labels ...byte) []byte {
	return idx(0x801, []uint32{uint32(len(labels))}, labels...)
}

// idxImages returns n images of 2 rows and 3 columns, with pixels 0, 1, 2 ...
func idxImages(n int) []byte {
	pixels := make([]byte, n*6)
	for i := range pixels {
		pixels[i] = byte(i)
	}
	return idx(0x803, []uint32{uint32(n), 2, 3}, pixels...)
}

func zipped(content []byte) []byte {
	var file bytes.Buffer
	zip := gzip.NewWriter(&file)
	zip.Write(content)
	zip.Close()
	return file.Bytes()
}

// write writes files into a new folder and returns it.
func write(t testing.TB, files map[string][]byte) string {
	dir := t.TempDir()
	for name, content := range files {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), content, 0o666))
	}
	return dir
}

func readBoth(t testing.TB, images, labels []byte) (*Set, error) {
	dir := write(t, map[string][]byte{"images": images, "labels": labels})
	return ReadIDX(filepath.Join(dir, "images"), filepath.Join(dir, "labels"), 0)
}

func TestReadIDX(t *testing.T) {
	images, labels := idxImages(3), idxLabels(2, 0, 1)
	for _, test := range []struct {
		name           string
		images, labels []byte
	}{
		{"plain", images, labels},
		{"gzipped", zipped(images), zipped(labels)},
		{"mixed", zipped(images), labels},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := readBoth(t, test.images, test.labels)
			require.NoError(t, err)
			assert.Equal(t, "images", s.Name)
			assert.Equal(t, net.Shape{2, 3, 1}, s.Shape)
			assert.Equal(t, 3, s.Classes)
			assert.Equal(t, []int32{2, 0, 1}, s.Labels)
			require.Len(t, s.X, 18)
			for i, pixel := range s.X {
				assert.Equal(t, float32(i)/255, pixel)
			}
		})
	}
}

// A file of many chunks, and of a size that no doubling meets.
func TestReadIDXLarge(t *testing.T) {
	const n = 1234
	pixels, labels := make([]byte, n*17*13), make([]byte, n)
	for i := range pixels {
		pixels[i] = byte(i * 7)
	}
	pixels[0] = 255
	s, err := readBoth(t, zipped(idx(0x803, []uint32{n, 17, 13}, pixels...)), idxLabels(labels...))
	require.NoError(t, err)
	require.Len(t, s.X, len(pixels))
	assert.Equal(t, float32(1), s.X[0])
	for i, pixel := range s.X {
		require.Equal(t, float32(pixels[i])/255, pixel, "pixel %d", i)
	}
	assert.Equal(t, len(s.X), cap(s.X), "no memory to spare")
}

func TestReadIDXErrors(t *testing.T) {
	images, labels := idxImages(3), idxLabels(2, 0, 1)
	badSum := zipped(images)
	badSum[len(badSum)-8] ^= 1
	badBits := zipped(images)
	badBits[12] ^= 0xff

	for _, test := range []struct {
		name           string
		images, labels []byte
		want           []string
	}{
		{"labels for images", labels, labels, []string{"images: expected magic number 0x00000803 (3-dimensional unsigned bytes), got 0x00000801"}},
		{"images for labels", images, images, []string{"labels: expected magic number 0x00000801 (1-dimensional unsigned bytes), got 0x00000803"}},
		{"floats", idx(0xd03, []uint32{1, 1, 1}, 0), labels, []string{"images: ", "0x00000803", "got 0x00000d03"}},
		{"a web page", []byte("<html>"), labels, []string{"images: ", "got 0x3c68746d"}},
		{"empty file", nil, labels, []string{"images: truncated: expected a header of 16 bytes, got 0"}},
		{"short magic", images[:3], labels, []string{"images: truncated: expected a header of 16 bytes, got 3"}},
		{"short header", images, labels[:7], []string{"labels: truncated: expected a header of 8 bytes, got 7"}},
		{"no values", images[:16], labels, []string{"images: truncated: expected 34 bytes for 3x2x3 values, got 16"}},
		{"short values", images[:33], labels, []string{"images: truncated: expected 34 bytes for 3x2x3 values, got 33"}},
		{"short labels", images, labels[:10], []string{"labels: truncated: expected 11 bytes for 3 values, got 10"}},
		{"short once unpacked", zipped(images[:33]), labels, []string{"images: truncated: expected 34 bytes for 3x2x3 values, got 33"}},
		{"short header once unpacked", zipped(images[:9]), labels, []string{"images: truncated: expected a header of 16 bytes, got 9"}},
		{"trailing", append(idxImages(3), 0), labels, []string{"images: trailing bytes: expected 34 bytes for 3x2x3 values, got more"}},
		{"trailing once unpacked", zipped(append(idxImages(3), 0)), labels, []string{"images: trailing bytes: expected 34 bytes"}},
		{"counts", images, idxLabels(1, 0), []string{"images has 3 images", "labels has 2 labels"}},
		{"no images", idx(0x803, []uint32{0, 2, 3}), labels, []string{"images: no values: expected positive dimensions, got 0x2x3"}},
		{"no columns", idx(0x803, []uint32{3, 2, 0}), labels, []string{"images: no values: expected positive dimensions, got 3x2x0"}},
		{"no labels", images, idxLabels(), []string{"labels: no values: expected positive dimensions, got 0"}},
		{"beyond 64 bits", idx(0x803, []uint32{1<<32 - 1, 1<<32 - 1, 1<<32 - 1}), labels, []string{"images: expected dimensions of at most"}},
		{"overflow to zero", idx(0x803, []uint32{1 << 31, 1 << 31, 4}), labels, []string{"images: expected dimensions of at most"}},
		{"overflow, then zero", idx(0x803, []uint32{1 << 31, 1 << 31, 0}), labels, []string{"images: expected dimensions of at most"}},
		{"a wrong label", images, idxLabels(0, 255, 0), []string{
			"labels: 2 different labels from 0 to 255, and none between 0 and 255: want every class from 0 or 1 on, or their number given"}},
		{"a class without labels", images, idxLabels(3, 1, 0), []string{"labels: 3 different labels from 0 to 3, and none between 1 and 3"}},
		{"labels from 2 on", images, idxLabels(3, 2, 3), []string{"labels: 2 different labels from 2 to 3: want every class from 0 or 1 on"}},
		{"cut gzip", zipped(images)[:20], labels, []string{"images: damaged gzip: unexpected EOF"}},
		{"cut gzip header", zipped(images)[:5], labels, []string{"images: damaged gzip: unexpected EOF"}},
		{"gzip checksum", badSum, labels, []string{"images: damaged gzip: gzip: invalid checksum"}},
		{"gzip contents", badBits, labels, []string{"images: damaged gzip: "}},
		{"after gzip", append(zipped(images), 1, 2, 3), labels, []string{"images: damaged gzip: "}},
	} {
		t.Run(test.name, func(t *testing.T) {
			s, err := readBoth(t, test.images, test.labels)
			assert.Nil(t, s)
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
		})
	}

	dir := write(t, map[string][]byte{"images": images})
	_, err := ReadIDX(filepath.Join(dir, "images"), filepath.Join(dir, "absent"), 0)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "absent")
	_, err = ReadIDX(dir, filepath.Join(dir, "images"), 0)
	assert.Error(t, err)
}

// Labels may be counted from 1, as EMNIST's letters are. A given number of classes holds, whichever
// labels there are.
func TestReadIDXClasses(t *testing.T) {
	for _, test := range []struct {
		labels        []byte
		classes, want int
		err           string
	}{
		{[]byte{1, 3, 2}, 0, 4, ""},
		{[]byte{0, 0, 0}, 0, 1, ""},
		{[]byte{0, 255, 7}, 256, 256, ""},
		{[]byte{0, 1, 0}, 10, 10, ""},
		{[]byte{0, 10, 2}, 10, 0, "labels: label 1 is 10, want 0 to 9 for 10 classes"},
		{[]byte{0, 1, 2}, -1, 0, "-1 classes, want at least 1, or 0 for those of the labels"},
	} {
		dir := write(t, map[string][]byte{"images": idxImages(3), "labels": idxLabels(test.labels...)})
		s, err := ReadIDX(filepath.Join(dir, "images"), filepath.Join(dir, "labels"), test.classes)
		if test.err != "" {
			assert.ErrorContains(t, err, test.err)
			continue
		}
		require.NoError(t, err)
		assert.Equal(t, test.want, s.Classes)
	}
}

// A header that claims much for a file that has little must not cost memory.
func TestReadIDXTrustsNoHeader(t *testing.T) {
	dir := write(t, map[string][]byte{
		"images": idx(0x803, []uint32{1 << 16, 1 << 7, 1 << 5}, 1, 2, 3), // 1 GiB of float32
		"labels": idxLabels(1),
	})
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := ReadIDX(filepath.Join(dir, "images"), filepath.Join(dir, "labels"), 0)
	runtime.ReadMemStats(&after)
	assert.ErrorContains(t, err, "truncated: expected 268435472 bytes for 65536x128x32 values, got 19")
	assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4<<20))
}

// mnist returns the files of a small data set, named with sep before "idx" and ext after all.
func mnist(sep, ext string, pack func([]byte) []byte) map[string][]byte {
	return map[string][]byte{
		"train-images" + sep + "idx3-ubyte" + ext: pack(idxImages(3)),
		"train-labels" + sep + "idx1-ubyte" + ext: pack(idxLabels(0, 2, 1)),
		"t10k-images" + sep + "idx3-ubyte" + ext:  pack(idxImages(2)),
		"t10k-labels" + sep + "idx1-ubyte" + ext:  pack(idxLabels(1, 0)),
	}
}

func plain(content []byte) []byte { return content }

func TestIDXFolder(t *testing.T) {
	for _, test := range []struct {
		name     string
		sep, ext string
		pack     func([]byte) []byte
	}{
		{"plain", "-", "", plain},
		{"gzipped", "-", ".gz", zipped},
		{"dotted", ".", "", plain},
		{"dotted and gzipped", ".", ".gz", zipped},
		{"gzipped without saying so", "-", "", zipped},
		{"unpacked without saying so", "-", ".gz", plain},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, mnist(test.sep, test.ext, test.pack))
			train, test, err := IDXFolder(dir)
			require.NoError(t, err)
			assert.Equal(t, filepath.Base(dir)+"/train", train.Name)
			assert.Equal(t, filepath.Base(dir)+"/test", test.Name)
			assert.Equal(t, []int{3, 2}, []int{train.Len(), test.Len()})
			assert.Equal(t, []int{3, 3}, []int{train.Classes, test.Classes}, "both have the classes of the training labels")
			assert.Equal(t, []int32{1, 0}, test.Labels)
			assert.Equal(t, train.X[:12], test.X)
		})
	}
}

func TestIDXFolderErrors(t *testing.T) {
	const images, labels = "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"
	for _, test := range []struct {
		name   string
		damage func(files map[string][]byte)
		want   string
	}{
		{"no test labels", func(f map[string][]byte) { delete(f, labels) },
			" has no t10k-labels, tried t10k-labels-idx1-ubyte, t10k-labels-idx1-ubyte.gz, t10k-labels.idx1-ubyte, t10k-labels.idx1-ubyte.gz"},
		{"nothing", func(f map[string][]byte) { clear(f) },
			" has no train-images, tried train-images-idx3-ubyte, train-images-idx3-ubyte.gz, train-images.idx3-ubyte, train-images.idx3-ubyte.gz"},
		{"label beyond", func(f map[string][]byte) { f[labels] = idxLabels(1, 7) },
			labels + ": label 1 is 7, want 0 to 2 for 3 classes"},
		{"other shape", func(f map[string][]byte) { f[images] = idx(0x803, []uint32{2, 1, 1}, 8, 9) },
			"train-images-idx3-ubyte has images of 2x3x1, but "},
		{"damaged test images", func(f map[string][]byte) { f[images] = f[images][:20] },
			images + ": truncated: expected 28 bytes for 2x2x3 values, got 20"},
		{"damaged training labels", func(f map[string][]byte) { f["train-labels-idx1-ubyte"][3] = 9 },
			"train-labels-idx1-ubyte: expected magic number"},
	} {
		t.Run(test.name, func(t *testing.T) {
			files := mnist("-", "", plain)
			test.damage(files)
			dir := write(t, files)
			train, held, err := IDXFolder(dir)
			assert.Nil(t, train)
			assert.Nil(t, held)
			assert.ErrorContains(t, err, test.want)
			assert.ErrorContains(t, err, dir)
		})
	}

	_, _, err := IDXFolder(t.TempDir())
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// Kaggle's archive unpacks to folders of the files' names, which are not the files.
func TestIDXFolderSkipsFolders(t *testing.T) {
	dir := write(t, mnist(".", "", plain))
	require.NoError(t, os.Mkdir(filepath.Join(dir, "train-images-idx3-ubyte"), 0o777))
	_, _, err := IDXFolder(dir)
	assert.NoError(t, err)
}

func FuzzReadIDX(f *testing.F) {
	images, labels := idxImages(3), idxLabels(2, 0, 1)
	f.Add(images, labels)
	f.Add(zipped(images), zipped(labels))
	f.Add(images[:20], labels)
	f.Add(zipped(images)[:20], labels)
	f.Add(append(idxImages(3), 0), labels)
	f.Add(images, idxLabels())
	f.Add(idx(0x803, []uint32{1<<32 - 1, 1<<32 - 1, 1<<32 - 1}), labels)
	f.Add([]byte{}, []byte{0x1f, 0x8b})
	f.Fuzz(func(t *testing.T, images, labels []byte) {
		s, err := readBoth(t, images, labels)
		if err != nil {
			require.Nil(t, s)
			return
		}
		require.True(t, s.Shape.Validate() == nil)
		require.Positive(t, s.Len())
		require.Len(t, s.X, s.Len()*s.Shape.Size())
		for i, label := range s.Labels {
			if label < 0 || int(label) >= s.Classes {
				t.Fatalf("label %d is %d of %d classes", i, label, s.Classes)
			}
		}
		for i, pixel := range s.X {
			if pixel < 0 || pixel > 1 {
				t.Fatalf("pixel %d is %g", i, pixel)
			}
		}
	})
}
