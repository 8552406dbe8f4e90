package catalog

import (
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/dataset"
)

func TestSets(t *testing.T) {
	seen := map[string]bool{}
	unique := func(sum string) {
		assert.Regexp(t, regexp.MustCompile(`^[0-9a-f]{64}$`), sum)
		assert.False(t, seen[sum], sum)
		seen[sum] = true
	}
	for _, s := range Sets {
		t.Run(s.Name, func(t *testing.T) {
			assert.NotEmpty(t, s.About)
			assert.NotEmpty(t, s.License)
			assert.NotEmpty(t, s.Citation)
			assert.True(t, slices.ContainsFunc(dataset.Sources, func(d dataset.Source) bool { return d.Name == s.Name }),
				"dataset.Sources has a row for it")
			assert.Equal(t, len(s.Files) == 0, s.BuiltIn())
			assert.Equal(t, len(s.Packages) == 0, s.BuiltIn())

			var held, names []string
			for _, f := range s.Files {
				unique(f.SHA256)
				assert.Positive(t, f.Size)
				names = append(names, f.Name)
			}
			for _, p := range s.Packages {
				if f, ok := s.packed(p.Name, p.Size); ok {
					assert.Equal(t, File{p.Name, p.Size, p.SHA256}, f, "a package that stays packed")
				} else {
					unique(p.SHA256)
				}
				assert.Positive(t, p.Size)
				assert.GreaterOrEqual(t, len(p.URLs), 2, "a mirror, too")
				for _, text := range p.URLs {
					u, err := url.Parse(text)
					require.NoError(t, err)
					assert.Equal(t, "https", u.Scheme)
					assert.Equal(t, p.Name, filepath.Base(u.Path))
				}
				held = append(held, p.Holds...)
			}
			assert.ElementsMatch(t, names, held, "each file is in one package")
		})
	}
}

func TestLookup(t *testing.T) {
	s, err := Lookup("cifar10")
	require.NoError(t, err)
	assert.Equal(t, "cifar10", s.Name)
	assert.EqualValues(t, 6*30_730_000, s.Size())
	_, err = Lookup("imagenet")
	assert.EqualError(t, err, `unknown data set "imagenet", want one of digits, mnist, fashion-mnist, cifar10, cifar100, brown, spam`)
}

func TestFileOfName(t *testing.T) {
	s, err := Lookup("mnist")
	require.NoError(t, err)
	for _, name := range []string{
		"t10k-labels-idx1-ubyte", "t10k-labels-idx1-ubyte.gz", "t10k-labels.idx1-ubyte", "MNIST/raw/t10k-labels-idx1-ubyte",
		"../../t10k-labels-idx1-ubyte", `/etc/t10k-labels.idx1-ubyte.gz`,
	} {
		f, ok := s.file(name)
		assert.True(t, ok, name)
		assert.Equal(t, "t10k-labels-idx1-ubyte", f.Name)
	}
	for _, name := range []string{"", ".", "/", "t10k-labels", "t10k-labels-idx1-ubyte.gz.partial", "._t10k-labels-idx1-ubyte"} {
		_, ok := s.file(name)
		assert.False(t, ok, name)
	}
}
