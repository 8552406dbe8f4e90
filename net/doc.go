// Package net builds neural networks of layers, and predicts with them.
//
// Begin with [Compile]: it checks that layers fit together, and returns a [Model] for samples of
// one shape. Images are [H, W, C], rows first; batches are sample behind sample.
//
//	model, err := net.Compile(net.Shape{28, 28, 1},
//		net.Conv2D{Out: 32, Kernel: 3, Padding: net.Same}, net.ReLU{}, net.MaxPool{Size: 2},
//		net.Flatten{}, net.Dense{Out: 10})
//	params := model.Init(1)
//
// Samples of text are token ids, as many as each sample has, and begin with an [Embedding]. The
// [TransformerBlock] works on a row for each token. Behind it, a [Pooling] makes one row of a
// sample's, to classify it; a [TiedOutput] and the loss [NextToken] make a language model.
//
// A model has no parameters: [Params] holds them, as flat vectors. [Model.Params] says where each
// tensor lies in them. Layers have no parameters either; a layer is a struct of settings, and its
// zero values are the usual defaults.
//
// A model ends in a [Loss]: the last layer, or [SoftmaxCrossEntropy] if no layer is a loss.
//
//   - [Model.Predict] computes predictions. [Model.Predictor] returns a [Predictor], which does the
//     same call after call without allocating, from many goroutines.
//   - [Model.Gradient] computes the gradient of a batch, for training algorithms of your own.
//     Package sam/train has a training loop, sam the steps of SAM and mSAM, net/optim optimizers.
//   - Package net/zoo has ready models, net/dataset reads data, net/checkpoint saves parameters.
//   - Package net/op says how to write a layer or a loss.
//
// Results depend on the instruction set, but not on the number of workers. A prediction for a sample
// has the same bits alone as among others.
package net
