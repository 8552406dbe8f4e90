// Package op has the interfaces that the author of a layer implements. A user of ready layers needs
// package net alone.
//
// Begin with [Layer], whose example is a whole layer with its op. A Layer is a part of a network as
// users write it. Its Build method appends ops to a program, through a [Builder]. An [Op] computes
// on [Tensor]s of samples: forward, backward, and the gradient of its parameters. Its [Traits] say
// which operands it reads, and when. From them the executor decides which values share memory and
// which calls it can leave out.
//
// An op can implement optional interfaces:
//
//   - [Packer] packs its parameters once a step for all of its calls.
//   - [Preparer] shares work between Gradient and Backward.
//   - [Rematerializer] computes its output again rather than keeping it.
//   - [Stateful] has running state, such as batch statistics.
//   - [Factorable] can be perturbed by its own gradient without forming it. That makes mSAM with many
//     shards cheap.
//   - [Absorber] is fused with the op behind it.
//   - [Piecewise] has kinks, and keeps to the pieces between them for second derivatives.
//   - [Tied] uses the parameters of another op.
//
// Samples of a model over text have different lengths. Traits.Vocabulary, Traits.Pools and the rows
// of a [Tensor] say how ops work on them.
//
// A [Loss] ends a program. A [Distillable] one can compare the outputs with a teacher's.
//
// Several goroutines call an op at the same time, so an op doesn't change. Its results must have the
// same bits for any number of workers, and unless it couples samples, for any other samples in the
// call.
package op
