package dataset

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

func TestCacheDir(t *testing.T) {
	work := t.TempDir()
	t.Chdir(work)
	t.Setenv(CacheEnv, "data")
	assert.Equal(t, filepath.Join(work, "data"), CacheDir(), "absolute")

	t.Setenv(CacheEnv, "")
	user, err := os.UserCacheDir()
	if err != nil {
		t.Skip(err)
	}
	assert.Equal(t, filepath.Join(user, "steppe"), CacheDir())
}

func TestNoCacheDir(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{CacheEnv, "XDG_CACHE_HOME", "HOME", "LocalAppData", "home"} {
		t.Setenv(name, "")
	}
	if _, err := os.UserCacheDir(); err == nil {
		t.Skip("this system knows a cache folder by other means")
	}
	assert.Empty(t, CacheDir())
	_, _, err := Open("mnist")
	assert.ErrorContains(t, err, "dataset: no folder to keep mnist in: STEPPE_DATA isn't set")
}

// Open finds named sets in the cache, with the names of their classes.
func TestOpenNamed(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(CacheEnv, cache)
	t.Chdir(t.TempDir())
	writeIn(t, cache, "mnist", mnist("-", "", plain))
	writeIn(t, cache, "cifar10", cifar10("", plain))
	writeIn(t, cache, "cifar100", cifar100("", plain))
	for _, test := range []struct {
		name, first string
		shape       net.Shape
		classes     int
	}{
		{"digits", "0", net.Shape{8, 8, 1}, 10},
		{"cifar10", "airplane", net.Shape{32, 32, 3}, 10},
		{"cifar100", "apple", net.Shape{32, 32, 3}, 100},
	} {
		t.Run(test.name, func(t *testing.T) {
			train, held, err := Open(test.name)
			require.NoError(t, err)
			for _, s := range []*Set{train, held} {
				assert.Equal(t, test.shape, s.Shape)
				assert.Equal(t, test.classes, s.Classes)
				require.Len(t, s.ClassNames, test.classes)
				assert.Equal(t, test.first, s.ClassNames[0])
			}
			assert.Equal(t, test.name+"/train", train.Name)
			assert.Equal(t, test.name+"/test", held.Name)
		})
	}
}

// The file of the test has 3 classes, so it isn't MNIST, and the names would be wrong.
func TestOpenNamedOfOtherClasses(t *testing.T) {
	cache := t.TempDir()
	t.Setenv(CacheEnv, cache)
	writeIn(t, cache, "mnist", mnist("-", "", plain))
	_, _, err := Open("mnist")
	assert.EqualError(t, err, "dataset: mnist has 3 classes, want 10 (steppe data check mnist says what is damaged, steppe data get mnist mends it)")
}

func TestOpenNamedIsNotThere(t *testing.T) {
	cache := filepath.Join(t.TempDir(), "cache")
	t.Setenv(CacheEnv, cache)
	work := t.TempDir()
	t.Chdir(work)
	_, _, err := Open("mnist")
	assert.EqualError(t, err, "dataset: mnist isn't in "+cache+": steppe data get mnist fetches it")
	assert.ErrorIs(t, err, fs.ErrNotExist)

	// A folder of that name serves until the data set is in the cache.
	writeIn(t, work, "mnist", mnist("-", "", plain))
	train, _, err := Open("mnist")
	require.NoError(t, err)
	assert.Nil(t, train.ClassNames)
	writeIn(t, cache, "mnist", nil)
	_, _, err = Open("mnist")
	assert.ErrorContains(t, err, "folder "+filepath.Join(cache, "mnist")+" has no train-images")
	assert.ErrorContains(t, err, "(steppe data check mnist says what is damaged, steppe data get mnist mends it)")
	_, _, err = Open("./mnist")
	assert.NoError(t, err)
}

func TestClassNames(t *testing.T) {
	for name, names := range map[string][]string{"digits": digitNames, "fashion": fashionNames, "cifar10": cifar10Names} {
		assert.Len(t, names, 10, name)
	}
	assert.Len(t, cifar100Names, 100)
	assert.IsIncreasing(t, cifar100Names)
	assert.Equal(t, []string{"beaver", "willow_tree"}, []string{cifar100Names[4], cifar100Names[96]})
	assert.Equal(t, "Ankle boot", fashionNames[9])
}
