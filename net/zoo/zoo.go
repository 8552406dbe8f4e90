// Package zoo has ready models. Begin with [Lookup], which returns a row of [Models] by its name;
// its Compile makes the model for samples of any shape that fits. [MLP], [LeNet], [CIFARResNet],
// [ResNet18] and [WideResNet] do the same without a name.
//
// All models end in outputs for classes, and in net.SoftmaxCrossEntropy. Those of [Models] can end
// in numbers to predict and net.MSE, too, by Model.Regressor.
package zoo

import (
	"github.com/steppe-ml/steppe/internal/lookup"
	"github.com/steppe-ml/steppe/net"
)

// Model is one row of the table of models.
type Model struct {
	Name  string    // that Lookup and the command take
	About string    // one line for a list of models
	Input net.Shape // usual shape of a sample, such as MNIST's or CIFAR's; benchmarks use it
	Batch int       // usual number of samples of a batch; benchmarks use it
	// Layers returns the layers for samples of shape input, up to a Dense with that many outputs.
	Layers func(input net.Shape, outputs int) ([]net.Layer, error)
}

// Compile makes the model for samples of shape input in classes. A shape that is too small for it,
// or fewer than two classes, are an error.
func (m Model) Compile(input net.Shape, classes int) (*net.Model, error) {
	return compiled(m.Layers)(input, classes)
}

// Regressor makes the model for samples of shape input that have targets instead of a class: that
// many numbers, predicted with the least mean squared error. A shape that is too small for it, or
// no targets, are an error.
func (m Model) Regressor(input net.Shape, targets int) (*net.Model, error) {
	return compiled(func(input net.Shape, targets int) ([]net.Layer, error) {
		layers, err := m.Layers(input, targets)
		return append(layers, net.MSE{}), err
	})(input, targets)
}

// compiled returns a function that compiles layers.
func compiled(layers func(input net.Shape, outputs int) ([]net.Layer, error)) func(input net.Shape, outputs int) (*net.Model, error) {
	return func(input net.Shape, outputs int) (*net.Model, error) {
		program, err := layers(input, outputs)
		if err != nil {
			return nil, err
		}
		return net.Compile(input, program...)
	}
}

var (
	mnist = net.Shape{28, 28, 1}
	cifar = net.Shape{32, 32, 3}
)

// Models lists the models.
var Models = []Model{
	{
		Name:  "mlp",
		About: "two hidden layers of 512 features with ReLU",
		Input: mnist, Batch: 256,
		Layers: func(_ net.Shape, outputs int) ([]net.Layer, error) { return mlp(outputs, 512, 512), nil },
	},
	{
		Name:  "lenet",
		About: "two convolutions with max pooling, and a hidden layer of 128 features",
		Input: mnist, Batch: 256, Layers: lenet,
	},
	{Name: "resnet20", About: "ResNet-20 for small images", Input: cifar, Batch: 128, Layers: cifarResNet(20)},
	{Name: "resnet32", About: "ResNet-32 for small images", Input: cifar, Batch: 128, Layers: cifarResNet(32)},
	{Name: "resnet56", About: "ResNet-56 for small images", Input: cifar, Batch: 128, Layers: cifarResNet(56)},
	{
		Name:  "resnet18",
		About: "ResNet-18, with a 3x3 stem for images below 64 pixels",
		Input: cifar, Batch: 128, Layers: resNet18,
	},
	{
		Name:  "wrn16-4",
		About: "Wide ResNet of 16 layers and four times the channels",
		Input: cifar, Batch: 128, Layers: wideResNet(16, 4),
	},
}

// Lookup returns the row of Models with that name. The error for another name lists all names.
func Lookup(name string) (Model, error) {
	return lookup.Row("model", Models, func(m Model) string { return m.Name }, name)
}
