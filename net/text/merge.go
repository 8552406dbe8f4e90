package text

import (
	"fmt"
	"math"
)

// pairTable has the merges of BPE: the rank of a pair of tokens, and what it becomes.
type pairTable struct {
	places []pairPlace // an open-addressing table; its length is a power of two
}

type pairPlace struct {
	pair  uint64 // left<<32 | right
	rank  int32  // the order in which pairs are merged; noRank marks a free place
	token int32
}

// noRank is that of a pair which isn't merged.
const noRank = math.MaxInt32

// newPairTable makes a table of merges in the order of their ranks. A pair that is there twice has
// the later rank.
func newPairTable(v vocabulary, merges [][2]string) (pairTable, error) {
	size := 64
	for size < 2*len(merges) {
		size *= 2
	}
	t := pairTable{places: make([]pairPlace, size)}
	for i := range t.places {
		t.places[i].rank = noRank
	}
	for rank, m := range merges {
		var ids [3]int32
		for i, token := range [3]string{m[0], m[1], m[0] + m[1]} {
			id, ok := v.ids[token]
			if !ok {
				return pairTable{}, fmt.Errorf("merge %d of %q and %q: the vocabulary lacks %q", rank+1, m[0], m[1], token)
			}
			ids[i] = id
		}
		pair := pairOf(ids[0], ids[1])
		*t.place(pair) = pairPlace{pair, int32(rank), ids[2]}
	}
	return t, nil
}

func pairOf(left, right int32) uint64 { return uint64(left)<<32 | uint64(uint32(right)) }

// place returns the place of a pair, or the free place where it belongs.
func (t *pairTable) place(pair uint64) *pairPlace {
	mask := uint64(len(t.places) - 1)
	h := pair * 0x9e3779b97f4a7c15
	i := (h >> 32) & mask
	for t.places[i].rank != noRank && t.places[i].pair != pair {
		i = (i + 1) & mask
	}
	return &t.places[i]
}

// shortWord is the number of symbols up to which looking at all pairs is faster than a heap.
const shortWord = 32

// mergeShort merges the symbols of a word in place, and returns those that are left: the pair of
// the lowest rank first, of equal ones the leftmost.
func (t *pairTable) mergeShort(ids []int32) []int32 {
	var ranks, tokens [shortWord]int32 // of the pair that begins at a symbol
	look := func(i int) {
		p := t.place(pairOf(ids[i], ids[i+1]))
		ranks[i], tokens[i] = p.rank, p.token
	}
	for i := range len(ids) - 1 {
		look(i)
	}
	for len(ids) > 1 {
		last := len(ids) - 1
		best, at := int32(noRank), 0
		for i, rank := range ranks[:last] {
			if rank < best {
				best, at = rank, i
			}
		}
		if best == noRank {
			break
		}
		ids[at] = tokens[at]
		copy(ids[at+1:], ids[at+2:])
		ids = ids[:last]
		copy(ranks[at:], ranks[at+1:last])
		copy(tokens[at:], tokens[at+1:last])
		if at+1 < last {
			look(at)
		}
		if at > 0 {
			look(at - 1)
		}
	}
	return ids
}

// link is a symbol of a long word. A negative token marks one that was merged into another.
type link struct {
	token      int32
	prev, next int32 // -1 at the ends
}

// mergeLong does the same for a word of any length, in time n log n, and appends what is left to
// dst. The heap orders pairs by rank and place. A pair that has changed since it was put there has
// another rank.
func (t *pairTable) mergeLong(dst, ids []int32, s *scratch) []int32 {
	list, heap := s.list[:0], s.heap[:0]
	for i, id := range ids {
		list = append(list, link{id, int32(i) - 1, int32(i) + 1})
	}
	list[len(list)-1].next = -1
	look := func(i int32) (rank, token int32) {
		if i < 0 || list[i].token < 0 || list[i].next < 0 {
			return noRank, -1
		}
		p := t.place(pairOf(list[i].token, list[list[i].next].token))
		return p.rank, p.token
	}
	for i := range list {
		if rank, _ := look(int32(i)); rank != noRank {
			heap = push(heap, uint64(rank)<<32|uint64(i))
		}
	}
	for len(heap) > 0 {
		var top uint64
		heap, top = pop(heap)
		at := int32(uint32(top))
		rank, token := look(at)
		if rank == noRank || rank != int32(top>>32) {
			continue
		}
		merged := list[at].next
		list[at].token, list[at].next = token, list[merged].next
		list[merged].token = -1
		if next := list[at].next; next >= 0 {
			list[next].prev = at
		}
		for _, i := range [2]int32{list[at].prev, at} {
			if rank, _ := look(i); rank != noRank {
				heap = push(heap, uint64(rank)<<32|uint64(i))
			}
		}
	}
	for i := int32(0); i >= 0; i = list[i].next {
		dst = append(dst, list[i].token)
	}
	s.list, s.heap = list, heap
	return dst
}

// push adds a value to a heap with the smallest on top.
func push(heap []uint64, v uint64) []uint64 {
	heap = append(heap, v)
	for i := len(heap) - 1; i > 0; {
		parent := (i - 1) / 2
		if heap[parent] <= heap[i] {
			break
		}
		heap[parent], heap[i] = heap[i], heap[parent]
		i = parent
	}
	return heap
}

// pop takes the smallest value.
func pop(heap []uint64) (rest []uint64, top uint64) {
	top = heap[0]
	last := len(heap) - 1
	heap[0] = heap[last]
	heap = heap[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			return heap, top
		}
		if child+1 < last && heap[child+1] < heap[child] {
			child++
		}
		if heap[i] <= heap[child] {
			return heap, top
		}
		heap[i], heap[child] = heap[child], heap[i]
		i = child
	}
}
