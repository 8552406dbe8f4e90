package dataset

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"image"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Whatever a file holds, reading it as a picture gives a sample or an error, and takes memory only
// for sizes within the limit.
func FuzzPicture(f *testing.F) {
	gray := image.NewGray(image.Rect(0, 0, 5, 3))
	palette := image.NewPaletted(gray.Rect, color.Palette{color.Black, color.Transparent, color.White})
	for _, ending := range []string{".png", ".jpg", ".gif", ".bmp"} {
		for _, m := range []image.Image{gray, palette, colored(1, 5, 3), image.NewNRGBA64(gray.Rect), image.NewCMYK(gray.Rect)} {
			f.Add(encoded(f, ending, m))
		}
	}
	f.Add(withOrientation(encoded(f, ".jpg", colored(1, 16, 8)), binary.LittleEndian, "II*\x00", 6))
	f.Add(withOrientation(encoded(f, ".jpg", gray), binary.BigEndian, "MM\x00*", 8))
	f.Add(read(f, "testdata/gopher-doc.1bpp.lossless.webp"))
	f.Add(read(f, "testdata/blue-purple-pink.lossy.webp"))
	f.Add(extended(read(f, "testdata/blue-purple-pink.lossy.webp"), 150, 100))
	f.Add(extended(read(f, "testdata/blue-purple-pink.lossy.webp"), 1, 1))
	f.Add(bomb(60000, 60000))
	f.Add(bomb(0, 7))
	f.Fuzz(func(t *testing.T, file []byte) {
		m := memories.New().(*memory)
		h, err := parseHeader(bytes.NewReader(file), m.buffered)
		if err != nil {
			return
		}
		require.Positive(t, h.width)
		require.Positive(t, h.height)
		if h.width*h.height > 1<<20 {
			require.LessOrEqual(t, h.width*h.height, maxPixels)
			return // it takes long
		}
		for _, p := range []Pictures{{4, 7, 3}, {h.height, h.width, 1}} {
			x := make([]float32, p.size())
			if _, err := p.decode(m, file, x); err != nil {
				return
			}
			for _, v := range x {
				require.True(t, v >= 0 && v <= 1)
			}
		}
	})
}

// extended puts a WebP file of one lossy frame into the extended format, with a canvas of a size.
func extended(file []byte, width, height uint32) []byte {
	chunk := append([]byte("VP8X"), 10, 0, 0, 0, 0, 0, 0, 0)
	for _, side := range []uint32{width - 1, height - 1} {
		chunk = append(chunk, byte(side), byte(side>>8), byte(side>>16))
	}
	out := append([]byte("RIFF"), binary.LittleEndian.AppendUint32(nil, uint32(len(file)-8+len(chunk)))...)
	out = append(append(out, "WEBP"...), chunk...)
	return append(out, file[12:]...)
}

// A frame that is larger than its canvas, whose size is all that a decoder's header tells, is
// refused.
func TestWebPFrameBeyondCanvas(t *testing.T) {
	file := read(t, "testdata/blue-purple-pink.lossy.webp")
	assert.Equal(t, readPicture(t, file, Pictures{8, 8, 3}), readPicture(t, extended(file, 150, 100), Pictures{8, 8, 3}))
	var p Pictures
	_, err := p.decode(memories.New().(*memory), extended(file, 1, 1), nil)
	assert.EqualError(t, err, "the picture is 1x1, but its frame 150x100")
}

// Whatever a table holds, it makes valid sets or an error that names the file, and Rows reads it
// again with the same values.
func FuzzTable(f *testing.F) {
	f.Add(houses(12), uint8(3), uint8(0))
	f.Add(strings.ReplaceAll(houses(12), ",", "\t"), uint8(4), uint8(1))
	f.Add("\ufeffa;b\r\n\"1;\"\"\";x\r\n2;y\n2;x\n2;y\n", uint8(1), uint8(2))
	f.Add("a,b\n1e300,1\n-1e300,2\n1,1\n1,2\n1,1\n", uint8(1), uint8(0))
	f.Add("a,b\nNaN,1\n?,2\n,1\n", uint8(0), uint8(2))
	f.Add(string(zipped([]byte("a,b\n1,2\n"))), uint8(0), uint8(0))
	f.Fuzz(func(t *testing.T, text string, label, form uint8) {
		name := []string{"t.csv", "t.tsv", "t"}[form%3]
		all, err := parseRows(strings.NewReader(text), name)
		if err != nil {
			require.ErrorContains(t, err, name)
			return
		}
		for _, task := range []Task{TaskAuto, Classify, Regress} {
			o := Options{Label: all.header[int(label)%len(all.header)], Task: task, Test: 0.5}
			train, test, err := o.table(all, nil, "t")
			if err != nil {
				require.ErrorContains(t, err, name)
				continue
			}
			require.NoError(t, train.Validate())
			require.NoError(t, test.Validate())
			require.NoError(t, train.Input.Validate())
			require.Equal(t, len(all.cells), train.Len()+test.Len())
			x, n, err := train.Input.Rows(strings.NewReader(text), name)
			require.NoError(t, err)
			require.Equal(t, len(all.cells), n)
			require.Len(t, x, len(train.X)+len(test.X))
		}
	})
}

