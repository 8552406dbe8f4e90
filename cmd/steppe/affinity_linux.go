package main

import (
	"fmt"

	"golang.org/x/sys/unix"
)

// affinity describes the processors that the process may use; "" if the system doesn't say.
func affinity() string {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return ""
	}
	return fmt.Sprint(set)
}
