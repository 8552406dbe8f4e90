// Package zoo has models ready for use.
package zoo

import (
	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net"
)

// Model is one row of the table of models.
type Model struct {
	Name  string
	About string
	// Input and Batch are the samples' shape and the batch that the model is customarily
	// trained with: images of MNIST's size or of CIFAR's. What measures models uses them
	// unless told; Compile takes other shapes, too.
	Input net.Shape
	Batch int
	// Compile makes the model for samples of shape input.
	Compile func(input net.Shape, classes int) (*net.Model, error)
}

var (
	mnist = net.Shape{28, 28, 1}
	cifar = net.Shape{32, 32, 3}
)

// Models lists the models by the names that the command knows.
var Models = []Model{
	{
		Name:  "mlp",
		About: "two hidden layers of 512 features with ReLU",
		Input: mnist, Batch: 256,
		Compile: func(input net.Shape, classes int) (*net.Model, error) {
			return MLP(input, classes, 512, 512)
		},
	},
	{
		Name:  "lenet",
		About: "two convolutions with max pooling, and a hidden layer of 128 features",
		Input: mnist, Batch: 256, Compile: LeNet,
	},
	{Name: "resnet20", About: "ResNet-20 for small images", Input: cifar, Batch: 128, Compile: CIFARResNet(20)},
	{Name: "resnet32", About: "ResNet-32 for small images", Input: cifar, Batch: 128, Compile: CIFARResNet(32)},
	{Name: "resnet56", About: "ResNet-56 for small images", Input: cifar, Batch: 128, Compile: CIFARResNet(56)},
	{
		Name:  "resnet18",
		About: "ResNet-18, with a 3x3 stem for images below 64 pixels",
		Input: cifar, Batch: 128, Compile: ResNet18,
	},
	{
		Name:  "wrn16-4",
		About: "Wide ResNet of 16 layers and four times the channels",
		Input: cifar, Batch: 128, Compile: WideResNet(16, 4),
	},
}

// Lookup returns the model of a name, or an error that lists those there are.
func Lookup(name string) (Model, error) {
	return lookup.Row("model", Models, func(m Model) string { return m.Name }, name)
}
