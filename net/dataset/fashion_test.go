package dataset

import (
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// fashionMNIST is where Debian's package dataset-fashion-mnist puts its files.
const fashionMNIST = "/usr/share/datasets/fashion-mnist"

func openFashion(t testing.TB) (train, test *Set) {
	if testing.Short() {
		t.Skip("-short: the race detector makes 11 seconds of it")
	}
	if _, err := os.Stat(fashionMNIST); err != nil {
		t.Skipf("no Fashion-MNIST here (Debian's dataset-fashion-mnist): %v", err)
	}
	train, test, err := Open(fashionMNIST)
	require.NoError(t, err)
	return train, test
}

func TestFashionMNIST(t *testing.T) {
	start := time.Now()
	train, test := openFashion(t)
	t.Logf("read in %v", time.Since(start))

	assert.Equal(t, "fashion-mnist/train", train.Name)
	for _, s := range []struct {
		*Set
		n int
	}{{train, 60000}, {test, 10000}} {
		assert.Equal(t, s.n, s.Len())
		assert.Equal(t, net.Shape{28, 28, 1}, s.Shape)
		assert.Equal(t, 10, s.Classes)
		require.Len(t, s.X, s.n*28*28)
		var counts [10]int
		for _, label := range s.Labels {
			counts[label]++
		}
		for class, count := range counts {
			assert.Equal(t, s.n/10, count, "class %d", class)
		}
	}
	// An ankle boot comes first in either.
	assert.Equal(t, []int32{9, 9}, []int32{train.Labels[0], test.Labels[0]})
}

// 70,000 images, gunzipped: 0.6 s on a core of an AMD EPYC.
func BenchmarkFashionMNIST(b *testing.B) {
	for b.Loop() {
		openFashion(b)
	}
}
