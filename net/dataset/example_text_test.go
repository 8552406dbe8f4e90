package dataset_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/steppe-ml/steppe/net/dataset"
)

// Texts of a table are samples of as many tokens as they have. What made them so treats new texts
// alike.
func ExampleOptions_TextFile() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "reviews.tsv")
	file := "review\tverdict\n"
	for range 5 {
		file += "I liked it\tgood\nI left before the end\tbad\n"
	}
	if err := os.WriteFile(path, []byte(file), 0o666); err != nil {
		fmt.Println(err)
		return
	}

	o := dataset.Options{Text: "review", Label: "verdict", TokenizerKind: dataset.TokenizerBytes, Length: 64}
	train, test, err := o.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.Len(), "texts to learn from,", test.Len(), "to test on, of", train.ClassNames)
	batch := train.Range(0, 2)
	fmt.Println("labels", batch.Labels, "tokens from", batch.Starts)

	batch, cut, err := train.Input.Texts("a new review", []string{"I liked the end"}, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(batch.Tokens), "tokens,", cut, "cut off")
	// Output:
	// 8 texts to learn from, 2 to test on, of [bad good]
	// labels [1 0] tokens from [0 12 35]
	// 17 tokens, 0 cut off
}
