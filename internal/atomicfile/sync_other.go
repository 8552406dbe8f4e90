//go:build !unix

package atomicfile

// syncDir does nothing: these systems can't sync a folder.
func syncDir(string) error { return nil }
