//go:build !linux

package atomicfile

import (
	"errors"
	"os"
)

// createUnnamed returns nil: files have names here.
func createUnnamed(string) *os.File { return nil }

func linkUnnamed(*os.File, string) error { return errors.ErrUnsupported }
