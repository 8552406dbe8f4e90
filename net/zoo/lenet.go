package zoo

import "github.com/steppe-ml/steppe/net"

// LeNet returns two 3x3 convolutions of 32 and 64 channels with ReLU, a 2x2 max pooling behind
// each, and a hidden layer of 128 features. It is the form in which most tutorials show LeNet-5
// (LeCun et al., Proc. IEEE 86, 1998). input is images [H, W, C] of at least 4x4 pixels.
func LeNet(input net.Shape, classes int) (*net.Model, error) { return compiled(lenet)(input, classes) }

func lenet(_ net.Shape, outputs int) ([]net.Layer, error) {
	return []net.Layer{
		net.Conv2D{Out: 32, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Conv2D{Out: 64, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Flatten{}, net.Dense{Out: 128}, net.ReLU{}, net.Dense{Out: outputs},
	}, nil
}
