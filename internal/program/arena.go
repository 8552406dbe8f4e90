package program

import (
	"cmp"
	"slices"

	"github.com/steppe-ml/steppe/net/op"
)

// A workspace's buffers lie in one piece of memory, its arena. Buffers that are never live at the
// same time may share a place. Time counts calls of ops: op i of n runs forward at time i, the loss
// at n, and in the backward pass each op takes three times, for Prepare, Gradient and Backward.

// buffer is memory that is live from one time to another, both included.
type buffer struct {
	floats int
	from   int  // time
	to     int  // time; before from if the buffer is never live
	kept   bool // outlives the pass, and lies outside the arena
	at     int  // place in the arena
	trial  int  // place in the order that is being tried
	data   []float32
}

// during extends b's life to a time.
func (b *buffer) during(time int) {
	b.from, b.to = min(b.from, time), max(b.to, time)
}

// buffers are the buffers of a workspace. A buffer is nil if the value shares another's memory,
// lies in Deferred, or isn't wanted.
type buffers struct {
	values, grads      []*buffer            // by storage
	aux                []*buffer            // by op
	auxKept            []*buffer            // by op: a copy of aux for Workspace.Again; nil without Size.Again
	rematerialized     []*buffer            // by value: its place after it is rematerialized; nil if it isn't
	rematerializations []rematerializations // by op
	makers             []int                // by value: index of the op that computes it
	floats, kept       int                  // of the arena, and outside it
	all                []*buffer            // the buffers above
}

// rematerializations are the values to rematerialize before an op's Prepare, and before its
// Gradient.
type rematerializations struct{ prepare, gradient []op.Value }

// in gives the buffers their memory.
func (bs *buffers) in(arena, kept []float32) {
	for _, b := range bs.all {
		memory := arena
		if b.kept {
			memory = kept
		}
		if b.from <= b.to {
			b.data = memory[b.at:][:b.floats:b.floats]
		}
	}
}

// place gives each buffer its place in an arena, and returns the arena's length. It places one
// buffer after the other, each as far down as the buffers that are live with it allow, and takes
// the best of several orders (Pisarchyk and Lee, arXiv 2001.03288, compare some).
func place(all []*buffer, kept bool) (floats int) {
	var used []*buffer
	for _, b := range all {
		if b.kept == kept && b.from <= b.to {
			used = append(used, b)
		}
	}
	for try, order := range []func(a, b *buffer) int{
		func(a, b *buffer) int {
			return cmp.Or(cmp.Compare(b.floats, a.floats), cmp.Compare(b.to-b.from, a.to-a.from))
		},
		func(a, b *buffer) int { return cmp.Compare(b.to-b.from, a.to-a.from) },
		func(a, b *buffer) int { return cmp.Compare(b.floats*(b.to-b.from+1), a.floats*(a.to-a.from+1)) },
		func(a, b *buffer) int { return cmp.Compare(a.from, b.from) },
	} {
		slices.SortStableFunc(used, order)
		if total := placeInOrder(used, kept); try == 0 || total < floats {
			floats = total
			for _, b := range used {
				b.at = b.trial
			}
		}
	}
	return floats
}

// placeInOrder sets each buffer's trial place. Kept buffers are live at all times.
func placeInOrder(order []*buffer, kept bool) (floats int) {
	const line = 16      // floats of a cache line
	var placed []*buffer // by place
	for _, b := range order {
		b.trial = 0
		for _, other := range placed {
			if !kept && (other.from > b.to || other.to < b.from) {
				continue
			}
			if other.trial >= b.trial+b.floats {
				break
			}
			b.trial = max(b.trial, (other.trial+other.floats+line-1)/line*line)
		}
		at, _ := slices.BinarySearchFunc(placed, b, func(x, y *buffer) int { return cmp.Compare(x.trial, y.trial) })
		placed = slices.Insert(placed, at, b)
		floats = max(floats, b.trial+b.floats)
	}
	return floats
}
