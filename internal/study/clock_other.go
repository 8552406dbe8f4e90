//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package study

import "time"

// processTime reports that there is no clock of this process's processor time.
func processTime() (time.Duration, bool) { return 0, false }
