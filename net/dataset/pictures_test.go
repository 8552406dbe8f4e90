package dataset

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"image/jpeg"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/image/bmp"

	"github.com/steppe-ml/steppe/net"
)

// pixelAt is the color of a test picture, a different one for each number.
func pixelAt(number, x, y int) color.NRGBA {
	return color.NRGBA{uint8(40*number + 10*x), uint8(200 - 20*y), uint8(7*x*y + number), 255}
}

// colored returns a test picture of a size.
func colored(number, width, height int) *image.NRGBA {
	m := image.NewNRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			m.SetNRGBA(x, y, pixelAt(number, x, y))
		}
	}
	return m
}

// encoded returns a picture as a file of that ending.
func encoded(t testing.TB, ending string, m image.Image) []byte {
	t.Helper()
	var file bytes.Buffer
	switch ending {
	case ".png":
		require.NoError(t, png.Encode(&file, m))
	case ".jpg":
		require.NoError(t, jpeg.Encode(&file, m, &jpeg.Options{Quality: 100}))
	case ".gif":
		require.NoError(t, gif.Encode(&file, m, nil))
	case ".bmp":
		require.NoError(t, bmp.Encode(&file, m))
	default:
		t.Fatal(ending)
	}
	return file.Bytes()
}

// pictureFolder writes a folder with n pictures in each class.
func pictureFolder(t testing.TB, dir string, n, width, height int, classes ...string) {
	t.Helper()
	for c, name := range classes {
		require.NoError(t, os.MkdirAll(filepath.Join(dir, name), 0o777))
		for i := range n {
			file := encoded(t, ".png", colored(10*c+i, width, height))
			require.NoError(t, os.WriteFile(filepath.Join(dir, name, fmt.Sprintf("%d.png", i)), file, 0o666))
		}
	}
}

func TestPictureFolder(t *testing.T) {
	for _, stream := range []Stream{StreamNever, StreamAlways} {
		t.Run(string(stream), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "pets")
			pictureFolder(t, dir, 5, 4, 3, "dogs", "cats")
			writeIn(t, dir, "", map[string][]byte{"README.txt": nil, ".hidden.png": nil})
			writeIn(t, dir, "cats", map[string][]byte{"notes.txt": nil, ".DS_Store.png": nil})
			writeIn(t, dir, "cats/.thumbnails", map[string][]byte{"a.png": nil})
			writeIn(t, dir, ".git", map[string][]byte{"a.png": nil})
			writeIn(t, dir, "cats/old", map[string][]byte{"7.PNG": encoded(t, ".png", colored(7, 4, 3))})

			train, test, err := Options{Stream: stream}.Open(dir)
			require.NoError(t, err)
			for _, s := range []*Set{train, test} {
				assert.Equal(t, stream == StreamAlways, s.Streams())
				assert.Equal(t, net.Shape{3, 4, 3}, s.Shape)
				assert.Equal(t, []string{"cats", "dogs"}, s.ClassNames)
				assert.Equal(t, 2, s.Classes)
				assert.Equal(t, &Input{Pictures: &Pictures{Height: 3, Width: 4, Channels: 3}}, s.Input)
				require.NoError(t, s.Validate())
			}
			assert.Equal(t, []string{"pets/train", "pets/test"}, []string{train.Name, test.Name})
			assert.Equal(t, []int{9, 2}, []int{train.Len(), test.Len()})
			assert.Equal(t, []int32{0, 1}, test.Labels, "one of each class")

			// Every picture is in one part, under its label.
			seen := map[int]bool{}
			for _, s := range []*Set{train, test} {
				for batch, err := range s.InOrder(1) {
					require.NoError(t, err)
					pixel := batch.X[:3]
					number := int(pixel[2]*255 + 0.5) // blue, at the origin
					seen[number] = true
					assert.Equal(t, number >= 7, batch.Labels[0] == 0)
					for y := range 3 {
						for x := range 4 {
							c := pixelAt(number, x, y)
							assert.Equal(t, []float32{float32(c.R) / 255, float32(c.G) / 255, float32(c.B) / 255}, batch.X[3*(4*y+x):][:3])
						}
					}
				}
			}
			assert.Len(t, seen, 11)
		})
	}
}

// The split depends on names alone, and a larger Test takes more of each class.
func TestPictureFolderSplit(t *testing.T) {
	labels := func(o Options) (train, test *Set) {
		dir := filepath.Join(t.TempDir(), "x")
		pictureFolder(t, dir, 10, 2, 2, "a", "b")
		train, test, err := o.Open(dir)
		require.NoError(t, err)
		return train, test
	}
	first, held := labels(Options{Test: 0.3})
	again, heldAgain := labels(Options{Test: 0.3})
	assert.Equal(t, first, again)
	assert.Equal(t, held, heldAgain)
	assert.Equal(t, []int32{0, 0, 0, 1, 1, 1}, held.Labels)
	assert.NotEqual(t, held.X[:3*12], held.X[3*12:], "classes are split apart")
}

