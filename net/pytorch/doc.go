// Package pytorch exchanges models with PyTorch: [Write] writes the tensors of a model as a
// state_dict in a safetensors file, [WriteScript] a Python program that runs it there, and [Open]
// reads such a file, ours or another program's.
//
// # Tensors
//
// The numbers are the same, in another order. A convolution's weight is [OutC, InC, KernelH,
// KernelW] in PyTorch, a Linear's [Out, In]. Samples are images [C, H, W] there, so a Linear behind
// a Flatten, and a normalization between them, reads the channels one behind the other. A
// BatchNorm's tensors are weight, bias, running_mean and running_var, and num_batches_tracked,
// which is 0 in files of Write and ignored in others. Variances are divided by n-1 on both sides.
//
// # Names
//
// Names and arithmetic are those of the code that is used most, so that its users load a file with
// load_state_dict as it is:
//
//	mlp, lenet        nn.Sequential, whose names are places: 1.weight
//	resnet20, 32, 56  github.com/akamaster/pytorch_resnet_cifar10: layer1.0.conv1.weight, linear.bias
//	resnet18          torchvision: layer2.0.downsample.0.weight, fc.weight
//	wrn16-4           github.com/xternalz/WideResNet-pytorch: block1.layer.0.convShortcut.weight
//
//	text-tiny, text-mini, text-small, bert-base
//	                  Hugging Face's BertForSequenceClassification: bert.encoder.layer.0.output.dense.weight
//
// [File.LoadBERT] takes the encoder of a published BERT alone, with the names of other models around
// it, and leaves a classifier as it is. There is no script for these models, whose code is that of
// transformers. Other transformers can't be exported.
//
// Any other model of layers of package net is a nested nn.Sequential, in which a Residual has the
// sides body and shortcut: "3.body.0.weight".
//
// In the residual networks for small images (option A), a shortcut appends channels of zeros. Ours
// come behind the others, akamaster's half before and half behind. Write and Params turn one into
// the other by the order of channels, so the network computes the same function.
//
// Params also takes the names of github.com/kuangliu/pytorch-cifar for resnet18 (shortcut and
// linear), fc and linear for each other, and names behind the "module." of DataParallel or the
// "_orig_mod." of torch.compile.
//
// # Standardized samples
//
// A state_dict has no place for the mean and the deviation that samples were standardized by. They
// are in the file's metadata, and in the script's function prepare.
package pytorch
