package dataset

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// cifarPixel is byte i of the planes of an image with that number.
func cifarPixel(image, i int) byte { return byte(31*image + i + i/1024*7) }

// cifarRecords returns a record for each of labels, whose images are numbered from first on.
func cifarRecords(first int, labels ...[]byte) (content []byte) {
	for image, label := range labels {
		content = append(content, label...)
		for i := range 3072 {
			content = append(content, cifarPixel(first+image, i))
		}
	}
	return content
}

// checkCIFAR checks the images of s, by the place of each pixel, against cifarRecords.
func checkCIFAR(t *testing.T, s *Set, first int) {
	t.Helper()
	require.Equal(t, net.Shape{32, 32, 3}, s.Shape)
	require.NoError(t, s.Validate())
	for image := range s.Len() {
		x := s.Range(image, 1).X
		for row := range 32 {
			for column := range 32 {
				for channel := range 3 {
					want := float32(cifarPixel(first+image, channel*1024+row*32+column)) / 255
					if got := x[(row*32+column)*3+channel]; got != want {
						t.Fatalf("image %d, row %d, column %d, channel %d: got %g, want %g", image, row, column, channel, got, want)
					}
				}
			}
		}
	}
}

func TestCIFARRead(t *testing.T) {
	ten := cifarRecords(0, []byte{3}, []byte{9}, []byte{0})
	hundred := cifarRecords(0, []byte{19, 0}, []byte{0, 99})
	for _, test := range []struct {
		name    string
		cifar   CIFAR
		files   [][]byte
		classes int
		labels  []int32
	}{
		{"10", CIFAR10, [][]byte{ten}, 10, []int32{3, 9, 0}},
		{"10 gzipped", CIFAR10, [][]byte{zipped(ten)}, 10, []int32{3, 9, 0}},
		{"10 in several files", CIFAR10, [][]byte{ten, zipped(cifarRecords(3, []byte{1}))}, 10, []int32{3, 9, 0, 1}},
		{"100", CIFAR100, [][]byte{hundred}, 100, []int32{0, 99}},
		{"100 coarse", CIFAR100Coarse, [][]byte{hundred}, 20, []int32{19, 0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			var paths []string
			for i, file := range test.files {
				paths = append(paths, filepath.Join(dir, "file"+strconv.Itoa(i)))
				require.NoError(t, os.WriteFile(paths[i], file, 0o666))
			}
			s, err := test.cifar.Read(paths...)
			require.NoError(t, err)
			assert.Equal(t, "file0", s.Name)
			assert.Equal(t, test.classes, s.Classes)
			assert.Equal(t, test.labels, s.Labels)
			checkCIFAR(t, s, 0)
		})
	}
}

func TestCIFARReadErrors(t *testing.T) {
	ten := cifarRecords(0, []byte{3}, []byte{9})
	for _, test := range []struct {
		name  string
		cifar CIFAR
		file  []byte
		want  string
	}{
		{"empty", CIFAR10, nil, "expected records of CIFAR-10, 3073 bytes each, got 0 bytes: 0 records and 0 bytes"},
		{"cut", CIFAR10, ten[:6000], "expected records of CIFAR-10, 3073 bytes each, got 6000 bytes: 1 records and 2927 bytes"},
		{"one byte more", CIFAR10, append(slices.Clone(ten), 0), "got 6147 bytes: 2 records and 1 bytes"},
		{"cut once unpacked", CIFAR10, zipped(ten[:3072]), "got 3072 bytes: 0 records and 3072 bytes"},
		{"10 for 100", CIFAR100, ten, "expected records of CIFAR-100, 3074 bytes each, got 6146 bytes"},
		{"100 for 10", CIFAR10, cifarRecords(0, []byte{1, 1}), "expected records of CIFAR-10, 3073 bytes each, got 3074 bytes"},
		{"label", CIFAR10, cifarRecords(0, []byte{3}, []byte{10}), "record 1, byte 3073: expected a label of CIFAR-10 in 0..9, got 10"},
		{"coarse label", CIFAR100, cifarRecords(0, []byte{20, 99}), "record 0, byte 0: expected a coarse label of CIFAR-100 in 0..19, got 20"},
		{"fine label", CIFAR100, cifarRecords(0, []byte{0, 0}, []byte{19, 100}), "record 1, byte 3075: expected a fine label of CIFAR-100 in 0..99, got 100"},
		{"the label not asked for", CIFAR100Coarse, cifarRecords(0, []byte{0, 255}), "record 0, byte 1: expected a fine label of CIFAR-100 in 0..99, got 255"},
		{"cut gzip", CIFAR10, zipped(ten)[:50], "damaged gzip: unexpected EOF"},
		{"after gzip", CIFAR10, append(zipped(ten), 1), "damaged gzip: "},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(write(t, map[string][]byte{"bad.bin": test.file}), "bad.bin")
			s, err := test.cifar.Read(path)
			assert.Nil(t, s)
			assert.ErrorContains(t, err, "dataset: "+path+": ")
			assert.ErrorContains(t, err, test.want)
		})
	}

	_, err := CIFAR10.Read()
	assert.ErrorContains(t, err, "no files of CIFAR-10 to read")
	_, err = CIFAR10.Read(filepath.Join(t.TempDir(), "absent"))
	assert.ErrorIs(t, err, fs.ErrNotExist)
}