func TestPictureFolderWithTest(t *testing.T) {
	for _, name := range testFolders {
		dir := t.TempDir()
		pictureFolder(t, filepath.Join(dir, "train"), 3, 2, 2, "a", "b", "c")
		pictureFolder(t, filepath.Join(dir, name), 2, 2, 2, "a", "c")
		train, test, err := Open(dir)
		require.NoError(t, err)
		assert.Equal(t, []int32{0, 0, 0, 1, 1, 1, 2, 2, 2}, train.Labels)
		assert.Equal(t, []int32{0, 0, 2, 2}, test.Labels, "labels are those of the training part")
		assert.Equal(t, []string{"a", "b", "c"}, test.ClassNames)

		_, _, err = Options{Test: 0.5}.Open(dir)
		assert.ErrorContains(t, err, "has no use for Test (--test)")
		pictureFolder(t, filepath.Join(dir, name), 2, 2, 2, "d")
		_, _, err = Open(dir)
		assert.ErrorContains(t, err, `has a class "d" that `+filepath.Join(dir, "train")+" doesn't have")
	}
	dir := t.TempDir()
	pictureFolder(t, filepath.Join(dir, "train"), 5, 2, 2, "a", "b")
	train, test, err := Open(dir)
	require.NoError(t, err)
	assert.Equal(t, []int{8, 2}, []int{train.Len(), test.Len()}, "a train folder alone is split")
}

func TestPictureFolderErrors(t *testing.T) {
	for _, test := range []struct {
		name string
		o    Options
		make func(dir string)
		want string
	}{
		{"an empty class", Options{}, func(dir string) {
			pictureFolder(t, dir, 3, 2, 2, "a", "b")
			require.NoError(t, os.Mkdir(filepath.Join(dir, "c"), 0o777))
		}, filepath.Join("DIR", "c") + " has no pictures, want files that end in one of .png"},
		{"one class", Options{}, func(dir string) { pictureFolder(t, dir, 3, 2, 2, "a") }, "folder DIR has pictures of 1 classes, want a sub-folder for each of 2 or more"},
		{"several sizes", Options{}, func(dir string) {
			pictureFolder(t, dir, 3, 9, 7, "a")
			pictureFolder(t, dir, 3, 5, 6, "b")
		}, "several sizes, such as 9x7 (" + filepath.Join("DIR", "a", "0.png") + ") and 5x6 (" + filepath.Join("DIR", "b", "0.png") + "): choose one by ImageSize (--image-size), such as 5"},
		{"too few to split", Options{Test: 0.1}, func(dir string) { pictureFolder(t, dir, 2, 2, 2, "a", "b") }, "a share of 0.1 leaves no sample for a test"},
		{"a file that is no picture", Options{}, func(dir string) {
			pictureFolder(t, dir, 2, 2, 2, "a", "b")
			writeIn(t, dir, "b", map[string][]byte{"x.jpg": []byte("hello")})
		}, filepath.Join("DIR", "b", "x.jpg") + ": expected a PNG, JPEG, GIF, BMP or WebP picture, got something else"},
		{"an empty file", Options{}, func(dir string) {
			pictureFolder(t, dir, 2, 2, 2, "a", "b")
			writeIn(t, dir, "b", map[string][]byte{"x.jpg": nil})
		}, filepath.Join("DIR", "b", "x.jpg") + ": expected a PNG, JPEG, GIF, BMP or WebP picture, got something else"},
		{"a cut file", Options{Stream: StreamNever}, func(dir string) {
			pictureFolder(t, dir, 2, 2, 2, "a", "b")
			whole := encoded(t, ".png", colored(1, 2, 2))
			writeIn(t, dir, "b", map[string][]byte{"x.png": whole[:len(whole)-20]})
		}, filepath.Join("DIR", "b", "x.png") + ": broken picture: "},
		{"a bomb", Options{ImageSize: 8}, func(dir string) {
			pictureFolder(t, dir, 2, 2, 2, "a", "b")
			writeIn(t, dir, "b", map[string][]byte{"x.png": bomb(60000, 60000)})
		}, filepath.Join("DIR", "b", "x.png") + ": the picture is 60000x60000, 3600000000 pixels, want at most 67108864"},
		{"a label", Options{Label: "x"}, func(dir string) { pictureFolder(t, dir, 2, 2, 2, "a", "b") }, "has no use for Label (--label)"},
		{"a color", Options{Color: "blue"}, func(string) {}, `Color is "blue", want one of auto, gray, color`},
		{"a size", Options{ImageSize: -1}, func(string) {}, "ImageSize is -1, want 1 to 4096"},
		{"a share", Options{Test: 1}, func(string) {}, "Test is 1, want a share above 0 and below 1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			test.make(dir)
			train, held, err := test.o.Open(dir)
			assert.Nil(t, train)
			assert.Nil(t, held)
			assert.ErrorContains(t, err, strings.ReplaceAll(test.want, "DIR", dir))
		})
	}
}

