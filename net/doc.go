// Package net compiles descriptions of neural networks into programs that
// train with flat parameters, and runs them.
package net
