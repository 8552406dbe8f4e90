package text

import "fmt"

// trie has byte strings with a value each, and finds the longest of them that a text begins with.
// It may have several roots, so that sets of strings share a table.
type trie struct {
	edges  []edge  // an open-addressing table; its length is a power of two
	values []int32 // by node; -1 if no string ends there. Node 0 is none.
	used   int     // edges in use
}

// edge leads from a node by a byte to a child. A child of 0 marks a free place.
type edge struct {
	key   uint32 // node<<8 | byte
	child uint32
}

// mostNodes is what the keys of edges have room for.
const mostNodes = 1 << 24

// newTrie makes a trie with the given number of roots, which are nodes 1 and up.
func newTrie(roots int) *trie {
	t := &trie{edges: make([]edge, 64), values: make([]int32, 1+roots)}
	for i := range t.values {
		t.values[i] = -1
	}
	return t
}

// place returns the place of an edge in the table, or the free place where it belongs.
func (t *trie) place(key uint32) int {
	mask := len(t.edges) - 1
	h := key * 0x9e3779b1
	i := int(h^h>>15) & mask
	for t.edges[i].child != 0 && t.edges[i].key != key {
		i = (i + 1) & mask
	}
	return i
}

// insert gives a string below a root a value. It replaces an earlier one.
func (t *trie) insert(root uint32, s string, value int32) error {
	node := root
	for i := range len(s) {
		key := node<<8 | uint32(s[i])
		at := t.place(key)
		if t.edges[at].child == 0 {
			if len(t.values) == mostNodes {
				return fmt.Errorf("the tokens are too long in all: want at most %d bytes that none share", mostNodes)
			}
			if 2*(t.used+1) > len(t.edges) {
				t.grow()
				at = t.place(key)
			}
			t.edges[at] = edge{key, uint32(len(t.values))}
			t.values = append(t.values, -1)
			t.used++
		}
		node = t.edges[at].child
	}
	t.values[node] = value
	return nil
}

// grow doubles the table.
func (t *trie) grow() {
	old := t.edges
	t.edges = make([]edge, 2*len(old))
	for _, e := range old {
		if e.child != 0 {
			t.edges[t.place(e.key)] = e
		}
	}
}

// longest returns the value and the length of the longest string below root that text begins
// with; length 0 if there is none.
func (t *trie) longest(root uint32, text []byte) (value int32, length int) {
	node := root
	value = -1
	for i, c := range text {
		at := t.place(node<<8 | uint32(c))
		if node = t.edges[at].child; node == 0 {
			break
		}
		if v := t.values[node]; v >= 0 {
			value, length = v, i+1
		}
	}
	return value, length
}
