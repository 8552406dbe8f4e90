package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/dataset/catalog"
)

// cacheOfTest gives a test a cache folder of its own.
func cacheOfTest(t *testing.T) string {
	cache := filepath.Join(t.TempDir(), "cache")
	t.Setenv(dataset.CacheEnv, cache)
	return cache
}

// catalogOfTest has the catalog list one small data set, which handle serves, beside digits. It
// returns the content of its file.
func catalogOfTest(t *testing.T, handle func(w http.ResponseWriter, r *http.Request, packed []byte)) []byte {
	content := bytes.Repeat([]byte("steppe"), 50_000)
	var b bytes.Buffer
	w, err := gzip.NewWriterLevel(&b, gzip.NoCompression)
	require.NoError(t, err)
	w.Write(content)
	require.NoError(t, w.Close())
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handle(w, r, b.Bytes()) }))
	t.Cleanup(server.Close)
	sums := [2]string{}
	for i, c := range [][]byte{content, b.Bytes()} {
		sum := sha256.Sum256(c)
		sums[i] = hex.EncodeToString(sum[:])
	}
	real := catalog.Sets
	t.Cleanup(func() { catalog.Sets = real })
	catalog.Sets = append(real[:1:1], catalog.Set{
		Name: "words", About: "one word again and again", License: "none", Citation: "nobody", Homepage: server.URL,
		Files: []catalog.File{{Name: "words.bin", Size: int64(len(content)), SHA256: sums[0]}},
		Packages: []catalog.Package{{
			Name: "words.bin.gz", Size: int64(b.Len()), SHA256: sums[1], URLs: []string{server.URL + "/words.bin.gz"}, Holds: []string{"words.bin"},
		}},
	})
	return content
}

func serveWhole(w http.ResponseWriter, r *http.Request, packed []byte) {
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(packed))
}

func TestDataHelp(t *testing.T) {
	for _, name := range []string{"data", "data list", "data get", "data check", "data show", "data unpack"} {
		code, stdout, stderr := steppe(t, append(strings.Fields(name), "--help")...)
		assert.Zero(t, code)
		assert.Empty(t, stderr)
		assert.Contains(t, stdout, "Examples:\n  steppe "+name)
		for line := range strings.SplitSeq(stdout, "\n") {
			assert.LessOrEqual(t, utf8.RuneCountInString(line), 80, line)
		}
	}
	_, help, _ := steppe(t, "data", "--help")
	_, stdout, _ := steppe(t, "data")
	assert.Equal(t, help, stdout)
}

func TestDataGetAndCheck(t *testing.T) {
	cache := cacheOfTest(t)
	catalogOfTest(t, serveWhole)
	folder := filepath.Join(cache, "words")

	code, stdout, stderr := steppe(t, "data", "check")
	assert.Zero(t, code, stderr)
	assert.Equal(t, "There is no data set in "+cache+".\n", stdout)
	code, stdout, stderr = steppe(t, "data", "check", "words")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "steppe: catalog: words isn't in "+cache+": steppe data get words fetches it\n", stderr)

	code, stdout, stderr = steppe(t, "data", "get", "digits", "words")
	assert.Zero(t, code, stderr)
	assert.Empty(t, stderr)
	assert.Equal(t, "digits is built in, there is nothing to get.\n"+
		"words is in "+folder+": 1 file, 0.300 MB, with the right SHA-256.\n", stdout)
	code, stdout, stderr = steppe(t, "data", "check")
	assert.Zero(t, code, stderr)
	assert.Equal(t, "words: whole, 1 file of 0.300 MB\n", stdout)

	require.NoError(t, os.WriteFile(filepath.Join(folder, "words.bin"), []byte("wards"), 0o666))
	code, stdout, stderr = steppe(t, "data", "check", "digits", "words")
	assert.Equal(t, 1, code)
	assert.Equal(t, "digits: built in\nwords: 1 of 1 file missing or damaged\n  words.bin: 5 bytes, want 300000\n", stdout)
	assert.Equal(t, "steppe: damaged: words; steppe data get words mends that\n", stderr)

	code, stdout, _ = steppe(t, "data", "check", "--json")
	assert.Equal(t, 1, code)
	assert.JSONEq(t, `{"cache": "`+cache+`", "sets": [{"name": "words", "whole": false, "damaged": [
		{"path": "`+filepath.Join(folder, "words.bin")+`", "error": "5 bytes, want 300000"}]}]}`, stdout)

	code, stdout, stderr = steppe(t, "data", "get", "words", "--json")
	assert.Zero(t, code, stderr)
	assert.JSONEq(t, `{"sets": [{"name": "words", "built_in": false, "folder": "`+folder+`"}]}`, stdout)
}

