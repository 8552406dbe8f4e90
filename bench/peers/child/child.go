// Package child has what the peers' processes in Go share: operands, timing and the check of
// results. A peer fills in a Library and calls Main.
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

// Library is what a peer implements. A nil function means that the library can't do that work.
//
// The functions that compute run the work the given number of times, and loop in the library's own
// language, so that no call from one language into another is timed. The sets of operands take
// turns, beginning with set first.
type Library struct {
	// Version describes the library, in its own words.
	Version string
	// OneThread says that all calls must come from the same thread of the operating system. OpenMP
	// keeps its threads, and their number, for each thread that calls.
	OneThread bool
	// Workers sets the number of threads, or cores, that may be used from now on.
	Workers func(workers int) error
	// Cannot returns why the library can't compute a product, "" if it can. Nil if it can compute
	// all.
	Cannot func(protocol.Shape) string
	// Run32 computes C = op(A)*op(B) in float32.
	Run32 func(p *Product[float32], first, times int)
	// Run64 computes C = op(A)*op(B) in float64.
	Run64 func(p *Product[float64], first, times int)
	// Convolve prepares a pass of a convolution.
	Convolve func(c *Convolution) (Convolving, error)
	// Routine32 calls a routine of the BLAS in float32.
	Routine32 func(r *Routine[float32], first, times int)
	// Routine64 calls a routine of the BLAS in float64.
	Routine64 func(r *Routine[float64], first, times int)
	// Decompose prepares a decomposition.
	Decompose func(d *Decomposition) (Decomposing, error)
	// Train makes a model to be trained on the given number of workers.
	Train func(s protocol.Step, workers int) (Training, error)
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
	c := child{Library: l, verified: map[string]bool{}}
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
	verified  map[string]bool        // work whose results were right
	workers   int                    // number that the library was last set to
	trainings map[protocol.Step]task // trainings under way, by step; all on one model and batch
	subject   string                 // that model and batch
}

// task is work that is ready to run.
type task interface {
	// run does the work the given number of times. The sets of operands take turns, beginning with
	// set first.
	run(first, times int)
	// verify returns an error unless the results on all sets are right.
	verify() error
	// tell adds to a reply what it says beside the time.
	tell(reply *protocol.Reply) error
	// free releases the operands.
	free()
}

func (c *child) do(job protocol.Job) (reply protocol.Reply, err error) {
	if err := job.Validate(); err != nil {
		return reply, err
	}
	if why := c.cannot(job); why != "" {
		return protocol.Reply{Cannot: why}, nil
	}
	if c.workers != job.Workers {
		if err := c.Workers(job.Workers); err != nil {
			return reply, err
		}
		c.workers = job.Workers
	}
	t, err := c.prepare(job)
	if err != nil {
		return reply, err
	}
	defer t.free()
	if what := fmt.Sprint(job.Work, job.Dtype, job.Workers); !c.verified[what] {
		t.run(0, setsOf(job))
		if err := t.verify(); err != nil {
			return reply, err
		}
		c.verified[what] = true
	}
	reply = measure(t.run, job.Budget)
	if err := t.tell(&reply); err != nil {
		return reply, err
	}
	return reply, settle()
}

// setsOf returns the number of sets of operands of a job.
func setsOf(job protocol.Job) int {
	if job.Decomposition != nil {
		return 1
	}
	return Sets
}

// cannot returns why the library can't do a job, "" if it can.
func (c *child) cannot(job protocol.Job) string {
	switch {
	case job.Convolution != nil && c.Convolve == nil:
		return "no convolutions"
	case job.Step != nil && c.Train == nil:
		return "no training"
	case job.Routine != nil && (c.Routine32 == nil || c.Routine64 == nil):
		return "no routines of the BLAS"
	case job.Decomposition != nil && c.Decompose == nil:
		return "no decompositions"
	case job.Product == nil:
		return ""
	case job.Dtype == protocol.Float32 && c.Run32 == nil, job.Dtype == protocol.Float64 && c.Run64 == nil:
		return "no product in " + job.Dtype
	case c.Cannot != nil:
		return c.Cannot(*job.Product)
	}
	return ""
}

func (c *child) prepare(job protocol.Job) (task, error) {
	switch {
	case job.Convolution != nil:
		return prepareConvolution(*job.Convolution, c.Convolve)
	case job.Step != nil:
		return c.resumeTraining(*job.Step, job.Workers)
	case job.Routine != nil && job.Dtype == protocol.Float64:
		return prepareRoutine(*job.Routine, c.Routine64)
	case job.Routine != nil:
		return prepareRoutine(*job.Routine, c.Routine32)
	case job.Decomposition != nil:
		return prepareDecomposition(*job.Decomposition, c.Decompose)
	case job.Dtype == protocol.Float64:
		return prepareProduct(*job.Product, c.Run64)
	default:
		return prepareProduct(*job.Product, c.Run32)
	}
}

// measure times work. It spends the budget on windows, each a fiftieth of the budget long, or as
// long as the work takes once. There are at least three windows, unless three take more than ten
// budgets. The result is the lower quartile of the windows' times: a window in which another
// process had the core says nothing about the library, and the fastest window may have been lucky.
func measure(work func(first, times int), budget time.Duration) (reply protocol.Reply) {
	first := 0
	run := func(times int) time.Duration {
		start := time.Now()
		work(first, times)
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
