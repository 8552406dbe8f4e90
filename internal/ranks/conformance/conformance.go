// Package conformance asks a communicator what sam.Communicator promises, whatever carries it:
// goroutines of one process, or MPI.
package conformance

import (
	"bytes"
	"fmt"
	"slices"
)

// Communicator has the methods of sam.Communicator.
type Communicator interface {
	Rank() int
	Size() int
	Exchange(send, receive [][]float32) error
	Sum(x []float32) error
	Broadcast(x []byte, root int) error
	Gather(x []byte) ([][]byte, error)
	Barrier() error
	Abort(reason error)
}

// checks are all questions, in an order that lets the first failure say what is wrong.
var checks = []struct {
	name string
	ask  func(c Communicator) error
}{
	{"the ranks' numbers", numbers},
	{"Gather", gather},
	{"Broadcast", broadcast},
	{"Exchange of parts of different lengths", exchangeLengths},
	{"Exchange around a ring", exchangeRing},
	{"Exchange of special floats", exchangeBits},
	{"Sum of integers", sumIntegers},
	{"Sum within rounding", sumRounding},
	{"Sum of Inf and NaN", sumNotFinite},
	{"arguments that are refused", refused},
	{"calls in a long mixed order", mixed},
	{"calls from different goroutines", goroutines},
	{"allocations", allocations},
}

// Check runs all checks. All ranks call it, and each returns the first error that it has met
// itself. An error of a rank that can't go on leaves the others in a call, so the caller aborts.
func Check(c Communicator) error {
	for _, check := range checks {
		if err := check.ask(c); err != nil {
			return fmt.Errorf("%s: %w", check.name, err)
		}
		if err := c.Barrier(); err != nil {
			return fmt.Errorf("Barrier after %s: %w", check.name, err)
		}
	}
	return nil
}

// Large checks messages of more than 2^24 floats, which takes some 300 MB a rank.
func Large(c Communicator) error {
	const floats = 1<<24 + 3
	if err := exchangeOf(c, func(from, to int) int { return floats }); err != nil {
		return fmt.Errorf("Exchange of %d floats: %w", floats, err)
	}
	if err := sumOf(c, floats); err != nil {
		return fmt.Errorf("Sum of %d floats: %w", floats, err)
	}
	if err := broadcastOf(c, 4*floats, c.Size()-1); err != nil {
		return fmt.Errorf("Broadcast of %d bytes: %w", 4*floats, err)
	}
	return nil
}

func numbers(c Communicator) error {
	if c.Rank() < 0 || c.Rank() >= c.Size() {
		return fmt.Errorf("this is rank %d of %d", c.Rank(), c.Size())
	}
	all, err := c.Gather([]byte{byte(c.Rank()), byte(c.Size())})
	if err != nil {
		return err
	}
	for r, got := range all {
		if want := []byte{byte(r), byte(c.Size())}; !bytes.Equal(got, want) {
			return fmt.Errorf("rank %d says %v, want its rank and size %v", r, got, want)
		}
	}
	return nil
}

func gather(c Communicator) error {
	lengths := []func(r int) int{
		func(r int) int { return 0 },
		func(r int) int { return r },
		func(r int) int { return 5 * (c.Size() - 1 - r) },
		func(r int) int { return 1000 + 33333*(r%3) },
	}
	for turn, length := range lengths {
		mine := pattern(length(c.Rank()), c.Rank(), turn)
		all, err := c.Gather(mine)
		if err != nil {
			return err
		}
		if len(all) != c.Size() {
			return fmt.Errorf("it returned %d parts, want %d", len(all), c.Size())
		}
		for i := range mine {
			mine[i] ^= 0xff // what has been gathered is a copy
		}
		for r, got := range all {
			if want := pattern(length(r), r, turn); !bytes.Equal(got, want) {
				return fmt.Errorf("turn %d: %d bytes from rank %d aren't the %d that it gave", turn, len(got), r, len(want))
			}
		}
	}
	return nil
}

func broadcast(c Communicator) error {
	for _, length := range []int{0, 1, 7, 4096, 100_001} {
		for root := range c.Size() {
			if err := broadcastOf(c, length, root); err != nil {
				return fmt.Errorf("%d bytes from rank %d: %w", length, root, err)
			}
		}
	}
	return nil
}

func broadcastOf(c Communicator, length, root int) error {
	x := pattern(length, c.Rank(), length)
	if err := c.Broadcast(x, root); err != nil {
		return err
	}
	if !bytes.Equal(x, pattern(length, root, length)) {
		return fmt.Errorf("rank %d has other bytes than the root", c.Rank())
	}
	return nil
}

// refused has all ranks call with arguments that can't be right, and go on.
func refused(c Communicator) error {
	parts := make([][]float32, c.Size())
	unequal := slices.Clone(parts)
	unequal[c.Rank()] = []float32{1}
	for what, err := range map[string]error{
		"too few parts to send":     c.Exchange(parts[1:], parts),
		"too many parts to receive": c.Exchange(parts, append(slices.Clone(parts), nil)),
		"an own part of length 1":   c.Exchange(unequal, parts),
		"a root that isn't there":   c.Broadcast(nil, c.Size()),
		"a negative root":           c.Broadcast(nil, -1),
	} {
		if err == nil {
			return fmt.Errorf("%s: there is no error", what)
		}
	}
	return broadcastOf(c, 10, 0)
}

// pattern returns bytes that tell ranks and turns apart.
func pattern(length, rank, turn int) []byte {
	x := make([]byte, length)
	for i := range x {
		x[i] = byte(i*7 + i>>8 + rank*31 + turn*101)
	}
	return x
}
