package ranks_test

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync/atomic"
	"testing"

	"github.com/steppe-ml/steppe/internal/ranks"
	"github.com/steppe-ml/steppe/internal/ranks/conformance"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestConformance(t *testing.T) {
	for _, n := range []int{1, 2, 3, 4, 7} {
		require.NoError(t, ranks.Run(n, func(r *ranks.Rank) error { return conformance.Check(r) }), "%d ranks", n)
	}
}

// Large messages take memory and time, so they are left out unless asked for.
func TestLargeMessages(t *testing.T) {
	if os.Getenv("STEPPE_TEST_LARGE") == "" {
		t.Skip("STEPPE_TEST_LARGE isn't set")
	}
	require.NoError(t, ranks.Run(2, func(r *ranks.Rank) error { return conformance.Large(r) }))
}

// Sums are those of the loop over the ranks, bit for bit.
func TestSumAddsInRankOrder(t *testing.T) {
	value := func(rank, i int) float32 { return float32(1+rank*rank) / float32(3+i) }
	for _, n := range []int{2, 3, 5} {
		err := ranks.Run(n, func(r *ranks.Rank) error {
			x := make([]float32, 1001)
			for i := range x {
				x[i] = value(r.Rank(), i)
			}
			if err := r.Sum(x); err != nil {
				return err
			}
			for i := range x {
				want := value(0, i)
				for rank := 1; rank < n; rank++ {
					want += value(rank, i)
				}
				if x[i] != want {
					return fmt.Errorf("sum %d is %v, want %v", i, x[i], want)
				}
			}
			return nil
		})
		require.NoError(t, err)
	}
}

func TestBarrier(t *testing.T) {
	var arrived atomic.Int32
	err := ranks.Run(5, func(r *ranks.Rank) error {
		for turn := range int32(20) {
			arrived.Add(1)
			if err := r.Barrier(); err != nil {
				return err
			}
			if got := arrived.Load(); got < 5*(turn+1) {
				return fmt.Errorf("turn %d: the barrier let rank %d through when %d had arrived in all", turn, r.Rank(), got)
			}
		}
		return nil
	})
	require.NoError(t, err)
}

// Calls that don't agree are reported to all ranks, and none waits forever.
func TestRanksThatDontAgree(t *testing.T) {
	floats, bytes := make([]float32, 9), make([]byte, 9)
	for _, test := range []struct {
		name string
		call func(r *ranks.Rank) error
		want string
	}{
		{"methods", func(r *ranks.Rank) error {
			if r.Rank() == 1 {
				return r.Barrier()
			}
			return r.Sum(floats)
		}, "ranks: the ranks' calls don't agree: rank 0 called Sum of 9 floats, rank 1 called Barrier, rank 2 called Sum of 9 floats"},
		{"lengths of a Sum", func(r *ranks.Rank) error { return r.Sum(floats[r.Rank():]) },
			"ranks: the ranks' calls don't agree: rank 0 called Sum of 9 floats, rank 1 called Sum of 8 floats, rank 2 called Sum of 7 floats"},
		{"roots", func(r *ranks.Rank) error { return r.Broadcast(bytes, r.Rank()/2) },
			"ranks: the ranks' calls don't agree: rank 0 called Broadcast of 9 bytes from rank 0, " +
				"rank 1 called Broadcast of 9 bytes from rank 0, rank 2 called Broadcast of 9 bytes from rank 1"},
		{"lengths of a Broadcast", func(r *ranks.Rank) error { return r.Broadcast(bytes[r.Rank()/2:], 0) },
			"ranks: the ranks' calls don't agree: rank 0 called Broadcast of 9 bytes from rank 0, " +
				"rank 1 called Broadcast of 9 bytes from rank 0, rank 2 called Broadcast of 8 bytes from rank 0"},
		{"lengths of an Exchange", func(r *ranks.Rank) error {
			send, receive := make([][]float32, 3), make([][]float32, 3)
			if r.Rank() == 2 {
				send[1] = floats
			}
			return r.Exchange(send, receive)
		}, "ranks: Exchange: rank 2 sent 9 floats to rank 1, which expected 0"},
		{"a rank that has ended", func(r *ranks.Rank) error {
			if r.Rank() == 0 {
				return nil
			}
			_, err := r.Gather(bytes)
			return err
		}, "ranks: the ranks' calls don't agree: rank 0 has ended, rank 1 called Gather, rank 2 called Gather"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var told atomic.Int32
			err := ranks.Run(3, func(r *ranks.Rank) error {
				err := test.call(r)
				if err != nil {
					assert.EqualError(t, err, test.want)
					told.Add(1)
				}
				return err
			})
			require.EqualError(t, err, test.want)
			assert.GreaterOrEqual(t, told.Load(), int32(2))
		})
	}
}