// bomb returns a PNG file that claims a size and has no pixels.
func bomb(width, height uint32) []byte {
	file := []byte("\x89PNG\r\n\x1a\n")
	chunk := append([]byte("IHDR"), make([]byte, 13)...)
	binary.BigEndian.PutUint32(chunk[4:], width)
	binary.BigEndian.PutUint32(chunk[8:], height)
	chunk[12], chunk[13] = 8, 6
	file = binary.BigEndian.AppendUint32(file, 13)
	file = append(file, chunk...)
	return binary.BigEndian.AppendUint32(file, crc32.ChecksumIEEE(chunk))
}

// A picture that breaks after the set was opened ends the loop with an error that names it.
func TestPictureBreaksLater(t *testing.T) {
	dir := t.TempDir()
	pictureFolder(t, dir, 5, 4, 3, "a", "b")
	train, _, err := Options{Stream: StreamAlways}.Open(dir)
	require.NoError(t, err)
	victim := train.Samples.(pictureSamples).paths[2]
	require.NoError(t, os.Truncate(victim, 40))
	for _, last := range (Loader{Set: train, Batch: 8}).Epoch(0) {
		err = last
	}
	assert.ErrorContains(t, err, "dataset: "+victim+": broken picture: ")
	require.NoError(t, os.Remove(victim))
	_, err = train.Load()
	assert.ErrorIs(t, err, os.ErrNotExist)
	assert.ErrorContains(t, err, victim)
}

// readPicture reads a file of a picture as a sample of a size.
func readPicture(t testing.TB, file []byte, p Pictures) []float32 {
	t.Helper()
	path := filepath.Join(t.TempDir(), "picture")
	require.NoError(t, os.WriteFile(path, file, 0o666))
	x, err := (&Input{Pictures: &p}).Picture(path)
	require.NoError(t, err)
	return x
}

// Whatever the format, a picture has the same pixels.
func TestPictureFormats(t *testing.T) {
	// Flat, so that a JPEG loses next to nothing, and with a palette, as GIF has it.
	m := image.NewPaletted(image.Rect(0, 0, 16, 16), color.Palette{color.NRGBA{204, 102, 51, 255}})
	for ending, tolerance := range map[string]float64{".png": 0, ".bmp": 0, ".gif": 0, ".jpg": 2} {
		x := readPicture(t, encoded(t, ending, m), Pictures{16, 16, 3})
		for i := range 256 {
			assert.InDelta(t, 204, float64(x[3*i])*255, tolerance+1e-4, ending)
			assert.InDelta(t, 102, float64(x[3*i+1])*255, tolerance+1e-4, ending)
			assert.InDelta(t, 51, float64(x[3*i+2])*255, tolerance+1e-4, ending)
		}
	}
}

// Lossless and lossy WebP, from the tests of x/image, have the pixels of the same picture as PNG.
func TestPictureWebP(t *testing.T) {
	want := readPicture(t, read(t, "testdata/gopher-doc.1bpp.png"), Pictures{75, 100, 1})
	assert.Equal(t, want, readPicture(t, read(t, "testdata/gopher-doc.1bpp.lossless.webp"), Pictures{75, 100, 1}))
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return content
}