// Whatever two files hold, they are read at once and where they lie with the same result.
func FuzzStreamIDX(f *testing.F) {
	files := mnist("-", "", plain)
	f.Add(files["train-images-idx3-ubyte"], files["train-labels-idx1-ubyte"], uint8(0))
	f.Add(files["t10k-images-idx3-ubyte"], files["t10k-labels-idx1-ubyte"], uint8(3))
	f.Add(zipped(files["t10k-images-idx3-ubyte"]), files["t10k-labels-idx1-ubyte"], uint8(3))
	f.Add([]byte("\x00\x00\x08\x03\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"), []byte("\x00\x00\x08\x01\x00\x00\x00\x01\x00"), uint8(1))
	f.Fuzz(func(t *testing.T, images, labels []byte, classes uint8) {
		dir := t.TempDir()
		imagePath, labelPath := filepath.Join(dir, "images"), filepath.Join(dir, "labels")
		require.NoError(t, os.WriteFile(imagePath, images, 0o666))
		require.NoError(t, os.WriteFile(labelPath, labels, 0o666))
		same(t, func(o Options) (*Set, error) { return o.readIDX(imagePath, labelPath, int(classes)) })
	})
}

// The same for files of CIFAR.
func FuzzStreamCIFAR(f *testing.F) {
	f.Add(cifarRecords(0, []byte{1}, []byte{9}), cifarRecords(2, []byte{3}), uint8(0))
	f.Add(cifarRecords(0, []byte{1, 2}), cifarRecords(0, []byte{19, 99}), uint8(1))
	f.Add(cifarRecords(0, []byte{20, 2})[:3000], []byte(nil), uint8(2))
	f.Add(zipped(cifarRecords(0, []byte{1, 2})), cifarRecords(0, []byte{1, 2}), uint8(1))
	f.Fuzz(func(t *testing.T, first, second []byte, kind uint8) {
		dir := t.TempDir()
		paths := []string{filepath.Join(dir, "first"), filepath.Join(dir, "second")}
		require.NoError(t, os.WriteFile(paths[0], first, 0o666))
		require.NoError(t, os.WriteFile(paths[1], second, 0o666))
		same(t, func(o Options) (*Set, error) { return CIFAR(kind%3).read(o, paths...) })
	})
}

// same fails unless a file gives the same set, or an error, whether it streams or not.
func same(t *testing.T, open func(o Options) (*Set, error)) {
	memory, err := open(Options{Stream: StreamNever})
	stream, failed := open(Options{Stream: StreamAlways})
	if err != nil {
		require.Error(t, failed)
		return
	}
	require.NoError(t, memory.Validate())
	if failed != nil {
		require.ErrorContains(t, failed, "is gzipped")
		return
	}
	loaded, err := stream.Load()
	require.NoError(t, err)
	require.Equal(t, memory, loaded)
}

// Whatever JSON an Input was read from, a valid one reads any text as rows or refuses it.
func FuzzInput(f *testing.F) {
	f.Add(`{"pictures":{"height":2,"width":3,"channels":1}}`, "a,b\n1,2\n")
	f.Add(`{"table":{"columns":[{"name":"a","mean":1,"std":2},{"name":"b","words":["","x"]}],"label":{"name":"c"}}}`, "b,a,c\nx,2,3\n,1,1\n")
	f.Add(`{"table":{"columns":[{"name":"a","mean":1e308,"std":1e-308}],"label":{"name":"b","words":["1","2"]}}}`, "a,b\n-1e308,1\n")
	f.Fuzz(func(t *testing.T, text, table string) {
		var in Input
		if json.Unmarshal([]byte(text), &in) != nil || in.Validate() != nil {
			return
		}
		again, err := json.Marshal(in)
		require.NoError(t, err)
		var copied Input
		require.NoError(t, json.Unmarshal(again, &copied))
		require.Equal(t, in, copied)
		x, n, err := in.Rows(strings.NewReader(table), "rows")
		if err != nil {
			require.ErrorContains(t, err, "rows")
			return
		}
		require.Len(t, x, n*in.Table.Size())
		require.Negative(t, firstNotFinite(x))
		if s, err := in.LabeledRows(strings.NewReader(table), "rows"); err == nil {
			require.NoError(t, s.Validate())
			require.Equal(t, x, s.X)
			in.Target(float32(n))
		}
	})
}
