package tuning

import (
	"slices"
	"time"
)

// Measure returns the speeds of several candidates for a piece of work, round by round: amounts a
// nanosecond, such as GFLOP/s. run does the work as a candidate, the given number of times
// beginning with that of number first, and returns the time.
//
// In a round each candidate has its turn, beginning with another one than in the round before. A
// turn is windows, of whose times the lower quartile counts: those in which another process had the
// core don't.
func (j Job) Measure(candidates int, amount float64, run func(candidate, first, times int) time.Duration) [][]float64 {
	const turn, window = 20 * time.Millisecond, time.Millisecond
	for i := range candidates {
		run(i, 0, 1) // buffers grow
	}
	times, windows := 1, 1 // pieces of work a window, windows a turn
	if !j.Quick {
		took := run(0, 0, times)
		for took < window {
			times *= 2
			took = run(0, 0, times)
		}
		windows = max(1, int(turn/took))
	}
	speeds := make([][]float64, candidates)
	took := make([]time.Duration, windows)
	for round := range j.Rounds {
		for i := range candidates {
			at := (round + i) % candidates
			for w := range took {
				took[w] = run(at, round+w*times, times)
			}
			slices.Sort(took)
			speeds[at] = append(speeds[at], amount*float64(times)/took[(windows-1)/4].Seconds()/1e9)
		}
	}
	return speeds
}

// pause is how long a work that is rested waits before each repetition: workers go to sleep.
const pause = 500 * time.Microsecond

// Timed does work the given number of times and returns the time that it took, with a pause before
// each repetition, which doesn't count, if it is rested.
func Timed(rested bool, first, times int, work func(i int)) (took time.Duration) {
	start := time.Now()
	for i := first; i < first+times; i++ {
		if rested {
			took += time.Since(start)
			for start = time.Now(); time.Since(start) < pause; {
			}
			start = time.Now()
		}
		work(i)
	}
	return took + time.Since(start)
}
