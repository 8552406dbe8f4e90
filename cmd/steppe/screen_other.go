//go:build !windows

package main

import "os"

// enableEscapes reports whether a terminal interprets escape codes; here all do.
func enableEscapes(*os.File) bool { return true }