func TestDataGetFrom(t *testing.T) {
	cache := cacheOfTest(t)
	content := catalogOfTest(t, func(w http.ResponseWriter, r *http.Request, packed []byte) { t.Error("--from asks no server") })
	from := t.TempDir()
	code, _, stderr := steppe(t, "data", "get", "words", "--from", from)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: catalog: "+from+": no words.bin of words, looked for files of these names, gzipped or not, and in words.bin.gz\n", stderr)
	require.NoError(t, os.WriteFile(filepath.Join(from, "words.bin"), content, 0o666))
	code, stdout, stderr := steppe(t, "data", "get", "words", "--from", from)
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "words is in "+filepath.Join(cache, "words"))
}

// An interrupt says what is kept, and that get goes on from there.
func TestDataGetInterrupted(t *testing.T) {
	cache := cacheOfTest(t)
	ctx, cancel := context.WithCancel(t.Context())
	catalogOfTest(t, func(w http.ResponseWriter, r *http.Request, packed []byte) {
		w.Header().Set("Content-Length", "300100")
		w.Write(packed[:200_000])
		w.(http.Flusher).Flush()
		for { // until all of it has arrived
			info, err := os.Stat(filepath.Join(cache, "words.partial", "words.bin.gz.partial"))
			if err == nil && info.Size() == 200_000 {
				break
			}
			time.Sleep(time.Millisecond)
		}
		cancel()
		<-r.Context().Done()
	})
	code, stdout, stderr := steppeIn(t, ctx, "data", "get", "words")
	assert.Equal(t, 130, code)
	assert.Empty(t, stdout)
	assert.Equal(t, "steppe: 0.200 MB of 0.300 MB are kept: steppe data get words goes on from there\nsteppe: interrupted\n", stderr)
}

func TestDataGetFails(t *testing.T) {
	cacheOfTest(t)
	catalogOfTest(t, func(w http.ResponseWriter, r *http.Request, _ []byte) { http.NotFound(w, r) })
	code, stdout, stderr := steppe(t, "data", "get", "words")
	assert.Equal(t, 1, code)
	assert.Empty(t, stdout)
	url := catalog.Sets[1].Packages[0].URLs[0]
	assert.Equal(t, "steppe: catalog: can't fetch words.bin.gz of words:\n  "+url+": 404 Not Found\n"+
		"Or fetch these files by other means, put them into a folder, and run\nsteppe data get words --from FOLDER:\n  "+url+"\n", stderr)
}

func TestDataList(t *testing.T) {
	cache := cacheOfTest(t)
	require.NoError(t, os.MkdirAll(filepath.Join(cache, "mnist"), 0o777))
	code, stdout, stderr := steppe(t, "data", "list")
	assert.Zero(t, code, stderr)
	assert.Regexp(t, `(?m)^digits +built in +1,797`, stdout)
	assert.Regexp(t, `(?m)^mnist +yes +11\.6 MB +70,000`, stdout)
	assert.Regexp(t, `(?m)^cifar100 +no +169 MB +60,000`, stdout)
	assert.Contains(t, stdout, "The cache folder is "+cache+". Set STEPPE_DATA to have another one.\n")
	_, stdout, _ = steppe(t, "data", "list", "--quiet")
	assert.NotContains(t, stdout, "STEPPE_DATA")

	_, stdout, _ = steppe(t, "data", "list", "--json")
	var list struct {
		Cache string
		Sets  []struct {
			Name, License, Citation string
			Cached                  bool
			Files                   []struct{ Name, SHA256 string }
			Downloads               []struct{ URLs []string }
		}
	}
	require.NoError(t, json.Unmarshal([]byte(stdout), &list))
	assert.Equal(t, cache, list.Cache)
	require.Len(t, list.Sets, len(catalog.Sets))
	mnist := list.Sets[1]
	assert.Equal(t, "mnist", mnist.Name)
	assert.True(t, mnist.Cached)
	assert.NotEmpty(t, mnist.License)
	assert.NotEmpty(t, mnist.Citation)
	assert.Equal(t, catalog.Sets[1].Files[0].SHA256, mnist.Files[0].SHA256)
	assert.Equal(t, catalog.Sets[1].Packages[0].URLs, mnist.Downloads[0].URLs)
}

