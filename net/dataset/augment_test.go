package dataset

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
)

// imageShapes have one row, one column, one channel, and odd and even sides.
var imageShapes = []net.Shape{{5, 4, 3}, {4, 7, 1}, {3, 3, 2}, {1, 6, 3}, {6, 1, 3}, {1, 1, 1}}

// countedImage returns an image of that shape with the values 1, 2, 3 ...
func countedImage(shape net.Shape) []float32 {
	image := make([]float32, shape.Size())
	for i := range image {
		image[i] = float32(i + 1)
	}
	return image
}

// pixelwise makes an image whose pixel (row, column) is the pixel of image that from names, or zero
// where there is none.
func pixelwise(image []float32, shape net.Shape, from func(row, column int) (int, int)) []float32 {
	made := make([]float32, len(image))
	for row := range shape[0] {
		for column := range shape[1] {
			r, c := from(row, column)
			if r < 0 || r >= shape[0] || c < 0 || c >= shape[1] {
				continue
			}
			copy(made[(row*shape[1]+column)*shape[2]:][:shape[2]], image[(r*shape[1]+c)*shape[2]:])
		}
	}
	return made
}

func TestShift(t *testing.T) {
	for _, shape := range imageShapes {
		for down := 1 - shape[0]; down < shape[0]; down++ {
			for right := 1 - shape[1]; right < shape[1]; right++ {
				image := countedImage(shape)
				want := pixelwise(image, shape, func(row, column int) (int, int) { return row - down, column - right })
				shift(image, shape, down, right)
				require.Equal(t, want, image, "%v by %d, %d", shape, down, right)
			}
		}
	}
}

func TestMirror(t *testing.T) {
	for _, shape := range imageShapes {
		image := countedImage(shape)
		want := pixelwise(image, shape, func(row, column int) (int, int) { return row, shape[1] - 1 - column })
		mirror(image, shape)
		assert.Equal(t, want, image, "%v", shape)
	}
}

// outcomes counts what an augmentation makes of one image, by n streams.
func outcomes(a Augmentation, shape net.Shape, n int) map[string]float64 {
	counts := map[string]float64{}
	for stream := range uint64(n) {
		image := countedImage(shape)
		a.Apply(image, shape, NewRandom(7, stream))
		counts[fmt.Sprint(image)]++
	}
	return counts
}

// Every outcome that there should be comes up, no other, and as often as it should. The bound is
// six standard deviations of a binomial count.
func TestAugmentationsAreFair(t *testing.T) {
	shape := net.Shape{5, 4, 2}
	const n = 5000

	crops := map[string]float64{} // outcome to odds
	for down := -2; down <= 2; down++ {
		for right := -2; right <= 2; right++ {
			image := pixelwise(countedImage(shape), shape, func(row, column int) (int, int) { return row + down, column + right })
			crops[fmt.Sprint(image)] += 1.0 / 25
		}
	}
	mirrored := pixelwise(countedImage(shape), shape, func(row, column int) (int, int) { return row, 3 - column })
	flips := map[string]float64{fmt.Sprint(countedImage(shape)): 0.5, fmt.Sprint(mirrored): 0.5}
	cutouts := func(size int) map[string]float64 {
		odds := map[string]float64{}
		for centerRow := range 5 {
			for centerColumn := range 4 {
				top, left := centerRow-size/2, centerColumn-size/2
				image := pixelwise(countedImage(shape), shape, func(row, column int) (int, int) {
					if row >= top && row < top+size && column >= left && column < left+size {
						return -1, -1
					}
					return row, column
				})
				odds[fmt.Sprint(image)] += 1.0 / 20
			}
		}
		return odds
	}

	for _, test := range []struct {
		augmentation Augmentation
		odds         map[string]float64
	}{
		{Crop{Pad: 2}, crops},
		{Crop{}, map[string]float64{fmt.Sprint(countedImage(shape)): 1}},
		{Flip{}, flips},
		{Cutout{Size: 1}, cutouts(1)},
		{Cutout{Size: 2}, cutouts(2)},
		{Cutout{Size: 3}, cutouts(3)},
		{Cutout{Size: 4}, cutouts(4)},
	} {
		t.Run(fmt.Sprintf("%#v", test.augmentation), func(t *testing.T) {
			require.NoError(t, test.augmentation.Validate(shape))
			counts := outcomes(test.augmentation, shape, n)
			for image, p := range test.odds {
				assert.InDelta(t, n*p, counts[image], 6*math.Sqrt(n*p*(1-p))+1e-9, image)
			}
			assert.Len(t, counts, len(test.odds), "no other outcome")
		})
	}
}

// Recorded outcomes: they must hold on every platform and with every Go release.
func TestAugmentationsRecorded(t *testing.T) {
	shape := net.Shape{3, 3, 1}
	for _, test := range []struct {
		augmentation Augmentation
		want         []float32
	}{
		{Crop{Pad: 1}, []float32{0, 0, 0, 1, 2, 3, 4, 5, 6}},
		{Flip{}, []float32{3, 2, 1, 6, 5, 4, 9, 8, 7}},
		{Cutout{Size: 2}, []float32{1, 2, 3, 0, 0, 6, 0, 0, 9}},
	} {
		image := countedImage(shape)
		test.augmentation.Apply(image, shape, NewRandom(1, 5))
		assert.Equal(t, test.want, image, "%#v", test.augmentation)
	}
}

func TestAugmentationsValidate(t *testing.T) {
	for _, test := range []struct {
		augmentation Augmentation
		shape        net.Shape
		want         string
	}{
		{Crop{Pad: 3}, net.Shape{4, 5, 3}, ""},
		{Crop{Pad: 4}, net.Shape{4, 5, 3}, "Crop: Pad is 4, want 0 to 3 for images of 4x5x3"},
		{Crop{Pad: -1}, net.Shape{4, 5, 3}, "Crop: Pad is -1, want 0 to 3"},
		{Crop{}, net.Shape{64}, "Crop: samples have shape 64, want images of rows, columns and channels"},
		{Flip{}, net.Shape{4, 5, 3}, ""},
		{Flip{}, net.Shape{4, 5}, "Flip: samples have shape 4x5, want images"},
		{Flip{}, net.Shape{4, 0, 1}, "Flip: samples have shape 4x0x1, want images"},
		{Cutout{Size: 4}, net.Shape{5, 4, 3}, ""},
		{Cutout{Size: 5}, net.Shape{5, 4, 3}, "Cutout: Size is 5, want 1 to 4 for images of 5x4x3"},
		{Cutout{}, net.Shape{5, 4, 3}, "Cutout: Size is 0, want 1 to 4"},
		{Cutout{Size: 1}, nil, "Cutout: samples have shape , want images"},
	} {
		err := test.augmentation.Validate(test.shape)
		if test.want == "" {
			assert.NoError(t, err)
		} else {
			assert.ErrorContains(t, err, test.want)
		}
	}
}

func TestAugmentationsAllocateNothing(t *testing.T) {
	shape := net.Shape{32, 32, 3}
	image, random := countedImage(shape), NewRandom(1, 1)
	for _, a := range []Augmentation{Crop{Pad: 4}, Flip{}, Cutout{Size: 8}} {
		assert.Zero(t, testing.AllocsPerRun(20, func() { a.Apply(image, shape, random) }), "%#v", a)
	}
	assert.True(t, slices.Contains(image, 0))
}
