// Package child is what all peers' processes have in common: operands, timing,
// and the check of results. A peer adds its library.
package child

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"os"
	"runtime"
	"time"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
)

// Library is a peer.
type Library struct {
	// Version is what the library says of itself.
	Version string
	// OneThread says that Run must always be called by the same thread of the
	// operating system: OpenMP keeps its threads, and how many they are, by
	// the thread that calls.
	OneThread bool
	// Workers sets how many threads, or cores, Run may use from now on.
	Workers func(workers int) error
	// Cannot says why there is no such product, if there is none. Nil if there
	// are all.
	Cannot func(protocol.Shape) string
	// Run32 computes C = op(A)*op(B) in float32 that many times, on the sets of
	// operands by turns, the first time on set first. It loops in the library's
	// own language, so that no call from one language into another is timed.
	Run32 func(p *Product[float32], first, times int)
	// Run64 does so in float64. Nil if the library has no such product.
	Run64 func(p *Product[float64], first, times int)
}

// Main serves the jobs on standard input, and exits.
func Main(l Library) {
	if l.OneThread {
		runtime.LockOSThread()
	}
	if err := serve(l, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", os.Args[0], err)
		os.Exit(1)
	}
	os.Exit(0)
}

func serve(l Library, in io.Reader, out io.Writer) error {
	if err := protocol.Write(out, protocol.Hello{Version: l.Version, Loaded: loadedLibraries()}); err != nil {
		return err
	}
	c := child{Library: l, verified: map[protocol.Job]bool{}}
	for lines := bufio.NewReader(in); ; {
		var job protocol.Job
		if err := protocol.Read(lines, &job); err == io.EOF {
			return nil
		} else if err != nil {
			return err
		}
		reply, err := c.do(job)
		if err != nil {
			reply = protocol.Reply{Error: err.Error()}
		}
		if err := protocol.Write(out, reply); err != nil {
			return err
		}
	}
}

type child struct {
	Library
	verified map[protocol.Job]bool
	workers  int // that the library was last set to
}

func (c *child) do(job protocol.Job) (reply protocol.Reply, err error) {
	if err := job.Check(); err != nil {
		return reply, err
	}
	if c.Cannot != nil {
		if why := c.Cannot(job.Shape); why != "" {
			return protocol.Reply{Cannot: why}, nil
		}
	}
	if job.Dtype == protocol.Float64 {
		return do(c, job, c.Run64)
	}
	return do(c, job, c.Run32)
}

// do measures a product of an element type.
func do[T Float](c *child, job protocol.Job, run func(p *Product[T], first, times int)) (reply protocol.Reply, err error) {
	if run == nil {
		return protocol.Reply{Cannot: "no product in " + job.Dtype}, nil
	}
	if c.workers != job.Workers {
		if err := c.Workers(job.Workers); err != nil {
			return reply, err
		}
		c.workers = job.Workers
	}
	p, err := newProduct[T](job.Shape)
	if err != nil {
		return reply, err
	}
	defer p.free()
	if !c.verified[job] {
		run(p, 0, Sets)
		if err := p.verify(); err != nil {
			return reply, err
		}
		c.verified[job] = true
	}
	reply = measure(func(first, times int) { run(p, first, times) }, job.Budget)
	return reply, settle()
}

// measure times a product. The budget is spent on windows of a fiftieth of it
// or of one product, whichever is longer; of their times the lower quartile
// counts: a window in which another process had the core says nothing of the
// library, and the luckiest window not much. There are three windows at least,
// unless they would take ten budgets.
func measure(product func(first, times int), budget time.Duration) (reply protocol.Reply) {
	first := 0
	run := func(times int) time.Duration {
		start := time.Now()
		product(first, times)
		elapsed := time.Since(start)
		first = (first + times) % Sets
		return elapsed
	}

	window := budget / 50
	times := 1
	for elapsed := run(times); elapsed < window; elapsed = run(times) { // and warm up
		enough := 1.1 * float64(times) * float64(window) / float64(max(elapsed, 1))
		times = int(math.Ceil(min(enough, 100*float64(times))))
	}

	var seconds []float64
	for spent := time.Duration(0); spent < budget || len(seconds) < 3 && spent < 10*budget; {
		before := preemptions()
		elapsed := run(times)
		if preemptions() > before {
			reply.Disturbed++
		}
		seconds = append(seconds, elapsed.Seconds()/float64(times))
		spent += elapsed
	}
	reply.Seconds, reply.Windows = stats.Quantile(seconds, 0.25), len(seconds)
	return reply
}
