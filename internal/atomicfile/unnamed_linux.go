package atomicfile

import (
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// createUnnamed creates a file without a name in a folder. It returns nil if that doesn't work, as
// on some network file systems: a file with a name may do, or its error says why not.
func createUnnamed(dir string) *os.File {
	file, err := os.OpenFile(dir, unix.O_TMPFILE|os.O_RDWR, 0o600)
	if err != nil {
		return nil
	}
	if _, err := os.Lstat(descriptor(file)); err != nil { // without /proc, it would never get a name
		file.Close()
		return nil
	}
	return file
}

// linkUnnamed gives a file of createUnnamed a name. An existing file of that name is an error.
func linkUnnamed(file *os.File, name string) error {
	err := unix.Linkat(unix.AT_FDCWD, descriptor(file), unix.AT_FDCWD, name, unix.AT_SYMLINK_FOLLOW)
	if err != nil {
		return &os.LinkError{Op: "link", Old: file.Name(), New: name, Err: err}
	}
	return nil
}

// descriptor is the path by which open(2) of Linux says to link a file of O_TMPFILE.
func descriptor(file *os.File) string {
	return "/proc/self/fd/" + strconv.Itoa(int(file.Fd()))
}
