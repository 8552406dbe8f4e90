// Package checkpoint keeps what a model has learned in a file: its parameters, its
// running state, and what is needed to use them again.
//
// The files are safetensors, which Python and others read too: load_file of
// safetensors.numpy returns the same tensors under the same names.
//
// # Layout
//
// A file is the length of its header (8 bytes, little-endian), the header in JSON, and
// the elements of the tensors one behind the other: F32, little-endian, the last
// dimension running fastest. The tensors are those of net.Model.Params and
// net.Model.State. Their names say which layer they are of, by its place and type,
// and what they are there:
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
// A Dense layer behind a Flatten of images reads them by rows, then columns, then
// channels (HWC). PyTorch keeps the same numbers in another order: the weight of a
// Conv2d is [OutC, InC, KernelH, KernelW], that of a Linear [Out, In], and it reads
// images as CHW. Its BatchNorm2d calls ours weight, bias, running_mean and
// running_var.
//
// The header's __metadata__ is [Meta], in strings.
//
// Names of tensors that begin with "optimizer." are kept free for what resuming a
// training will take, beside the model. Load passes over them.
package checkpoint
