package conformance

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
)

// guard lies before and behind each part that is received.
const guard = float32(-12345.5)

// value is float i of what a rank sends to another.
func value(from, to, i int) float32 {
	return float32(from*1000+to*100) + float32(i%9973)/16384
}

// exchangeOf exchanges parts of the given lengths, once, and checks all that must have changed and
// all that mustn't.
func exchangeOf(c Communicator, length func(from, to int) int) error {
	send, receive := make([][]float32, c.Size()), make([][]float32, c.Size())
	guarded := make([][]float32, c.Size())
	for r := range send {
		if n := length(c.Rank(), r); n > 0 {
			send[r] = make([]float32, n)
			for i := range send[r] {
				send[r][i] = value(c.Rank(), r, i)
			}
		}
		n := length(r, c.Rank())
		guarded[r] = make([]float32, n+2)
		guarded[r][0], guarded[r][n+1] = guard, guard
		receive[r] = guarded[r][1 : n+1]
	}
	if err := c.Exchange(send, receive); err != nil {
		return err
	}
	for r := range send {
		for i, x := range send[r] {
			if x != value(c.Rank(), r, i) {
				return fmt.Errorf("float %d of what rank %d sent to rank %d has changed", i, c.Rank(), r)
			}
		}
		for i, x := range receive[r] {
			if want := value(r, c.Rank(), i); x != want {
				return fmt.Errorf("float %d of %d from rank %d to rank %d is %g, want %g", i, len(receive[r]), r, c.Rank(), x, want)
			}
		}
		if guarded[r][0] != guard || guarded[r][len(guarded[r])-1] != guard {
			return fmt.Errorf("what rank %d received from rank %d reaches beyond its part", c.Rank(), r)
		}
	}
	return nil
}

func exchangeLengths(c Communicator) error {
	lengths := []func(from, to int) int{
		func(from, to int) int { return 0 },
		func(from, to int) int { return 1 },
		func(from, to int) int { return (from*7 + to*3) % 5 },
		func(from, to int) int { return 100 * from },
		func(from, to int) int { return 1000 * to },
		func(from, to int) int { return 20_000 + 7*from + to },
		func(from, to int) int { return (from + to) % 2 * 300_000 },
	}
	for i, length := range lengths {
		if err := exchangeOf(c, length); err != nil {
			return fmt.Errorf("lengths %d: %w", i, err)
		}
	}
	return nil
}

func exchangeRing(c Communicator) error {
	for _, n := range []int{1, 777, 65_536} {
		err := exchangeOf(c, func(from, to int) int {
			if to == (from+1)%c.Size() {
				return n
			}
			return 0
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// exchangeBits sends floats whose bits an arithmetic operation would change.
func exchangeBits(c Communicator) error {
	bits := []uint32{0x7f800001, 0xffbfffff, 0x7fc12345, 0xffc54321, 0x7f800000, 0xff800000, 0x80000000, 1, 0x807fffff}
	send, receive := make([][]float32, c.Size()), make([][]float32, c.Size())
	for r := range send {
		send[r], receive[r] = make([]float32, len(bits)), make([]float32, len(bits))
		for i, b := range bits {
			send[r][i] = math.Float32frombits(b)
		}
	}
	if err := c.Exchange(send, receive); err != nil {
		return err
	}
	for r := range receive {
		for i, b := range bits {
			if got := math.Float32bits(receive[r][i]); got != b {
				return fmt.Errorf("the bits %#x came from rank %d as %#x", b, r, got)
			}
		}
	}
	return nil
}

func sumIntegers(c Communicator) error {
	for _, n := range []int{0, 1, 2, 5, 1000, 4099, 300_007} {
		if err := sumOf(c, n); err != nil {
			return fmt.Errorf("%d floats: %w", n, err)
		}
	}
	return nil
}

// sumOf sums integers that float32 adds without rounding.
func sumOf(c Communicator, n int) error {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(i%1000 + c.Rank())
	}
	if err := c.Sum(x); err != nil {
		return err
	}
	for i := range x {
		if want := float32(i%1000*c.Size() + c.Size()*(c.Size()-1)/2); x[i] != want {
			return fmt.Errorf("sum %d on rank %d is %g, want %g", i, c.Rank(), x[i], want)
		}
	}
	return nil
}

// sumRounding compares sums with those in float64. All ranks must have the same bits.
func sumRounding(c Communicator) error {
	const n = 50_021
	x := make([]float32, n)
	exact, size := make([]float64, n), make([]float64, n)
	for r := range c.Size() {
		random := rand.New(rand.NewPCG(uint64(r), 7))
		for i := range exact {
			v := float32(random.NormFloat64() * math.Exp2(float64(random.IntN(20))))
			exact[i] += float64(v)
			size[i] += math.Abs(float64(v))
			if r == c.Rank() {
				x[i] = v
			}
		}
	}
	if err := c.Sum(x); err != nil {
		return err
	}
	for i := range x {
		// Each of the additions, in any order, is off by at most 2^-24 of a sum of some magnitudes.
		bound := float64(c.Size()-1) * size[i] * 0x1p-24 * 1.0001
		if off := math.Abs(float64(x[i]) - exact[i]); off > bound {
			return fmt.Errorf("sum %d on rank %d is %g, want %g within %g", i, c.Rank(), x[i], exact[i], bound)
		}
	}
	return sameOnAll(c, x)
}

// sameOnAll compares the ranks' bits of x.
func sameOnAll(c Communicator, x []float32) error {
	mine := make([]byte, 0, 4*len(x))
	for _, v := range x {
		mine = binary.LittleEndian.AppendUint32(mine, math.Float32bits(v))
	}
	all, err := c.Gather(mine)
	if err != nil {
		return err
	}
	for r := range all {
		if !bytes.Equal(all[r], mine) {
			return fmt.Errorf("ranks %d and %d have different sums", r, c.Rank())
		}
	}
	return nil
}

// sumNotFinite has one rank contribute what isn't finite, and all see it.
func sumNotFinite(c Communicator) error {
	inf := float32(math.Inf(1))
	for bad := range c.Size() {
		x := []float32{1, 1, 1}
		if c.Rank() == bad {
			x = []float32{inf, -inf, float32(math.NaN())}
		}
		if err := c.Sum(x); err != nil {
			return err
		}
		if x[0] != inf || x[1] != -inf || x[2] == x[2] {
			return errors.Join(fmt.Errorf("rank %d has the sums %v, want +Inf, -Inf, NaN", c.Rank(), x))
		}
	}
	return nil
}
