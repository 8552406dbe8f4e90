package gemm

import (
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/simdtest"
)

// Kernels that split pairs flush denormals by MXCSR, in a part of their code. Here are numbers for
// which it shows if that part is too short, or too long.

// extremes are kinds of values of bfloat16, as their bits.
var extremes = map[string]func(r *rand.Rand) uint32{
	// Products, and sums of them, are often next to 2^-126.
	"tiny": func(r *rand.Rand) uint32 { return uint32(r.IntN(2)<<15 | (62+r.IntN(6))<<7 | r.IntN(1<<7)) },
	// And here next to 2^128.
	"huge": func(r *rand.Rand) uint32 { return uint32(r.IntN(2)<<15 | (188+r.IntN(6))<<7 | r.IntN(1<<7)) },
	"denormal": func(r *rand.Rand) uint32 {
		special := []uint32{0, 0x8000, 1, 0x8001, 0x7f, 0x807f, 0x80, 0x8080, 0x3f80, 0xbf80, 0x7f00}
		return special[r.IntN(len(special))]
	},
	"not finite": func(r *rand.Rand) uint32 {
		special := []uint32{0x7f80, 0xff80, 0x7fc0, 0xffc1, 0x7f81, 0}
		if r.IntN(8) == 0 {
			return special[r.IntN(len(special))]
		}
		return uint32(0x3f80 | r.IntN(2)<<15 | r.IntN(3))
	},
}

// extremePairs returns a call's operands: pairs of a kind, in A, B and the upper halves of C.
func extremePairs(r *rand.Rand, c tileCall[float32], nr int, number func(*rand.Rand) uint32) *tileData[float32] {
	memory := anywhere[float32]()
	memory.table = Pairs()
	d := newTileData(r, c, nr, memory)
	for _, s := range [][]float32{d.a, d.b, d.bias, d.rowBias} {
		for i := range s {
			s[i] = math.Float32frombits(number(r)<<16 | number(r))
		}
	}
	if d.beta != 0 {
		for i := range d.rows * d.tiles {
			for j := range d.n {
				d.c[i*d.cRow+j] = math.Float32frombits(number(r)<<16 | r.Uint32()&0xffff)
			}
		}
	}
	copy(d.before, d.around)
	return d
}

func TestPairsTilesOfExtremes(t *testing.T) {
	// Some scales make denormal numbers of sums that aren't.
	scales := [][2]float32{{1, 0}, {1, 1}, {0x1p-30, 0}, {0x1p-10, 0x1p-8}, {0x1p-140, 1}}
	simdtest.EachISA(t, func(t *testing.T) {
		r := rand.New(rand.NewPCG(1, 2))
		for _, number := range extremes {
			eachTileOf(Pairs(), func(kernel TileKernel[float32], rows, n, nr int) {
				for _, k := range []int{0, 1, 5, 17} {
					scale := scales[r.IntN(len(scales))]
					for _, layout := range tileLayouts[float32]() {
						c := tileCall[float32]{rows: rows, n: n, k: k, tiles: 1 + r.IntN(3), bRow: nr, cRow: n, alpha: scale[0], beta: scale[1]}
						layout(&c)
						c.biased, c.rowBiased, c.relu = r.IntN(2) == 0, r.IntN(2) == 0, r.IntN(2) == 0
						checkPairs(t, extremePairs(r, c, nr, number), kernel)
					}
				}
			})
		}
	})
}

// goArithmetic returns results that depend on what MXCSR says of denormals and of rounding.
//
//go:noinline
func goArithmetic(small, one float32) [6]uint32 {
	bits := math.Float32bits
	return [6]uint32{
		bits(small / 2), bits(math.Float32frombits(1) * one), bits(-small / 4), // written, read, negative
		bits(one + 0x1p-24), bits(one + 0x1.8p-24), bits(-one - 0x1.8p-24), // to nearest, even
	}
}

// Kernels leave MXCSR as they find it. Collections of garbage stop goroutines meanwhile.
func TestPairsTilesKeepMXCSR(t *testing.T) {
	want := [6]uint32{0x400000, 1, 0x80200000, 0x3f800000, 0x3f800001, 0xbf800001}
	simdtest.EachISA(t, func(t *testing.T) {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		stop, stopped := make(chan bool), make(chan bool)
		go func() {
			defer close(stopped)
			for {
				select {
				case <-stop:
					return
				default:
					runtime.GC()
				}
			}
		}()
		defer func() { close(stop); <-stopped }()
		r := rand.New(rand.NewPCG(7, 8))
		for _, number := range extremes {
			eachTileOf(Pairs(), func(kernel TileKernel[float32], rows, n, nr int) {
				for _, k := range []int{0, 1, 6, 20} {
					c := tileCall[float32]{rows: rows, n: n, k: k, tiles: 2, bRow: nr, cRow: n, alpha: 1, beta: 1}
					inPlace(&c)
					extremePairs(r, c, nr, number).run(t, kernel)
					assert.Equal(t, want, goArithmetic(0x1p-126, 1), "after tiles of %d rows and %d columns", rows, n)
				}
			})
		}
	})
}