func TestPictureColors(t *testing.T) {
	gray := image.NewGray(image.Rect(0, 0, 3, 2))
	for i := range gray.Pix {
		gray.Pix[i] = uint8(50 * i)
	}
	want := make([]float32, 6)
	for i := range want {
		want[i] = float32(50*i) / 255
	}
	assert.Equal(t, want, readPicture(t, encoded(t, ".png", gray), Pictures{2, 3, 1}))
	x := readPicture(t, encoded(t, ".png", gray), Pictures{2, 3, 3})
	for i, w := range want {
		assert.Equal(t, []float32{w, w, w}, x[3*i:][:3])
	}
	assert.Equal(t, want, readPicture(t, encoded(t, ".png", image.Image(&image.RGBA{Pix: rgba(gray), Stride: 12, Rect: gray.Rect})), Pictures{2, 3, 1}), "a gray stored as a color keeps its value")

	red := image.NewNRGBA(image.Rect(0, 0, 1, 1))
	red.Set(0, 0, color.NRGBA{255, 0, 0, 255})
	assert.Equal(t, []float32{float32(76) / 255}, readPicture(t, encoded(t, ".png", red), Pictures{1, 1, 1}))
	red.Set(0, 0, color.NRGBA{255, 0, 0, 0})
	assert.Equal(t, []float32{1, 1, 1}, readPicture(t, encoded(t, ".png", red), Pictures{1, 1, 3}), "transparent is white")
	red.Set(0, 0, color.NRGBA{0, 0, 0, 51})
	assert.InDelta(t, 0.8, readPicture(t, encoded(t, ".png", red), Pictures{1, 1, 1})[0], 1e-6, "and a fifth of black on it")
}

func rgba(m *image.Gray) (pix []uint8) {
	for _, y := range m.Pix {
		pix = append(pix, y, y, y, 255)
	}
	return pix
}

// Gray pictures alone make gray samples, unless Options says otherwise.
func TestPictureFolderColor(t *testing.T) {
	dir := t.TempDir()
	gray := image.NewGray(image.Rect(0, 0, 3, 2))
	palette := image.NewPaletted(gray.Rect, color.Palette{color.Black, color.White})
	writeIn(t, dir, "a", map[string][]byte{"1.png": encoded(t, ".png", gray), "2.png": encoded(t, ".png", palette), "3.jpg": encoded(t, ".jpg", gray)})
	writeIn(t, dir, "b", map[string][]byte{"1.png": encoded(t, ".png", gray), "2.png": encoded(t, ".png", gray), "3.png": encoded(t, ".png", image.NewGray16(gray.Rect))})
	channels := func(o Options) int {
		train, _, err := o.Open(dir)
		require.NoError(t, err)
		return train.Shape[2]
	}
	assert.Equal(t, []int{1, 1, 3}, []int{channels(Options{}), channels(Options{Color: Gray}), channels(Options{Color: RGB})})
	writeIn(t, dir, "b", map[string][]byte{"4.png": encoded(t, ".png", colored(1, 3, 2))})
	assert.Equal(t, []int{3, 1}, []int{channels(Options{}), channels(Options{Color: Gray})})
}

// Pictures of any size become the size that is asked for; a flat one stays flat.
func TestPictureResize(t *testing.T) {
	for _, from := range [][2]int{{1, 1}, {5, 9}, {64, 48}, {8, 8}} {
		m := image.NewNRGBA(image.Rect(0, 0, from[0], from[1]))
		for i := range from[0] * from[1] {
			m.Set(i%from[0], i/from[0], color.NRGBA{200, 100, 50, 255})
		}
		for i, v := range readPicture(t, encoded(t, ".png", m), Pictures{8, 8, 3}) {
			assert.InDelta(t, []float64{200, 100, 50}[i%3], float64(v)*255, 1.01, "%v", from)
		}
	}
	// A ramp from left to right stays one.
	m := image.NewGray(image.Rect(0, 0, 64, 16))
	for i := range m.Pix {
		m.Pix[i] = uint8(4 * (i % 64))
	}
	x := readPicture(t, encoded(t, ".png", m), Pictures{8, 8, 1})
	for i, v := range x {
		assert.InDelta(t, 4*(8*float64(i%8)+3.5), float64(v)*255, 4, "column %d", i%8)
	}
	dir := t.TempDir()
	pictureFolder(t, dir, 3, 5, 6, "a")
	pictureFolder(t, dir, 3, 9, 2, "b")
	train, _, err := Options{ImageSize: 4}.Open(dir)
	require.NoError(t, err)
	assert.Equal(t, net.Shape{4, 4, 3}, train.Shape)
}

// withOrientation puts EXIF into a JPEG file.
func withOrientation(file []byte, order binary.AppendByteOrder, magic string, orientation uint16) []byte {
	tiff := []byte(magic)
	tiff = order.AppendUint32(tiff, 8)
	tiff = order.AppendUint16(tiff, 2)
	for _, entry := range [][2]uint16{{256, 9}, {orientationTag, orientation}} {
		tiff = order.AppendUint16(tiff, entry[0])
		tiff = order.AppendUint16(tiff, 3)
		tiff = order.AppendUint32(tiff, 1)
		tiff = order.AppendUint16(tiff, entry[1])
		tiff = order.AppendUint16(tiff, 0)
	}
	segment := append([]byte("Exif\x00\x00"), tiff...)
	out := append([]byte{}, file[:2]...)
	out = append(out, 0xff, 0xe1)
	out = binary.BigEndian.AppendUint16(out, uint16(len(segment)+2))
	return append(append(out, segment...), file[2:]...)
}

