package protocol

import "fmt"

// Text says what samples of text look like.
type Text struct {
	Vocabulary int `json:"vocabulary"` // token ids are below it
	Length     int `json:"length"`     // tokens of the longest sample
	Shortest   int `json:"shortest"`   // tokens of the shortest sample
}

// usualText is the text of all models: sentences of as many tokens, from a vocabulary of some
// thousand words and pieces.
var usualText = Text{Vocabulary: 8000, Length: 64, Shortest: 64}

// Ragged reports whether samples have different lengths.
func (t Text) Ragged() bool { return t.Shortest < t.Length }

func (t Text) validate() error {
	if t.Vocabulary < 1 || t.Shortest < 1 || t.Length < t.Shortest {
		return fmt.Errorf("protocol: text of %d to %d tokens below %d, want at least 1, and no fewer at most", t.Shortest, t.Length, t.Vocabulary)
	}
	return nil
}

// Lengths returns the numbers of tokens of the samples of batch i: uniform from Shortest to Length.
// pytorch/noise.py computes the same numbers.
func (s Step) Lengths(i int) []int {
	lengths := make([]int, s.Batch)
	for j := range lengths {
		spread := uint32(s.Text.Length - s.Text.Shortest + 1)
		lengths[j] = s.Text.Shortest + int(Mix(uint32(3000+i), j)%spread)
	}
	return lengths
}

// Mix hashes a place by lowbias32 (C. Wellons, "Prospecting for hash functions", 2018).
func Mix(stream uint32, place int) uint32 {
	x := uint32(place) ^ stream*0x9e3779b9
	x ^= x >> 16
	x *= 0x7feb352d
	x ^= x >> 15
	x *= 0x846ca68b
	return x ^ x>>16
}

// encoder is the size of a transformer. Its hidden layers have four times its width.
type encoder struct{ layers, width, heads int }

// gradientFlops returns the operations in the products of a gradient of a classifier over samples
// of these lengths: the forward pass, and the gradients of the inputs and of the weights. The last block
// makes the first row alone.
func (e encoder) gradientFlops(lengths []int, classes int) (flops float64) {
	d := float64(e.width)
	for _, n := range lengths {
		length := float64(n)
		block := 12*d*d*length + 2*d*length*length // weights, then the scores and the weighted sums
		last := 3*d*d*length + 9*d*d + 2*d*length  // attention of all rows by one, and the rest of the block on it
		head := d*d + d*float64(classes)
		flops += 3 * 2 * (float64(e.layers-1)*block + last + head)
	}
	return flops
}
