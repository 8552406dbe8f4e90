// Package asmcheck holds the assembly of this module to what the names of its
// files and functions promise. It has tests only: they read the .s files, of
// all architectures, on any machine.
package asmcheck
