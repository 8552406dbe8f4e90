package sam

import (
	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
)

// Sums over units, shards or parts go along the binary tree of their numbers: neighbors are added,
// then neighbors of those, and a last one without a neighbor goes up as it is. A node of the tree is
// a run of numbers that begins at a multiple of its length, a power of two, or ends with them all.

// nodes returns the largest nodes, of the tree of total numbers, that a run of numbers consists of.
func nodes(total int, run num.Span) (list []num.Span) {
	for from := run.From; from < run.To; {
		length := 1
		for from%(2*length) == 0 && from+length < total && min(total, from+2*length) <= run.To {
			length *= 2
		}
		node := num.Range(from, min(total, from+length))
		list = append(list, node)
		from = node.To
	}
	return list
}

// halves returns the two nodes below one of several numbers.
func halves(node num.Span) (left, right num.Span) {
	length := 1
	for 2*length < node.Len() {
		length *= 2
	}
	return num.Range(node.From, node.From+length), num.Range(node.From+length, node.To)
}

// treeSum adds up vectors of several ranks along a tree, of which each rank has some nodes.
//
// The vector is cut into as many segments as there are ranks. Each rank is sent all nodes'
// parts of its segment, adds them up in the tree's order, and sends the sum to all. So a rank sends
// and receives less than two vectors if it has one node, as the fastest sums of rings and trees do
// that keep no order.
type treeSum struct {
	send, receive [][]float32 // by rank
	live          []liveNode
	scratch       []float32 // segments of all nodes
}

// liveNode is a node whose sum is known.
type liveNode struct {
	num.Span
	sum []float32
}

// forest is the nodes that ranks have of a tree, by rank.
type forest struct {
	total int // numbers of the tree
	nodes [][]num.Span
	count int // of nodes
	most  int // of a rank
}

// newForest returns the nodes that consist of each rank's run of a tree's numbers.
func newForest(total int, runs []num.Span) (f forest) {
	f.total = total
	for _, run := range runs {
		list := nodes(total, run)
		f.nodes = append(f.nodes, list)
		f.count += len(list)
		f.most = max(f.most, len(list))
	}
	return f
}

// segment is a rank's part of a vector.
func segment(rank, ranks, length int) num.Span {
	return num.Range(parallel.Cut(length, 1, ranks, rank))
}

// sum sets dst to the tree's sum. own has this rank's nodes, in their order.
func (t *treeSum) sum(c Communicator, team *blas.Team, add *vectors, f *forest, own [][]float32, dst []float32) error {
	ranks, length := c.Size(), len(dst)
	mine := segment(c.Rank(), ranks, length)
	t.live = t.live[:0]
	for k := range f.most {
		for r := range ranks {
			t.send[r], t.receive[r] = nil, nil
			if k < len(own) {
				t.send[r] = segment(r, ranks, length).Of(own[k])
			}
			if k < len(f.nodes[r]) {
				at := len(t.live) * mine.Len()
				t.receive[r] = t.scratch[at:][:mine.Len()]
				t.live = append(t.live, liveNode{f.nodes[r][k], t.receive[r]})
			}
		}
		if err := c.Exchange(t.send, t.receive); err != nil {
			return err
		}
	}
	copy(mine.Of(dst), t.climb(team, add, f.total))
	for r := range ranks {
		t.send[r], t.receive[r] = mine.Of(dst), segment(r, ranks, length).Of(dst)
	}
	t.send[c.Rank()], t.receive[c.Rank()] = nil, nil // it is there already, and others read it
	return c.Exchange(t.send, t.receive)
}

// climb adds up the live nodes, level by level, and returns the sum of all.
func (t *treeSum) climb(team *blas.Team, add *vectors, total int) []float32 {
	at := func(from int) *liveNode {
		for i := range t.live {
			if t.live[i].From == from && t.live[i].Len() > 0 {
				return &t.live[i]
			}
		}
		return nil
	}
	for apart := 1; apart < total; apart *= 2 {
		for from := 0; from+apart < total; from += 2 * apart {
			left, right := at(from), at(from+apart)
			if left == nil || left.Len() != apart || right == nil {
				continue // below a node that a rank has added up
			}
			add.add(team, left.sum, right.sum)
			left.To, right.To = right.To, right.From
		}
	}
	return at(0).sum
}
