// Package program compiles networks and runs them. It is what net.Model holds and
// what package sam executes; users of networks know neither.
//
// [Compile] makes a [Program] of layers: a list of ops, the layout of their
// parameters, the memory that values share. Fusion (fuse.go) makes one op of two
// where the first can absorb the second. A [Workspace] is all that the passes of
// one worker write; it runs a [Pass] over a tile of samples, forward and backward.
// [Deferred] keeps what gradients need that are computed once a step.
package program
