// Package optim has optimizers, learning-rate schedules and parameter groups.
//
// Begin with New: it binds a Rule, SGD or AdamW, to the parameters of a model, and Optimizer.Step
// applies a gradient to them. Package sam computes the gradients of SAM and mSAM and steps through
// this package; nothing here needs it.
//
//   - A Schedule changes the learning rate from step to step: Cosine, Linear, MultiStep, Warmup.
//   - A Group gives some parameters another learning rate or weight decay, or freezes them.
//     NoDecay(net.Bias, net.Norm) is the usual one.
//   - A type that implements Rule is an optimizer of your own. The example of Rule is Lion.
//
// A step either updates all parameters or, if a result would not be finite, none. The results don't
// depend on the number of workers. A run that is restored from an Optimizer's State goes on bit for
// bit as if it had never stopped.
package optim
