//go:build mpi && cgo

package mpi

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/steppe-ml/steppe/internal/ranks/conformance"
	"github.com/steppe-ml/steppe/sam"
)

// Communicators can be checked by conformance.
var _ conformance.Communicator = sam.Communicator(nil)

// programs are what the ranks run: mpirun starts the test binary with the name of one.
var programs = map[string]func(c Communicator) error{
	"conformance": func(c Communicator) error { return conformance.Check(c) },
	"pieces": func(c Communicator) error {
		messageFloats, bucketFloats, smallSum, messageBytes, gatherBytes = 1000, 1500, 500, 3000, 50_000
		return conformance.Check(c)
	},
	"large":       func(c Communicator) error { return conformance.Large(c) },
	"one aborts":  oneAborts,
	"all abort":   func(c Communicator) error { return errReason },
	"zero aborts": zeroAborts,
	"busy zero":   busyZero,
	"long reason": longReason,
	"closed":      closed,
	"killed":      killed,
	"lengths":     func(c Communicator) error { return lengths(c, 5, 7) },
	"too long":    func(c Communicator) error { return lengths(c, 7, 5) },
	"panics":      panics,
	"signals":     signals,
	"interrupted": interrupted,
	"once":        once,
	"measure":     measure,
}

func TestMain(m *testing.M) {
	name := os.Getenv(programVariable)
	if name == "" {
		os.Exit(m.Run())
	}
	c, err := Start()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	if err := programs[name](c); err != nil {
		c.Abort(err)
	}
	if err := c.Close(); err != nil {
		c.Abort(err)
	}
	fmt.Printf("rank %d of %d is done\n", c.Rank(), c.Size())
}

var errReason = errors.New("the reason of the test")

// oneAborts has the last rank abort while the others wait for it.
func oneAborts(c Communicator) error {
	if c.Rank() == c.Size()-1 {
		return errReason
	}
	return c.Barrier()
}

func zeroAborts(c Communicator) error {
	if c.Rank() == 0 {
		return errReason
	}
	return c.Sum(make([]float32, 10))
}

// busyZero has rank 0 compute while another rank aborts from a second goroutine, in a call.
func busyZero(c Communicator) error {
	if c.Rank() == 0 {
		time.Sleep(time.Minute)
	}
	if c.Rank() == 1 {
		go func() {
			time.Sleep(100 * time.Millisecond)
			c.Abort(errReason)
		}()
	}
	return c.Barrier()
}

// longReason has a rank abort with a reason that is cut.
func longReason(c Communicator) error {
	if c.Rank() == 1 {
		return errors.New(strings.Repeat("long ", 2000))
	}
	return c.Barrier()
}

// closed aborts after MPI has ended.
func closed(c Communicator) error {
	if err := c.Close(); err != nil {
		return err
	}
	c.Abort(errReason)
	return nil
}

func killed(c Communicator) error {
	if err := c.Barrier(); err != nil {
		return err
	}
	if c.Rank() == c.Size()-1 {
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	}
	return c.Barrier()
}

func panics(c Communicator) error {
	if c.Rank() == c.Size()-1 {
		panic("the panic of the test")
	}
	return c.Barrier()
}

// lengths has rank 0 send another length than rank 1 expects.
func lengths(c Communicator, sent, expected int) error {
	send, receive := make([][]float32, c.Size()), make([][]float32, c.Size())
	if c.Rank() == 0 {
		send[1] = make([]float32, sent)
	}
	if c.Rank() == 1 {
		receive[0] = make([]float32, expected)
	}
	err := c.Exchange(send, receive)
	if c.Rank() != 1 {
		return c.Barrier()
	}
	return err
}

// once checks what can be done only once, on one rank.
func once(c Communicator) error {
	if _, err := Start(); err == nil || err.Error() != "mpi: MPI has been started already, which a process can do once" {
		return fmt.Errorf("the second start: %v", err)
	}
	if !strings.Contains(c.Library(), "MPI") || len(c.Library()) > 60 {
		return fmt.Errorf("the library calls itself %q", c.Library())
	}
	if err := c.Close(); err != nil {
		return err
	}
	if err := c.Barrier(); err == nil || err.Error() != "mpi: the communicator is closed" {
		return fmt.Errorf("a call after Close: %v", err)
	}
	fmt.Println("rank 0 of 1 is done")
	os.Exit(0)
	return nil
}

// signals checks that signals reach the Go program: those that it asks for, those that are panics,
// and those by which Go interrupts its own goroutines.
func signals(c Communicator) error {
	all := []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2}
	got := make(chan os.Signal, 1)
	signal.Notify(got, all...)
	for range 3 {
		for _, s := range all {
			if err := syscall.Kill(os.Getpid(), s.(syscall.Signal)); err != nil {
				return err
			}
			select {
			case g := <-got:
				if g != s {
					return fmt.Errorf("the program was sent %v and got %v", s, g)
				}
			case <-time.After(20 * time.Second):
				return fmt.Errorf("%v didn't reach the program", s)
			}
			if err := c.Barrier(); err != nil {
				return err
			}
		}
		if err := recovers(); err != nil {
			return err
		}
		runtime.GC()
	}
	return nil
}

// recovers reads from an address that isn't there, which is a panic in Go.
func recovers() (err error) {
	defer func() {
		if recover() == nil {
			err = errors.New("there was no panic")
		}
	}()
	var nowhere *[10]int
	for i := range nowhere {
		nowhere[i]++
	}
	return nil
}

// interrupted computes in steps until the job gets a signal, as a training run does, then agrees
// with the other ranks on where to stop, and ends well.
func interrupted(c Communicator) error {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	fmt.Printf("rank %d is ready\n", c.Rank())
	x := make([]float32, 1000)
	var got os.Signal
	for {
		select {
		case got = <-stop:
			x[0] = 1
		default:
			x[0] = 0
			if got != nil {
				x[0] = 1
			}
		}
		if err := c.Sum(x); err != nil {
			return err
		}
		if x[0] > 0 {
			fmt.Printf("rank %d saves\n", c.Rank())
			return nil
		}
		time.Sleep(time.Millisecond)
	}
}
