package dataset

import (
	"fmt"

	"github.com/steppe-ml/steppe/net"
)

// Augmentation changes the samples of a training set a little, differently in each epoch, so that a
// model can't learn them by heart. The types of this package work on images [H, W, C]. Other types
// may work on any shape.
type Augmentation interface {
	// Validate returns an error if the augmentation can't work on samples of that shape.
	Validate(shape net.Shape) error
	// Apply changes one sample of that shape in place. Its result may depend on the sample and
	// on bits of random only. It must not keep either of them, and must not allocate.
	Apply(sample []float32, shape net.Shape, random *Random)
}

// Crop shifts an image by up to Pad rows and columns; all distances from -Pad to Pad have equal
// odds. That equals a random crop, of the image's own size, from the image with Pad rows and
// columns of zeros on every side, which is how the literature puts it. It usually takes Pad 4 for
// 32x32. Zero is the mean color if the set is standardized, and black otherwise.
type Crop struct {
	Pad int // from 0 to one less than both sides
}

// Validate implements Augmentation.
func (a Crop) Validate(shape net.Shape) error {
	height, width, err := sides("Crop", shape)
	if err != nil {
		return err
	}
	if a.Pad < 0 || a.Pad >= min(height, width) {
		return fmt.Errorf("Crop: Pad is %d, want 0 to %d for images of %v", a.Pad, min(height, width)-1, shape)
	}
	return nil
}

// Apply implements Augmentation.
func (a Crop) Apply(image []float32, shape net.Shape, random *Random) {
	down := random.Below(2*a.Pad+1) - a.Pad
	right := random.Below(2*a.Pad+1) - a.Pad
	shift(image, shape, down, right)
}

// shift moves an image by rows and columns and fills with zeros. It goes through the rows in the
// order that moves each before it is overwritten.
func shift(image []float32, shape net.Shape, down, right int) {
	height, row := shape[0], shape[1]*shape[2]
	left, right := max(0, -right)*shape[2], max(0, right)*shape[2]
	for i := range height {
		if down > 0 {
			i = height - 1 - i
		}
		to := image[i*row:][:row]
		if i-down < 0 || i-down >= height {
			clear(to)
			continue
		}
		from := image[(i-down)*row:][:row]
		copy(to[right:], from[left:row-right])
		clear(to[:right])
		clear(to[row-left:])
	}
}

// Flip mirrors an image left to right, or leaves it, with equal odds. Don't use it for digits and
// letters, whose mirror images mean something else or nothing.
type Flip struct{}

// Validate implements Augmentation.
func (Flip) Validate(shape net.Shape) error {
	_, _, err := sides("Flip", shape)
	return err
}

// Apply implements Augmentation.
func (Flip) Apply(image []float32, shape net.Shape, random *Random) {
	if random.Below(2) == 1 {
		mirror(image, shape)
	}
}

// mirror reverses the pixels of each row.
func mirror(image []float32, shape net.Shape) {
	channels, row := shape[2], shape[1]*shape[2]
	for ; len(image) > 0; image = image[row:] {
		for left, right := 0, row-channels; left < right; left, right = left+channels, right-channels {
			for c := range channels {
				image[left+c], image[right+c] = image[right+c], image[left+c]
			}
		}
	}
}

// Cutout sets a square of Size rows and columns to zero (T. DeVries and G. Taylor,
// arXiv:1708.04552). Its center is any pixel with equal odds, so that a part of the square may fall
// outside, as in the paper, which takes Size 16 for CIFAR-10 and 8 for CIFAR-100. For an even Size
// the center is the pixel below and right of the middle.
type Cutout struct {
	Size int // from 1 to both sides
}

// Validate implements Augmentation.
func (a Cutout) Validate(shape net.Shape) error {
	height, width, err := sides("Cutout", shape)
	if err != nil {
		return err
	}
	if a.Size < 1 || a.Size > min(height, width) {
		return fmt.Errorf("Cutout: Size is %d, want 1 to %d for images of %v", a.Size, min(height, width), shape)
	}
	return nil
}

// Apply implements Augmentation.
func (a Cutout) Apply(image []float32, shape net.Shape, random *Random) {
	height, width, channels := shape[0], shape[1], shape[2]
	top := random.Below(height) - a.Size/2
	left := random.Below(width) - a.Size/2
	bottom, right := min(top+a.Size, height), min(left+a.Size, width)
	top, left = max(top, 0), max(left, 0)
	for i := top; i < bottom; i++ {
		clear(image[(i*width+left)*channels : (i*width+right)*channels])
	}
}

// sides returns the rows and columns of images [H, W, C].
func sides(augmentation string, shape net.Shape) (height, width int, err error) {
	if len(shape) != 3 || shape.Validate() != nil {
		return 0, 0, fmt.Errorf("%s: samples have shape %v, want images of rows, columns and channels", augmentation, shape)
	}
	return shape[0], shape[1], nil
}
