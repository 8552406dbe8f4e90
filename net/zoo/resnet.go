package zoo

import (
	"fmt"

	"github.com/steppe-ml/steppe/net"
)

// conv3x3 is a convolution before a BatchNorm, which makes a bias useless.
func conv3x3(channels, stride int) net.Layer {
	return net.Conv2D{Out: channels, Kernel: 3, Stride: stride, Padding: 1, NoBias: true}
}

func conv1x1(channels, stride int) net.Layer {
	return net.Conv2D{Out: channels, Kernel: 1, Stride: stride, NoBias: true}
}

// basicBlock is two 3x3 convolutions beside a shortcut.
func basicBlock(channels, stride int, shortcut ...net.Layer) []net.Layer {
	return []net.Layer{
		net.Residual{
			Body: []net.Layer{
				conv3x3(channels, stride), net.BatchNorm{}, net.ReLU{},
				conv3x3(channels, 1), net.BatchNorm{},
			},
			Shortcut: shortcut,
		},
		net.ReLU{},
	}
}

// CIFARResNet returns a function that compiles a residual network for small images (He et al.,
// arXiv 1512.03385). layers counts those with weights; it is 6n+2, as 20, 32 or 56. They are in
// three stages of 16, 32 and 64 channels. Where the shape changes, the shortcut takes every other
// pixel and appends channels of zeros, without parameters (option A). Another number of layers is
// an error of the function.
func CIFARResNet(layers int) func(input net.Shape, classes int) (*net.Model, error) {
	return compiled(cifarResNet(layers))
}

func cifarResNet(layers int) func(_ net.Shape, outputs int) ([]net.Layer, error) {
	return func(_ net.Shape, outputs int) ([]net.Layer, error) {
		if layers < 8 || (layers-2)%6 != 0 {
			return nil, fmt.Errorf("zoo: a ResNet of %d layers for small images, want 6n+2 such as 20", layers)
		}
		program := []net.Layer{conv3x3(16, 1), net.BatchNorm{}, net.ReLU{}}
		for stage, channels := range []int{16, 32, 64} {
			for block := range (layers - 2) / 6 {
				if stage > 0 && block == 0 {
					program = append(program, basicBlock(channels, 2, net.Subsample{Stride: 2, Out: channels})...)
				} else {
					program = append(program, basicBlock(channels, 1)...)
				}
			}
		}
		return append(program, net.GlobalAvgPool{}, net.Dense{Out: outputs}), nil
	}
}

// ResNet18 returns a residual network of four stages of two blocks, with 64 to 512 channels, and
// projections where the shape changes (He et al., arXiv 1512.03385, option B). Images of 64x64
// pixels and more begin with the paper's 7x7 convolution and pooling, smaller ones with a 3x3
// convolution.
func ResNet18(input net.Shape, classes int) (*net.Model, error) {
	return compiled(resNet18)(input, classes)
}

func resNet18(input net.Shape, outputs int) ([]net.Layer, error) {
	program := []net.Layer{conv3x3(64, 1), net.BatchNorm{}, net.ReLU{}}
	if len(input) == 3 && min(input[0], input[1]) >= 64 {
		program = []net.Layer{
			net.Conv2D{Out: 64, Kernel: 7, Stride: 2, Padding: 3, NoBias: true}, net.BatchNorm{}, net.ReLU{},
			net.MaxPool{Size: 3, Stride: 2, Padding: 1},
		}
	}
	program = append(program, basicBlock(64, 1)...)
	program = append(program, basicBlock(64, 1)...)
	for _, channels := range []int{128, 256, 512} {
		program = append(program, basicBlock(channels, 2, conv1x1(channels, 2), net.BatchNorm{})...)
		program = append(program, basicBlock(channels, 1)...)
	}
	return append(program, net.GlobalAvgPool{}, net.Dense{Out: outputs}), nil
}

// WideResNet returns a function that compiles a wide residual network (Zagoruyko and Komodakis,
// arXiv 1605.07146). layers counts those with weights; it is 6n+4. They are in three stages of 16,
// 32 and 64 channels, times width, which is at least 1. Other numbers are an error of the function.
// Its blocks normalize before they convolve. Where the shape changes, the shortcut's projection
// comes after the normalization, too.
func WideResNet(layers, width int) func(input net.Shape, classes int) (*net.Model, error) {
	return compiled(wideResNet(layers, width))
}

func wideResNet(layers, width int) func(_ net.Shape, outputs int) ([]net.Layer, error) {
	return func(_ net.Shape, outputs int) ([]net.Layer, error) {
		if layers < 10 || (layers-4)%6 != 0 || width < 1 {
			return nil, fmt.Errorf("zoo: a wide ResNet of %d layers and width %d, want 6n+4 such as 16, and at least 1", layers, width)
		}
		program := []net.Layer{conv3x3(16, 1)}
		for stage, base := range []int{16, 32, 64} {
			channels := base * width
			stride := min(2, 1+stage)
			for block := range (layers - 4) / 6 {
				normal := []net.Layer{net.BatchNorm{}, net.ReLU{}}
				if block == 0 {
					program = append(program, normal...)
					program = append(program, net.Residual{
						Body:     []net.Layer{conv3x3(channels, stride), net.BatchNorm{}, net.ReLU{}, conv3x3(channels, 1)},
						Shortcut: []net.Layer{conv1x1(channels, stride)},
					})
				} else {
					program = append(program, net.Residual{
						Body: append(normal, conv3x3(channels, 1), net.BatchNorm{}, net.ReLU{}, conv3x3(channels, 1)),
					})
				}
			}
		}
		program = append(program, net.BatchNorm{}, net.ReLU{}, net.GlobalAvgPool{}, net.Dense{Out: outputs})
		return program, nil
	}
}
