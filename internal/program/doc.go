// Package program compiles networks and runs them. net.Model holds a program, and package sam
// executes it; users of networks need neither.
//
// [Compile] makes a [Program] of layers: a list of ops, the layout of their parameters, and the
// memory that values share. Fusion (fuse.go) replaces two ops by one where the first can absorb the
// second. A [Workspace] is all memory that the passes of one worker write. It runs a [Pass] over a
// tile of samples, forward and backward. [Deferred] keeps the operands of gradients that are
// computed once a step.
package program
