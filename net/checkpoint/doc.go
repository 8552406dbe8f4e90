// Package checkpoint writes a model's parameters and running state to a file, with what it takes to
// use them again, and reads them. Start with [Save] and [Load]. [SaveState] and [LoadState] add
// what it takes to go on training; package sam/train uses them.
//
// The files are safetensors, which Python and others read too: load_file of safetensors.numpy
// returns the same tensors under the same names.
//
// # Layout
//
// A file is the length of its header (8 bytes, little-endian), the header in JSON, and the elements
// of the tensors one behind the other: F32, little-endian on every machine, the last dimension
// running fastest. The tensors are those of net.Model.Params and net.Model.State. Their names say
// to which layer they belong, by its place and type, and what they are there:
//
//	0.Conv2D.weight                        [KernelH, KernelW, InC, OutC] (HWIO)
//	0.Conv2D.bias                          [OutC]
//	1.BatchNorm.scale, shift               [C]
//	1.BatchNorm.mean, variance             [C], running; the variance is by n-1
//	3.LayerNorm.scale, shift               [C]
//	4.Residual.body.0.Conv2D.weight        of layer 0 in the body of a block
//	4.Residual.shortcut.0.Conv2D.weight    of layer 0 in its shortcut
//	6.Dense.weight                         [In, Out]
//	6.Dense.bias                           [Out]
//
// A Dense layer behind a Flatten of images reads them by rows, then columns, then channels (HWC).
// PyTorch keeps the same numbers in another order: the weight of a Conv2d is [OutC, InC, KernelH,
// KernelW], that of a Linear [Out, In], and it reads images as CHW. Its BatchNorm2d calls ours
// weight, bias, running_mean and running_var. Package net/pytorch turns one into the other.
//
// The header's __metadata__ is [Meta], in strings.
//
// # Training state
//
// SaveState writes a [State] to the same file: the optimizer's vectors as optimizer.0, optimizer.1
// and so on, the parameters of the best epoch as best.0.Conv2D.weight and so on, the history as the
// bytes (U8) of a tensor of that name, and the rest as JSON under the metadata key "training". Load
// reads the model of such a file and passes over the rest.
package checkpoint
