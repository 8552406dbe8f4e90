// Package op is what the author of a layer writes against. It knows no layer.
//
// A [Layer] describes a part of a network as users write it. Its Build method
// appends ops to a program through a [Builder]. An [Op] computes: forward,
// backward, and the gradient of its parameters, on [Tensor]s of samples. Its
// [Traits] tell the executor which operands it reads and when, so that memory can
// be shared and calls can be left out. An op that can do more implements one of the
// optional interfaces:
//
//   - [Packer] packs its parameters once a step for all of its calls.
//   - [Preparer] shares work between Gradient and Backward.
//   - [Rematerializer] computes its output again, which saves keeping it.
//   - [Stateful] has running state, such as batch statistics.
//   - [Factorable] can be perturbed by its own gradient without forming it, which
//     makes sharpness-aware steps with many shards cheap.
//   - [Absorber] does the work of the op that follows it as well (fusion).
//
// A [Loss] ends a program.
//
// The example of [Layer] is a whole layer with its op.
package op
