package text

import (
	"sync"

	"golang.org/x/text/unicode/norm"
)

// scratch is the memory of one call of Encode or Sample.
type scratch struct {
	raw      []byte // the text
	text     []byte // a piece of it, normalized
	other    []byte // the same before the last step
	clean    []byte // the same, cleaned but with its accents
	form     norm.Iter
	prefixed []byte // a piece with a space before it
	symbols  []int32
	list     []link   // of a long word, as a linked list
	heap     []uint64 // its pairs
	a, b     []int32  // the ids of a sample's texts
}

var scratches = sync.Pool{New: func() any { return new(scratch) }}

// mostKept bounds the text whose memory is kept for the next call.
const mostKept = 1 << 20

// newScratch takes memory for a text from the pool.
func newScratch(text string) *scratch {
	s := scratches.Get().(*scratch)
	s.raw = append(s.raw[:0], text...)
	return s
}

// release gives the memory back.
func (s *scratch) release() {
	if cap(s.raw) <= mostKept {
		scratches.Put(s)
	}
}
