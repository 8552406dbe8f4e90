package child

import (
	"bufio"
	"bytes"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// naive multiplies by the definition.
func naive(p *Product, first, times int) {
	for t := range times {
		a, b, c := p.SliceA((first+t)%Sets), p.SliceB((first+t)%Sets), p.SliceC((first+t)%Sets)
		for i := range p.M {
			for j := range p.N {
				sum := float32(0)
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
	return protocol.Job{Dtype: protocol.Float32, Shape: s, Workers: 1, Budget: 5 * time.Millisecond}
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
		Run: func(p *Product, first, times int) {
			for t := range times {
				sets[(first+t)%Sets]++
			}
			naive(p, first, times)
		},
	}
	bad := job("3x4x5")
	bad.Dtype = "f64"
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
	assert.Contains(t, replies[7].Error, "f64")
	assert.Equal(t, []int{1, 2}, workers)
	assert.InDelta(t, sets[0], sets[1], 8, "sets take turns")
	assert.InDelta(t, sets[0], sets[2], 8, "sets take turns")
}

func TestWrongResultsDoNotWin(t *testing.T) {
	for name, spoil := range map[string]func(p *Product){
		"one element off by one": func(p *Product) { p.SliceC(1)[p.M*p.N-1]++ },
		"a bit lost":             func(p *Product) { p.SliceC(2)[0] += 0.5 },
		"transposed":             func(p *Product) { c := p.SliceC(0); c[1], c[p.N] = c[p.N], c[1] },
	} {
		t.Run(name, func(t *testing.T) {
			l := Library{Workers: anyWorkers, Run: func(p *Product, first, times int) { naive(p, first, times); spoil(p) }}
			reply := ask(t, l, job("6x6x33"))[0]
			assert.Contains(t, reply.Error, "6x6x33 is wrong")
			assert.Zero(t, reply.Seconds)
		})
	}
	reply := ask(t, Library{Workers: anyWorkers, Run: func(*Product, int, int) {}}, job("2x2x2"))[0]
	assert.Contains(t, reply.Error, "NaN", "nothing computed")
}

func TestOperandsAreExact(t *testing.T) {
	for _, shape := range []string{"2x3x1", "5x3x511", "16x2x32768tA", "2x16x100000tB"} {
		p, err := newProduct(job(shape).Shape)
		require.NoError(t, err)
		assert.LessOrEqual(t, p.K*p.limit*p.limit, 1<<24, shape)
		assert.Positive(t, p.limit)
		var least, most float32
		for _, v := range p.SliceA(0) {
			least, most = min(least, v), max(most, v)
		}
		assert.LessOrEqual(t, most, float32(p.limit))
		assert.GreaterOrEqual(t, least, -float32(p.limit))
		naive(p, 0, Sets)
		assert.NoError(t, p.verify(), shape)
		p.free()
	}
}

func TestSlowProductsAreNotRepeated(t *testing.T) {
	runs := 0
	l := Library{Workers: anyWorkers, Run: func(p *Product, first, times int) {
		runs += times
		naive(p, first, times)
		time.Sleep(time.Duration(times) * 60 * time.Millisecond)
	}}
	reply := ask(t, l, job("2x2x2"))[0]
	assert.Equal(t, 1, reply.Windows, "ten budgets are spent by one product")
	assert.Equal(t, Sets+1+1, runs, "to verify, to warm up, to measure")
}