func TestDataErrors(t *testing.T) {
	cache := cacheOfTest(t)
	t.Chdir(t.TempDir())
	for line, want := range map[string]string{
		"data frob":                         `unknown command "frob", want steppe data list, get, check or show`,
		"data list mnist":                   `steppe data list takes flags only, got "mnist"`,
		"data get":                          "steppe data get wants a name, one of digits, mnist, fashion-mnist, cifar10, cifar100",
		"data get mnist frob":               `unknown data set "frob", want one of digits, mnist`,
		"data get mnist --from=":            `--from is "", want a folder, an archive or a file`,
		"data get mnist --from none":        "catalog: none: no such file or directory",
		"data check frob":                   `unknown data set "frob", want one of digits, mnist`,
		"data show":                         "steppe data show wants the name, file or folder of one data set, got 0",
		"data show digits mnist":            "steppe data show wants the name, file or folder of one data set, got 2",
		"data show mnist":                   "dataset: mnist isn't in " + cache + ": steppe data get mnist fetches it",
		"data show digits --color frob":     `--color is "frob", want one of auto, gray, color`,
		"data show digits --label frob":     "dataset: digits has no use for Label (--label)",
		"data show frob":                    `dataset: "frob" is neither a known data set nor a folder`,
		"data show digits --out digits.jpg": `--out is "digits.jpg", want a name that ends in .png`,
		"data show synthetic:9 --out 9.png": "--out draws pictures, but the samples of synthetic:9/train are 9 numbers",
	} {
		t.Run(line, func(t *testing.T) {
			code, stdout, stderr := steppe(t, strings.Fields(line)...)
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.Contains(t, stderr, "steppe: "+want)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
		})
	}
	entries, err := os.ReadDir(".")
	require.NoError(t, err)
	assert.Empty(t, entries)
}

func TestDataShow(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := steppe(t, "data", "show", "digits", "--out", "digits.png")
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "digits: 1,438 training and 359 test samples of 8x8x1 in 10 classes\n")
	assert.Regexp(t, `(?m)^ +3 +3 +146 +37$`, stdout)
	assert.Contains(t, stdout, "\n   -#@#=..=++=.       .-#@@%+:         .-+##+*%#:           :+#%@#-.\n")
	assert.Contains(t, stdout, "\nclass 0           class 1           class 2           class 3\n")
	assert.Contains(t, stdout, "\nMore samples are in digits.png.\n")
	for line := range strings.SplitSeq(stdout, "\n") {
		assert.LessOrEqual(t, len([]rune(line)), 80, line)
	}

	// Ten samples of a class are below each other, in ten rows of 8x8 pixels eight times as large.
	sheet := readPNG(t, "digits.png")
	train, _, err := dataset.Digits()
	require.NoError(t, err)
	const left, top, pixel, step = 2*sheetGap + sheetName, sheetGap, 8, 64 + sheetGap
	for class, samples := range byClass(train, 10) {
		for i, sample := range samples {
			for p, want := range train.Range(sample, 1).X {
				at := image.Pt(left+i*step+p%8*pixel+pixel/2, top+class*step+p/8*pixel+pixel/2)
				gray, _, _, _ := sheet.At(at.X, at.Y).RGBA()
				require.InDelta(t, want, float64(gray)/0xffff, 0.003, "class %d, sample %d, pixel %d", class, i, p)
			}
		}
	}

	_, stdout, _ = steppe(t, "data", "show", "digits", "--json")
	var facts dataFacts
	require.NoError(t, json.Unmarshal([]byte(stdout), &facts))
	assert.Equal(t, []int{8, 8, 1}, facts.Shape)
	assert.Equal(t, classFacts{9, "9", 144, 36}, facts.Classes[9])
	_, stdout, _ = steppe(t, "data", "show", "digits", "--quiet")
	assert.NotContains(t, stdout, "#@#")
}

