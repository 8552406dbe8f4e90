package catalog_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/dataset/catalog"
)

// Lookup finds a data set, and Check says whether its files are in a cache folder.
func Example() {
	cache, err := os.MkdirTemp("", "cache") // "" is the user's own
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(cache)
	set, err := catalog.Lookup("mnist")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(set.About)
	switch damage, err := set.Check(context.Background(), cache); {
	case errors.Is(err, fs.ErrNotExist):
		fmt.Printf("not there: %.1f MB to download\n", float64(set.PackageSize())/1e6)
	case err != nil:
		fmt.Println(err)
	case len(damage) > 0:
		fmt.Println("damaged:", damage)
	}
	// Output:
	// 70,000 handwritten digits of 28x28 gray pixels
	// not there: 11.6 MB to download
}

// Get downloads a data set, if it isn't in the user's cache folder yet, and Open reads it by name.
func ExampleSet_Get() {
	set, err := catalog.Lookup("mnist")
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := set.Get(context.Background(), catalog.Options{}); err != nil {
		fmt.Println(err)
		return
	}
	train, test, err := dataset.Open(set.Name)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.Len(), "and", test.Len(), "samples")
}