// cifar10 and cifar100 return the files of small data sets.
func cifar10(ext string, pack func([]byte) []byte) map[string][]byte {
	files := map[string][]byte{"test_batch.bin" + ext: pack(cifarRecords(5, []byte{7}))}
	for i := range 5 {
		files["data_batch_"+strconv.Itoa(i+1)+".bin"+ext] = pack(cifarRecords(i, []byte{byte(i)}))
	}
	return files
}

func cifar100(ext string, pack func([]byte) []byte) map[string][]byte {
	return map[string][]byte{
		"train.bin" + ext: pack(cifarRecords(0, []byte{11, 98}, []byte{3, 14})),
		"test.bin" + ext:  pack(cifarRecords(5, []byte{4, 1})),
	}
}

func TestCIFARFolder(t *testing.T) {
	for _, test := range []struct {
		cifar       CIFAR
		files       func(ext string, pack func([]byte) []byte) map[string][]byte
		classes     int
		train, test []int32
	}{
		{CIFAR10, cifar10, 10, []int32{0, 1, 2, 3, 4}, []int32{7}},
		{CIFAR100, cifar100, 100, []int32{98, 14}, []int32{1}},
		{CIFAR100Coarse, cifar100, 20, []int32{11, 3}, []int32{4}},
	} {
		for _, packed := range []struct {
			ext  string
			pack func([]byte) []byte
		}{{"", plain}, {".gz", zipped}, {"", zipped}, {".gz", plain}} {
			dir := write(t, test.files(packed.ext, packed.pack))
			train, held, err := test.cifar.Folder(dir)
			require.NoError(t, err)
			assert.Equal(t, []string{filepath.Base(dir) + "/train", filepath.Base(dir) + "/test"}, []string{train.Name, held.Name})
			assert.Equal(t, []int{test.classes, test.classes}, []int{train.Classes, held.Classes})
			assert.Equal(t, test.train, train.Labels)
			assert.Equal(t, test.test, held.Labels)
			checkCIFAR(t, train, 0)
			checkCIFAR(t, held, 5)
		}
	}
}

func TestCIFARFolderErrors(t *testing.T) {
	files := cifar10("", plain)
	delete(files, "data_batch_4.bin")
	_, _, err := CIFAR10.Folder(write(t, files))
	assert.ErrorContains(t, err, " has no data_batch_4.bin, tried data_batch_4.bin, data_batch_4.bin.gz")
	assert.ErrorIs(t, err, fs.ErrNotExist)

	files = cifar10(".gz", zipped)
	files["test_batch.bin.gz"] = zipped(cifarRecords(0, []byte{77}))
	train, held, err := CIFAR10.Folder(write(t, files))
	assert.ErrorContains(t, err, "test_batch.bin.gz: record 0, byte 0: expected a label of CIFAR-10 in 0..9, got 77")
	assert.Nil(t, train)
	assert.Nil(t, held)
}

func FuzzReadCIFAR(f *testing.F) {
	ten, hundred := cifarRecords(0, []byte{3}, []byte{9}), cifarRecords(0, []byte{19, 99})
	f.Add(ten, 0)
	f.Add(zipped(ten), 0)
	f.Add(ten[:3000], 0)
	f.Add(hundred, 1)
	f.Add(zipped(hundred)[:40], 1)
	f.Add(zipped(hundred), 2)
	f.Add([]byte{0x1f, 0x8b}, 2)
	f.Fuzz(func(t *testing.T, content []byte, which int) {
		cifar := CIFAR(uint(which) % uint(len(cifars)))
		path := filepath.Join(write(t, map[string][]byte{"file": content}), "file")
		s, err := cifar.Read(path)
		if err != nil {
			require.Nil(t, s)
			return
		}
		require.Positive(t, s.Len())
		require.NoError(t, s.Validate())
		for i, pixel := range s.X {
			if pixel < 0 || pixel > 1 {
				t.Fatalf("pixel %d is %g", i, pixel)
			}
		}
	})
}