func readPNG(t *testing.T, path string) image.Image {
	file, err := os.Open(path)
	require.NoError(t, err)
	defer file.Close()
	img, err := png.Decode(file)
	require.NoError(t, err)
	return img
}

func TestDataShowTable(t *testing.T) {
	_, stdout, _ := steppe(t, "data", "show", "synthetic:100")
	assert.Regexp(t, `(?m)^sample 0, class \d: .* \.\.\. \d\d more$`, stdout)
	for line := range strings.SplitSeq(stdout, "\n") {
		assert.LessOrEqual(t, len([]rune(line)), 80, line)
	}
}

func TestDataShowPictures(t *testing.T) {
	t.Chdir(t.TempDir())
	for class, level := range map[string]uint8{"cats": 255, "dogs": 51} {
		require.NoError(t, os.MkdirAll(filepath.Join("photos", class), 0o777))
		for i := range 10 {
			img := image.NewGray(image.Rect(0, 0, 12, 12))
			for p := range img.Pix {
				img.Pix[p] = level
			}
			var b bytes.Buffer
			require.NoError(t, png.Encode(&b, img))
			require.NoError(t, os.WriteFile(filepath.Join("photos", class, strconv.Itoa(i)+".png"), b.Bytes(), 0o666))
		}
	}
	for _, stream := range []string{"always", "never"} {
		code, stdout, stderr := steppe(t, "data", "show", "photos", "--image-size", "8", "--stream", stream, "--out", "photos.png")
		assert.Zero(t, code, stderr)
		assert.Contains(t, stdout, "photos: 16 training and 4 test samples of 8x8x1 in 2 classes\n")
		assert.Regexp(t, `(?m)^ +1  dogs +8 +2$`, stdout)
		assert.Contains(t, stdout, "\n@@@@@@@@@@@@@@@@  ................\ncats              dogs\n")
		sheet := readPNG(t, "photos.png")
		for row, want := range []uint32{255, 51} {
			gray, _, _, _ := sheet.At(2*sheetGap+sheetName+3, sheetGap+row*68+3).RGBA()
			assert.Equal(t, want, gray>>8)
		}
	}
}

// Targets are in the units of the file.
func TestDataShowTableOfFile(t *testing.T) {
	t.Chdir(t.TempDir())
	text := "size,kind,price\n"
	for i := range 50 {
		text += strconv.Itoa(i) + "," + []string{"old", "new"}[i%2] + "," + strconv.Itoa(1000+2*i) + ".5\n"
	}
	require.NoError(t, os.WriteFile("houses.csv", []byte(text), 0o666))
	code, stdout, stderr := steppe(t, "data", "show", "houses.csv", "--label", "price")
	assert.Zero(t, code, stderr)
	assert.Contains(t, stdout, "houses.csv: 40 training and 10 test samples of 3\n")
	assert.Regexp(t, `(?m)^ +10\d\d(\.\d+)? +\d\d\.\d+ +10\d\d\.5 +10\d\d\.5$`, stdout)
	assert.Contains(t, stdout, "Samples come from 2 columns: size, kind (2 words). Numbers are standardized,\nand words")
	assert.Regexp(t, `(?m)^sample 0, target 1\d{3}(\.5)?: -?\d`, stdout)
}

// A set of a regression has the spread of its targets.
func TestDataFactsOfTargets(t *testing.T) {
	s := &dataset.Set{Name: "two", Shape: net.Shape{2}, X: []float32{1, 2, 3, 4}, Targets: []float32{0, 5, 4, 5}}
	facts := factsOf("two", s, s.Head(1))
	assert.Equal(t, []spread{{2, 2, 0, 4}, {5, 0, 5, 5}}, facts.Targets)
	assert.Nil(t, facts.Classes)
	var b bytes.Buffer
	facts.print(&b)
	assert.Contains(t, b.String(), "two: 2 training and 1 test sample of 2\n")
	assert.Regexp(t, `(?m)^ +2 +2 +0 +4$`, b.String())
	assert.Equal(t, "sample 0, target 0 5: 1 2\nsample 1, target 4 5: 3 4\n", textRows(s))
}