// A rank that fails aborts the others, which wait for it, with its reason.
func TestRankThatFails(t *testing.T) {
	cause := errors.New("the disk is full")
	for _, test := range []struct {
		name string
		fail func(r *ranks.Rank) error
		want string // the beginning
		is   bool
	}{
		{"returns an error", func(r *ranks.Rank) error { return cause }, "rank 1: the disk is full", true},
		{"panics with an error", func(r *ranks.Rank) error { panic(cause) }, "rank 1: panic: the disk is full\n", true},
		{"panics with a string", func(r *ranks.Rank) error { panic("text") }, "rank 1: panic: text\n", false},
		{"ends its goroutine", func(r *ranks.Rank) error { runtime.Goexit(); return nil }, "rank 1: the rank ended its goroutine", false},
		{"aborts", func(r *ranks.Rank) error { r.Abort(cause); return nil }, "rank 1: the disk is full", true},
		{"aborts from another goroutine", func(r *ranks.Rank) error {
			ended := make(chan struct{})
			go func() {
				defer close(ended)
				r.Abort(cause)
			}()
			<-ended
			return r.Barrier()
		}, "rank 1: the disk is full", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var told atomic.Int32
			err := ranks.Run(4, func(r *ranks.Rank) error {
				if r.Rank() == 1 {
					return test.fail(r)
				}
				err := r.Sum([]float32{1, 2})
				var aborted *ranks.Aborted
				if assert.ErrorAs(t, err, &aborted) && aborted.Rank == 1 {
					told.Add(1)
				}
				assert.Equal(t, err, r.Barrier(), "later calls fail alike")
				r.Abort(err) // as a training loop does; the first reason counts
				return nil
			})
			require.Error(t, err)
			assert.Regexp(t, "^"+test.want, err.Error())
			assert.Equal(t, test.is, errors.Is(err, cause))
			assert.EqualValues(t, 3, told.Load())
		})
	}
}

// A goroutine that calls while another one of its rank is in a call gets an error, and so does
// that.
func TestTwoGoroutinesOfARank(t *testing.T) {
	const want = "rank 1: Gather was called while the rank's Gather was under way"
	told, over := make(chan error), make(chan struct{})
	err := ranks.Run(2, func(r *ranks.Rank) error {
		if r.Rank() == 0 {
			<-over // a rank that has ended would be an error as well
			return nil
		}
		for range 2 {
			go func() {
				_, err := r.Gather(nil)
				told <- err
			}()
		}
		assert.EqualError(t, <-told, want)
		assert.EqualError(t, <-told, want)
		close(over)
		return nil
	})
	require.EqualError(t, err, want)
}

// A rank mustn't end while a goroutine of it is in a call.
func TestRankEndsInACall(t *testing.T) {
	told := make(chan error, 1)
	err := ranks.Run(2, func(r *ranks.Rank) error {
		if r.Rank() == 0 {
			return r.Barrier()
		}
		go func() {
			told <- r.Sum(make([]float32, 3))
		}()
		return nil
	})
	require.Error(t, err)
	require.ErrorContains(t, <-told, "rank 1")
}

func TestRunRefuses(t *testing.T) {
	require.EqualError(t, ranks.Run(0, nil), "ranks: 0 ranks, want at least 1")
}
