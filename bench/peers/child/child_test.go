package child

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas/gonum"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// naive multiplies by the definition.
func naive[T Float](p *Product[T], first, times int) {
	for t := range times {
		a, b, c := p.SliceA((first+t)%Sets), p.SliceB((first+t)%Sets), p.SliceC((first+t)%Sets)
		for i := range p.M {
			for j := range p.N {
				sum := T(0)
				for l := range p.K {
					ai, bi := i*p.LdA+l, l*p.LdB+j
					if p.TransA {
						ai = l*p.LdA + i
					}
					if p.TransB {
						bi = j*p.LdB + l
					}
					sum += a[ai] * b[bi]
				}
				c[i*p.LdC+j] = sum
			}
		}
	}
}

var anyWorkers = func(int) error { return nil }

// ask serves one child with jobs and returns its replies.
func ask(t *testing.T, l Library, jobs ...protocol.Job) (replies []protocol.Reply) {
	var in, out bytes.Buffer
	for _, j := range jobs {
		require.NoError(t, protocol.Write(&in, j))
	}
	require.NoError(t, serve(l, &in, &out))
	r := bufio.NewReader(&out)
	var hello protocol.Hello
	require.NoError(t, protocol.Read(r, &hello))
	assert.Equal(t, l.Version, hello.Version)
	assert.Empty(t, hello.Loaded)
	for range jobs {
		var reply protocol.Reply
		require.NoError(t, protocol.Read(r, &reply))
		replies = append(replies, reply)
	}
	return replies
}

func job(shape string) protocol.Job {
	s, err := protocol.ParseShape(shape)
	if err != nil {
		panic(err)
	}
	return protocol.Job{Dtype: protocol.Float32, Work: protocol.Work{Product: &s}, Workers: 1, Budget: 5 * time.Millisecond}
}

func TestServe(t *testing.T) {
	var sets [Sets]int
	var workers []int
	l := Library{
		Version: "naive 1",
		Workers: func(n int) error { workers = append(workers, n); return nil },
		Cannot: func(s protocol.Shape) string {
			if s.M == 2 {
				return "not that one"
			}
			return ""
		},
		Run32: func(p *Product[float32], first, times int) {
			for t := range times {
				sets[(first+t)%Sets]++
			}
			naive(p, first, times)
		},
	}
	bad := job("3x4x5")
	bad.Dtype = "f16"
	two := job("3x4x5")
	two.Workers = 2
	replies := ask(t, l, job("7x5x9"), job("7x5x9tA"), job("1x5x9tB"), job("3x1x4tAtB"), two, two, job("2x2x2"), bad)
	for _, r := range replies[:6] {
		assert.Positive(t, r.Seconds)
		assert.Less(t, r.Seconds, 5e-3)
		assert.GreaterOrEqual(t, r.Windows, 3)
		assert.LessOrEqual(t, r.Disturbed, r.Windows)
		assert.Empty(t, r.Error)
	}
	assert.Equal(t, protocol.Reply{Cannot: "not that one"}, replies[6])
	assert.Contains(t, replies[7].Error, "f16")
	assert.Equal(t, []int{1, 2}, workers)
	assert.InDelta(t, sets[0], sets[1], 8, "sets take turns")
	assert.InDelta(t, sets[0], sets[2], 8, "sets take turns")
}

func TestFloat64(t *testing.T) {
	double := job("7x5x9tA")
	double.Dtype = protocol.Float64
	singles, doubles := 0, 0
	l := Library{
		Workers: anyWorkers,
		Run32:   func(p *Product[float32], first, times int) { singles += times; naive(p, first, times) },
		Run64:   func(p *Product[float64], first, times int) { doubles += times; naive(p, first, times) },
	}
	reply := ask(t, l, double)[0]
	assert.Positive(t, reply.Seconds)
	assert.Empty(t, reply.Error)
	assert.Zero(t, singles)
	assert.GreaterOrEqual(t, doubles, Sets)

	// As a library would that rounds on its way.
	l.Run64 = func(p *Product[float64], first, times int) {
		naive(p, first, times)
		for set := range Sets {
			c := p.SliceC(set)
			for i := range c {
				c[i] = float64(float32(c[i]))
			}
		}
	}
	assert.Contains(t, ask(t, l, double)[0].Error, "7x5x9tA is wrong")

	l.Run64 = nil
	assert.Equal(t, protocol.Reply{Cannot: "no product in f64"}, ask(t, l, double)[0])
}

