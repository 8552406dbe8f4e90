//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package study

import (
	"syscall"
	"time"
)

// processTime returns the processor time of this process so far: of all threads, in user and system
// mode. Other processes take none of it, except by sharing a core's caches and units.
func processTime() (time.Duration, bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
