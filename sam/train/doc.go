// Package train is the training loop: epochs over a data set, a validation set, metrics, hooks,
// a folder with the last and the best parameters and a log, and going on where a run has stopped.
//
// Start with [Run]: fill in a model, a loader, a number of epochs and an optimizer, and call
// Start or Resume. The [History] that comes back has the losses and scores of every epoch and
// the parameters to use. [Evaluate] measures a model on a set. [EarlyStopping] and [Progress]
// are hooks, and a [Hook] or a [Metric] of your own is a type with a few methods.
//
// A run that was stopped anywhere and resumed ends with the same bits as a run that was never
// stopped, on the same instruction set: parameters, running state, losses and scores.
//
// Whoever wants the loop in their own hands needs sam.New and Optimizer.Step only.
package train
