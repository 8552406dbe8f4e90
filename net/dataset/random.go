package dataset

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
)

// Random is a stream of random bits, the same on every platform and with every Go release. It is
// ChaCha8, whose streams are unrelated even for neighboring seeds, epochs and samples.
type Random struct{ chacha rand.ChaCha8 }

// NewRandom returns a seed's stream of that number.
func NewRandom(seed, stream uint64) *Random {
	var r Random
	r.start(seed, stream, 0, 0)
	return &r
}

// The fourth word of a key says what the bits are for, so that no two uses of one seed share a
// stream. Augmentation i has forAugment+i, so later purposes are far above.
const (
	forNoisy = 1 + iota // the choice of labels to draw again
	forNoise            // their new classes
	forSplit
	forAugment
	forSubset  = 1 << 32
	forTest    = 1<<32 + 1
	forBuckets = 1<<32 + 2
)

// start begins the stream of a purpose, for a sample or for a whole epoch.
func (r *Random) start(seed, epoch, sample, purpose uint64) {
	var key [32]byte
	for i, word := range [...]uint64{seed, epoch, sample, purpose} {
		binary.LittleEndian.PutUint64(key[8*i:], word)
	}
	r.chacha.Seed(key)
}

// Uint64 returns the next 64 bits.
func (r *Random) Uint64() uint64 { return r.chacha.Uint64() }

// Below returns a number in [0, n) for a positive n. It takes one draw whatever n is and however
// wide an int is, which rand.Rand does not promise; the bias is at most n/2^64.
func (r *Random) Below(n int) int {
	high, _ := bits.Mul64(r.Uint64(), uint64(n))
	return int(high)
}

// permutation shuffles 0..n-1 by Fisher and Yates (Knuth, TAOCP vol. 2, algorithm P).
func (r *Random) permutation(n int) []int {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	for i := n - 1; i > 0; i-- {
		j := r.Below(i + 1)
		order[i], order[j] = order[j], order[i]
	}
	return order
}

// permutation is the order of the samples in an epoch.
func permutation(n int, seed, epoch uint64) []int {
	return NewRandom(seed, epoch).permutation(n)
}
