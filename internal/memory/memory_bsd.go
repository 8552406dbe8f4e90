//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package memory

import "golang.org/x/sys/unix"

func available() uint64 {
	for _, name := range []string{"hw.memsize", "hw.physmem64", "hw.physmem"} {
		if bytes, err := unix.SysctlUint64(name); err == nil {
			return bytes
		}
	}
	return 0
}
