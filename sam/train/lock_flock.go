//go:build linux || darwin || dragonfly || freebsd || netbsd || openbsd

package train

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lockDir keeps other runs out of a folder until unlock is called or the process ends, however it
// ends. The lock is on the folder itself, so it leaves no file.
func lockDir(dir string) (unlock func(), err error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	// Some network file systems can't lock a folder. There, a run goes on without a lock.
	if err := unix.Flock(int(folder.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		folder.Close()
		return nil, fmt.Errorf("%s is in use: another run trains there", dir)
	}
	return func() { folder.Close() }, nil
}
