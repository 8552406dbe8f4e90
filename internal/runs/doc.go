// Package runs is what surrounds a training run of the command: all its settings as one value,
// the folder that it writes, and the trained model that comes out of it. Package sam/train is the
// run itself.
//
// [Settings] come from flags. [Settings.Read] makes a [Job] of them, which has the data, and
// [Job.Build] adds model and train.Run. [Config] keeps them in the run's folder, so that the run
// can go on later. [Open] opens the model of such a folder, or of a file, for use.
package runs
