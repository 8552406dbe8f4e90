//go:build mpi && cgo

package mpi

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/dustin/go-humanize"
)

// measure prints the time of Exchange and Sum by size, for the cost model of docs/SCALING.md.
func measure(c Communicator) error {
	if c.Rank() == 0 {
		fmt.Printf("%s, %d ranks\n%10s %14s %14s %14s\n", c.Library(), c.Size(), "", "Exchange", "Sum", "copy")
	}
	for bytes := 1 << 10; bytes <= 64<<20; bytes *= 4 {
		x := filled(bytes / 4)
		send, receive := make([][]float32, c.Size()), make([][]float32, c.Size())
		for r := range send {
			if r != c.Rank() {
				send[r], receive[r] = filled(bytes/4), filled(bytes/4)
			}
		}
		to, from := filled(bytes/4), filled(bytes/4)
		var times [3]time.Duration
		for i, call := range []func() error{
			func() error { return c.Exchange(send, receive) },
			func() error { return c.Sum(x) },
			func() error { copy(to, from); return nil },
		} {
			var err error
			if times[i], err = fastest(c, bytes, call); err != nil {
				return err
			}
		}
		if c.Rank() == 0 {
			fmt.Printf("%10s", humanize.IBytes(uint64(bytes)))
			for _, t := range times {
				fmt.Printf(" %8.1f us %5.2f GB/s", float64(t)/1e3, float64(bytes)/float64(t))
			}
			fmt.Println()
		}
	}
	return nil
}

// filled returns memory that has been written to: what hasn't is one page of zeros, in the cache.
func filled(n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = 1
	}
	return x
}

// fastest returns the least and not the mean time, since the machine may have other work.
func fastest(c Communicator, bytes int, call func() error) (time.Duration, error) {
	var times []time.Duration
	turns := min(200, 20+100_000_000/bytes)
	for range turns {
		if err := c.Barrier(); err != nil {
			return math.MaxInt64, err
		}
		start := time.Now()
		if err := call(); err != nil {
			return math.MaxInt64, err
		}
		times = append(times, time.Since(start))
	}
	return slices.Min(times), nil
}