// Whatever way a camera was held, the picture is upright. The eight pictures are one, turned so
// that its orientation brings it back.
func TestPictureOrientation(t *testing.T) {
	const width, height = 16, 8 // of JPEG's blocks, each of one gray
	upright := func(x, y int) uint8 {
		if x < 8 {
			return 40
		}
		return 200
	}
	turn := map[uint16]func(x, y int) (int, int){ // where the pixel of the upright picture is stored
		1: func(x, y int) (int, int) { return x, y },
		2: func(x, y int) (int, int) { return width - 1 - x, y },
		3: func(x, y int) (int, int) { return width - 1 - x, height - 1 - y },
		4: func(x, y int) (int, int) { return x, height - 1 - y },
		5: func(x, y int) (int, int) { return y, x },
		6: func(x, y int) (int, int) { return y, width - 1 - x },
		7: func(x, y int) (int, int) { return height - 1 - y, width - 1 - x },
		8: func(x, y int) (int, int) { return height - 1 - y, x },
	}
	for orientation, to := range turn {
		stored := image.NewGray(image.Rect(0, 0, width, height))
		if orientation >= 5 {
			stored = image.NewGray(image.Rect(0, 0, height, width))
		}
		for y := range height {
			for x := range width {
				sx, sy := to(x, y)
				stored.SetGray(sx, sy, color.Gray{upright(x, y)})
			}
		}
		file := encoded(t, ".jpg", stored)
		for _, exif := range [][]byte{
			withOrientation(file, binary.LittleEndian, "II*\x00", orientation),
			withOrientation(file, binary.BigEndian, "MM\x00*", orientation),
		} {
			h, err := parseHeader(bytes.NewReader(exif), bufio.NewReader(nil))
			require.NoError(t, err)
			assert.Equal(t, []int{width, height, int(orientation)}, []int{h.width, h.height, h.orientation})
			for _, p := range []Pictures{{height, width, 1}, {height, width, 3}, {4, 4, 1}} {
				tolerance := 6.0 // of JPEG
				if p.Width != width {
					tolerance = 20 // the cubic mixes both sides of the edge
				}
				x := readPicture(t, exif, p)
				for i, v := range x {
					column := i / p.Channels % p.Width
					assert.InDelta(t, upright(column*width/p.Width, 0), v*255, tolerance, "orientation %d, %v, value %d", orientation, p, i)
				}
			}
		}
	}
}

// The turns of a picture whose pixels all differ are those of EXIF's definition.
func TestSteps(t *testing.T) {
	// Stored rows and columns of the picture abc/def, by orientation, as the definition's table has
	// it: 6 is "row 0 is the right side, column 0 the top".
	for orientation, stored := range map[int]string{
		0: "abc|def", 1: "abc|def", 2: "cba|fed", 3: "fed|cba", 4: "def|abc",
		5: "ad|be|cf", 6: "cf|be|ad", 7: "fc|eb|da", 8: "da|eb|fc",
	} {
		stride := strings.IndexByte(stored, '|')
		pixels := strings.ReplaceAll(stored, "|", "")
		corner, right, down := steps(orientation, 2, 3, stride, 1)
		var shown []byte
		for row := range 2 {
			for column := range 3 {
				shown = append(shown, pixels[corner+row*down+column*right])
			}
		}
		assert.Equal(t, "abcdef", string(shown), "orientation %d", orientation)
	}
}

func TestInputPictureErrors(t *testing.T) {
	in := &Input{Pictures: &Pictures{2, 2, 3}}
	_, err := in.Picture(filepath.Join(t.TempDir(), "absent.png"))
	assert.ErrorIs(t, err, os.ErrNotExist)
	for want, bad := range map[string]*Input{
		"an Input has pictures, a table or texts, want one of them": {},
		"an Input of pictures of 0x2x3, want sides of 1 to 409":     {Pictures: &Pictures{0, 2, 3}},
		"an Input of pictures of 2x2x2":                             {Pictures: &Pictures{2, 2, 2}},
		"expected rows of a table":                                  {Table: &Table{Columns: []Column{{Name: "a"}}, Label: Column{Name: "b"}}},
	} {
		_, err := bad.Picture("x.png")
		assert.ErrorContains(t, err, want)
	}
	var none *Input
	_, err = none.Picture("x.png")
	assert.ErrorContains(t, err, "an Input has pictures, a table or texts")
}
