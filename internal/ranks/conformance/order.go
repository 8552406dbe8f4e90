package conformance

import (
	"fmt"
	"math/rand/v2"
	"runtime"
)

// mixed calls all methods in an order that is random and the same on all ranks.
func mixed(c Communicator) error {
	random := rand.New(rand.NewPCG(3, 4))
	for turn := range 60 {
		if err := one(c, random); err != nil {
			return fmt.Errorf("call %d: %w", turn, err)
		}
	}
	return nil
}

// one makes one call with a result to check.
func one(c Communicator, random *rand.Rand) error {
	n := random.IntN(3000)
	switch random.IntN(5) {
	case 0:
		return exchangeOf(c, func(from, to int) int { return (n + 13*from + 7*to) % 3000 })
	case 1:
		return sumOf(c, n)
	case 2:
		return broadcastOf(c, n, random.IntN(c.Size()))
	case 3:
		return numbers(c)
	default:
		return c.Barrier()
	}
}

// goroutines makes each call from a goroutine of its own, one after the other.
func goroutines(c Communicator) error {
	random := rand.New(rand.NewPCG(5, 6))
	for turn := range 20 {
		done := make(chan error)
		go func() {
			done <- one(c, random)
		}()
		if err := <-done; err != nil {
			return fmt.Errorf("call %d: %w", turn, err)
		}
	}
	return nil
}

// allocations counts what the calls of a training step allocate in the steady state.
func allocations(c Communicator) error {
	send, receive := make([][]float32, c.Size()), make([][]float32, c.Size())
	for r := range send {
		send[r], receive[r] = make([]float32, 1000), make([]float32, 1000)
	}
	x, text := make([]float32, 3000), make([]byte, 100)
	least := uint64(1 << 62)
	const steps = 30
	for range 3 {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		for range steps {
			for _, call := range []func() error{
				func() error { return c.Exchange(send, receive) },
				func() error { return c.Sum(x) },
				func() error { return c.Broadcast(text, 0) },
				c.Barrier,
			} {
				if err := call(); err != nil {
					return err
				}
			}
		}
		runtime.ReadMemStats(&after)
		least = min(least, after.Mallocs-before.Mallocs)
	}
	// The runtime itself allocates now and then. A call that did would show up here each time.
	if least >= steps {
		return fmt.Errorf("%d steps allocate %d times", steps, least)
	}
	return nil
}