// Sheets of sets without classes, with many of them, with long names, and with large pictures.
func TestSheets(t *testing.T) {
	cifar := dataset.Synthetic(net.Shape{32, 32, 3}, 100, 1000, 1)
	long := dataset.Synthetic(net.Shape{300, 200, 1}, 2, 4, 1)
	long.ClassNames = []string{strings.Repeat("long ", 20), "кошка"}
	unlabeled := dataset.Synthetic(net.Shape{10, 30, 1}, 2, 24, 1)
	unlabeled.Labels, unlabeled.Targets, unlabeled.Classes = nil, make([]float32, 24), 0
	for _, test := range []struct {
		name string
		set  *dataset.Set
		want image.Point
	}{
		{"100 classes", cifar, image.Pt(5*(sheetName+3*68+16), 20*68+4)},
		{"large pictures", long, image.Pt(sheetName+10*(85+4)+16, 2*(128+4)+4)},
		{"no classes", unlabeled, image.Pt(sheetName+10*(60+4)+16, 3*(20+4)+4)},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "sheet.png")
			require.NoError(t, drawSheet(path, test.set))
			assert.Equal(t, test.want, readPNG(t, path).Bounds().Max)
			for line := range strings.SplitSeq(textSamples(test.set), "\n") {
				assert.LessOrEqual(t, len([]rune(line)), screenWidth, line)
			}
		})
	}
}

// Values outside 0 to 1 are scaled by the least and the greatest of the sample.
func TestPicture(t *testing.T) {
	gray := func(x ...float32) (levels []uint32) {
		img := picture(x, net.Shape{1, len(x), 1})
		for i := range x {
			level, _, _, _ := img.At(i, 0).RGBA()
			levels = append(levels, level>>8)
		}
		return levels
	}
	assert.Equal(t, []uint32{0, 51, 255}, gray(0, 0.2, 1))
	assert.Equal(t, []uint32{51, 51}, gray(0.2, 0.2))
	assert.Equal(t, []uint32{0, 128, 255}, gray(-3, 0, 3))
	assert.Equal(t, []uint32{0, 0}, gray(7, 7))
	r, g, b, _ := picture([]float32{1, 0, 0.2}, net.Shape{1, 1, 3}).At(0, 0).RGBA()
	assert.Equal(t, []uint32{255, 0, 51}, []uint32{r >> 8, g >> 8, b >> 8})
}

// One test sample is drawn in its own size, and can be classified.
func TestDataShowSample(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := steppe(t, "data", "show", "digits", "--sample", "358", "--out", "one.png")
	require.Zero(t, code, stderr)
	_, test, err := dataset.Digits()
	require.NoError(t, err)
	assert.Equal(t, fmt.Sprintf("one.png is sample 358 of digits/test: %d.\n", test.Labels[358]), stdout)
	x, err := test.Input.Picture("one.png")
	require.NoError(t, err)
	assert.InDeltaSlice(t, test.Range(358, 1).X, x, 0.5/255)
	for flags, want := range map[string]string{
		"--sample 3":                 "--sample 3 without --out, want a FILE.png to draw it into",
		"--sample 359 --out one.png": "--sample is 359, want 0 to 358: digits/test has 359 samples",
	} {
		code, _, stderr := steppe(t, append([]string{"data", "show", "digits"}, strings.Fields(flags)...)...)
		assert.Equal(t, 1, code)
		assert.Contains(t, stderr, want)
	}
}

// A data set that is unpacked is the same data set.
func TestDataUnpack(t *testing.T) {
	t.Chdir(t.TempDir())
	code, stdout, stderr := steppe(t, "data", "unpack", halves(t, false), "pictures")
	require.Zero(t, code, stderr)
	assert.Equal(t, "pictures has 96 pictures in 2 classes.\n", stdout)
	train, test, err := dataset.Open("pictures")
	require.NoError(t, err)
	assert.Equal(t, []int{64, 32, 2}, []int{train.Len(), test.Len(), train.Classes})
	assert.Equal(t, []string{"0", "1"}, train.ClassNames)
	x := make([]float32, 16)
	require.NoError(t, train.Read(0, x))
	assert.Equal(t, []float32{200. / 255, 200. / 255, 0, 0}, x[:4], "the left half is bright")

	code, _, stderr = steppe(t, "data", "unpack", "digits", "pictures")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "pictures is there already, want a folder to make")
	code, _, stderr = steppe(t, "data", "unpack", "synthetic:8", "others")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "synthetic:8 has no pictures in classes: its samples are 8")
}
