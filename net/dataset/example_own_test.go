package dataset_test

import (
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"

	"github.com/steppe-ml/steppe/net/dataset"
)

// A table becomes samples to regress, and rows that come later are treated alike.
func ExampleOptions_Open() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "houses.csv")
	text := "rooms,town,price\n"
	for i := range 30 {
		text += fmt.Sprintf("%d,%s,%d\n", 1+i%5, []string{"Bonn", "Ulm"}[i%2], 100000+50000*(i%5)+7000*(i%2))
	}
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		fmt.Println(err)
		return
	}

	train, test, err := dataset.Options{Label: "price", Task: dataset.Regress}.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.Len(), "rows to train and", test.Len(), "to test, of shape", train.Shape)
	x, n, err := train.Input.Rows(strings.NewReader("town,rooms\nUlm,3\nBonn,3\n"), "new rows")
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(n, "rows to predict, their towns as", x[1:3], "and", x[4:6])
	fmt.Printf("%.0f is the mean price\n", train.Input.Target(0))

	_, _, err = train.Input.Rows(strings.NewReader("town,rooms\nUlm,three\n"), "new rows")
	fmt.Println(err)
	// Output:
	// 24 rows to train and 6 to test, of shape 3
	// 2 rows to predict, their towns as [0 1] and [1 0]
	// 209458 is the mean price
	// dataset: new rows: line 2, column "rooms": expected a finite number, got "three"
}

// A folder of pictures has a sub-folder for each class.
func ExampleOptions_PictureFolder() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	for i := range 20 { // dark and bright squares of several sizes
		name, side := []string{"bright", "dark"}[i%2], 20+i
		picture := image.NewGray(image.Rect(0, 0, side, side))
		for at := range picture.Pix {
			picture.Pix[at] = color.Gray{uint8(220 - 200*(i%2))}.Y
		}
		if err := save(filepath.Join(dir, name, fmt.Sprint(i, ".png")), picture); err != nil {
			fmt.Println(err)
			return
		}
	}
	train, test, err := dataset.Options{ImageSize: 8}.PictureFolder(dir)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(train.Len(), "pictures to train and", test.Len(), "to test, of shape", train.Shape)
	fmt.Println("the classes are", train.ClassNames)

	x, err := test.Input.Picture(filepath.Join(dir, "dark", "3.png"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("a dark pixel is %.3f\n", x[0])
	// Output:
	// 16 pictures to train and 4 to test, of shape 8x8x1
	// the classes are [bright dark]
	// a dark pixel is 0.078
}

func save(path string, picture image.Image) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return err
	}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := png.Encode(file, picture); err != nil {
		return err
	}
	return file.Close()
}
