package zoo

import "github.com/steppe-ml/steppe/net"

// LeNet is two 3x3 convolutions of 32 and 64 channels with ReLU, each followed by a
// 2x2 max pooling, and a hidden layer of 128 features: what LeNet-5 (LeCun et al.,
// 1998) is today in most first examples.
func LeNet(input net.Shape, classes int) (*net.Model, error) {
	return net.Compile(input,
		net.Conv2D{Out: 32, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Conv2D{Out: 64, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
		net.Flatten{}, net.Dense{Out: 128}, net.ReLU{}, net.Dense{Out: classes})
}
