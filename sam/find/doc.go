// Package find looks for settings of a training run by short runs: [LR] for the learning rate,
// [Rho] for the radius of SAM and mSAM, by shards. [DefaultRho] is a radius to begin with where
// nothing was tried.
//
// All of them take a [train.Run] as it would be started, and leave it and its parameters as they
// are. Same run and options give the same bits, on the same instruction set and on any number of
// workers.
package find
