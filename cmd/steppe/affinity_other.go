//go:build !linux

package main

// affinity describes the processors that the process may use; "" if the system doesn't say.
func affinity() string { return "" }
