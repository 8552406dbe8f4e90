package child

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"
)

func allocate(bytes int) ([]byte, error) {
	return syscall.Mmap(-1, 0, bytes, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
}

func release(memory []byte) {
	if err := syscall.Munmap(memory); err != nil {
		panic(err)
	}
}

func usage() (u syscall.Rusage) {
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u
}

// preemptions returns how often the kernel has taken a core away from this process.
func preemptions() int64 { return int64(usage().Nivcsw) }

func cpuTime() time.Duration {
	u := usage()
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// settle waits until the process uses no more CPU time. After a product, a library's threads spin
// for a while and wait for the next one (OpenBLAS's for some 20 ms), which would disturb another
// peer's measurement.
func settle() error {
	const nap, atRest, patience = 5 * time.Millisecond, time.Millisecond, 2 * time.Second
	for start := time.Now(); time.Since(start) < patience; {
		before := cpuTime()
		time.Sleep(nap)
		if cpuTime()-before < atRest {
			return nil
		}
	}
	return fmt.Errorf("threads still spin %v after a measurement", patience)
}

var blasFile = regexp.MustCompile(`(?i)openblas|blis|dnnl|mkl|atlas|blas\.so`)

// loadedLibraries returns the files of the BLAS libraries in this process. It returns none on a
// system without /proc/self/maps.
func loadedLibraries() (files []string) {
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return nil
	}
	for mapping := range strings.Lines(string(maps)) {
		fields := strings.Fields(mapping)
		file := fields[len(fields)-1]
		if strings.Contains(file, ".so") && blasFile.MatchString(filepath.Base(file)) && !slices.Contains(files, file) {
			files = append(files, file)
		}
	}
	return files
}