func TestWrongResultsDoNotWin(t *testing.T) {
	for name, spoil := range map[string]func(p *Product[float32]){
		"one element off by one": func(p *Product[float32]) { p.SliceC(1)[p.M*p.N-1]++ },
		"a bit lost":             func(p *Product[float32]) { p.SliceC(2)[0] += 0.5 },
		"transposed":             func(p *Product[float32]) { c := p.SliceC(0); c[1], c[p.N] = c[p.N], c[1] },
	} {
		t.Run(name, func(t *testing.T) {
			l := Library{Workers: anyWorkers, Run32: func(p *Product[float32], first, times int) { naive(p, first, times); spoil(p) }}
			reply := ask(t, l, job("6x6x33"))[0]
			assert.Contains(t, reply.Error, "6x6x33 is wrong")
			assert.Zero(t, reply.Seconds)
		})
	}
	reply := ask(t, Library{Workers: anyWorkers, Run32: func(*Product[float32], int, int) {}}, job("2x2x2"))[0]
	assert.Contains(t, reply.Error, "NaN", "nothing computed")
}

func TestOperandsAreExact(t *testing.T) {
	for _, shape := range []string{"1x1x1", "2x3x1", "5x3x511", "16x2x32768tA", "2x16x100000tB", "1x1048576x1", "2x100000x7tB"} {
		t.Run("f32, "+shape, func(t *testing.T) { operandsAreExact[float32](t, shape) })
		t.Run("f64, "+shape, func(t *testing.T) { operandsAreExact[float64](t, shape) })
	}
}

func operandsAreExact[T Float](t *testing.T, shape string) {
	p, err := newProduct[T](*job(shape).Product)
	require.NoError(t, err)
	defer p.free()
	sum := int64(p.K) * int64(p.limit) * int64(p.limit)
	if !p.Float64() {
		assert.LessOrEqual(t, sum, int64(1<<24))
	}
	assert.LessOrEqual(t, sum*limitX*int64(p.N), int64(1<<53), "what verify adds up")
	assert.Positive(t, p.limit)
	var least, most T
	for _, v := range p.SliceA(0) {
		least, most = min(least, v), max(most, v)
	}
	assert.LessOrEqual(t, most, T(p.limit))
	assert.GreaterOrEqual(t, least, -T(p.limit))
	naive(p, 0, Sets)
	assert.NoError(t, p.verify())
}

// TestGemm passes all that a routine needs: it multiplies what it is given.
func TestGemm(t *testing.T) {
	l := Library{Workers: anyWorkers, Run32: Gemm(gonum.Implementation{}.Sgemm), Run64: Gemm(gonum.Implementation{}.Dgemm)}
	for _, dtype := range []string{protocol.Float32, protocol.Float64} {
		for _, shape := range []string{"7x5x9", "7x5x9tA", "1x5x9tB", "3x1x4tAtB"} {
			j := job(shape)
			j.Dtype = dtype
			reply := ask(t, l, j)[0]
			assert.Empty(t, reply.Error)
			assert.Positive(t, reply.Seconds)
		}
	}
}

func TestSlowProductsAreNotRepeated(t *testing.T) {
	runs := 0
	l := Library{Workers: anyWorkers, Run32: func(p *Product[float32], first, times int) {
		runs += times
		naive(p, first, times)
		time.Sleep(time.Duration(times) * 60 * time.Millisecond)
	}}
	reply := ask(t, l, job("2x2x2"))[0]
	assert.Equal(t, 1, reply.Windows, "ten budgets are spent by one product")
	assert.Equal(t, Sets+1+1, runs, "to verify, to warm up, to measure")
}
