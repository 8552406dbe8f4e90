package dataset

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

func TestSources(t *testing.T) {
	seen := map[string]bool{}
	for _, source := range Sources {
		assert.NotEmpty(t, source.Name)
		assert.NotEmpty(t, source.About, source.Name)
		assert.NotNil(t, source.Open, source.Name)
		assert.False(t, seen[source.Name], source.Name)
		seen[source.Name] = true
	}
	assert.Equal(t, []string{folder, file}, []string{Sources[len(Sources)-2].Name, Sources[len(Sources)-1].Name}, "what takes any folder or file comes last")
}

func TestOpen(t *testing.T) {
	dir := write(t, mnist("-", ".gz", zipped))
	for _, test := range []struct {
		spec                   string
		shape                  net.Shape
		classes, train, test   int
		trainName, nameOfOther string
	}{
		{"digits", net.Shape{8, 8, 1}, 10, 1438, 359, "digits/train", "digits/test"},
		{"synthetic:4x3x2", net.Shape{4, 3, 2}, 10, 4096, 1024, "synthetic:4x3x2/train", "synthetic:4x3x2/test"},
		{"synthetic:64", net.Shape{64}, 10, 4096, 1024, "synthetic:64/train", "synthetic:64/test"},
		{dir, net.Shape{2, 3, 1}, 3, 3, 2, filepath.Base(dir) + "/train", filepath.Base(dir) + "/test"},
	} {
		t.Run(test.spec, func(t *testing.T) {
			train, held, err := Open(test.spec)
			require.NoError(t, err)
			assert.Equal(t, []string{test.trainName, test.nameOfOther}, []string{train.Name, held.Name})
			assert.Equal(t, []int{test.train, test.test}, []int{train.Len(), held.Len()})
			for _, s := range []*Set{train, held} {
				assert.Equal(t, test.shape, s.Shape)
				assert.Equal(t, test.classes, s.Classes)
			}
			assert.NotEqual(t, train.Labels[:2], held.Labels[:2])
		})
	}
}

func TestOpenErrors(t *testing.T) {
	t.Chdir(write(t, map[string][]byte{"file": nil}))
	require.NoError(t, os.Mkdir("empty", 0o777))

	const known = " is neither a known data set nor a folder or file, expected one of digits, mnist, fashion-mnist, cifar10, cifar100, brown, spam, synthetic:HxWxC, FOLDER, FILE"
	const malformed = ": expected positive dimensions such as 32x32x3 or 64, got "
	const large = ": expected at most 209715 floats a sample, got "
	for _, test := range []struct{ spec, want string }{
		{"cifar", `"cifar"` + known},
		{"", `""` + known},
		{"file", "file is a file, but neither a table nor text, want a name that ends in one of .csv, .tsv, "},
		{"absent.csv", "open absent.csv: "},
		{"FOLDER", `"FOLDER"` + known},
		{"synthetic", `"synthetic"` + known},
		{"digits:3", `"digits:3"` + known},
		{"empty", "folder empty has no data set, looked for the files of MNIST (train-images-idx3-ubyte, "},
		{"synthetic:", "synthetic:" + malformed + `""`},
		{"synthetic:axb", "synthetic:axb" + malformed + `"axb"`},
		{"synthetic:32x32x", "synthetic:32x32x" + malformed + `"32x32x"`},
		{"synthetic:32x0x3", "synthetic:32x0x3" + malformed + `"32x0x3"`},
		{"synthetic:-4", "synthetic:-4" + malformed + `"-4"`},
		{"synthetic:99999999999999999999", malformed},
		{"synthetic:1000x1000", large + "1000x1000"},
		{"synthetic:2147483647x2147483647", large},
		{"synthetic:209716", large + "209716"},
	} {
		t.Run(test.spec, func(t *testing.T) {
			train, held, err := Open(test.spec)
			assert.Nil(t, train)
			assert.Nil(t, held)
			assert.ErrorContains(t, err, test.want)
		})
	}
}

// A folder may be named like another source.
func TestOpenFolderNamedDigits(t *testing.T) {
	t.Chdir(write(t, nil))
	require.NoError(t, os.Mkdir("digits", 0o777))
	_, _, err := Open("digits")
	assert.NoError(t, err)
	_, _, err = Open("./digits")
	assert.ErrorContains(t, err, "folder ./digits has no data set")
}

func TestParseShape(t *testing.T) {
	shape, err := parseShape("224x224x3", syntheticFloats/(syntheticTrain+syntheticTest))
	require.NoError(t, err)
	assert.Equal(t, net.Shape{224, 224, 3}, shape)
}

func TestIsPath(t *testing.T) {
	t.Chdir(write(t, map[string][]byte{"a.csv": nil}))
	t.Setenv(CacheEnv, t.TempDir())
	for _, dir := range []string{"digits", "cifar10", "mnist", "own"} {
		require.NoError(t, os.Mkdir(dir, 0o777))
	}
	require.NoError(t, os.Mkdir(filepath.Join(CacheDir(), "mnist"), 0o777))
	for spec, want := range map[string]bool{
		"digits": false, "./digits": true, "own": true, "none": false, "a.csv": true, "synthetic:3": false,
		"mnist": false, "./mnist": true, "fashion-mnist": false, "cifar10": true, // which isn't in the cache
	} {
		assert.Equal(t, want, IsPath(spec), spec)
	}
}
