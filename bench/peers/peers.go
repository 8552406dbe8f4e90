package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/simd"
)

// peer is a column of the table, and one process.
type peer struct {
	name    string
	program string             // folder in child, of a program in Go
	python  []string           // or a file in Python, and its arguments
	library string             // a part of the file name of the C library that it must have loaded, and no other; "" for none, anyLibrary
	env     []string           // of its process
	own     bool               // it is ours, so no rival
	aside   bool               // it is no rival because another peer is its better figure
	workers int                // if not 0, whatever the others have
	when    func(options) bool // it has something to do
}

// anyLibrary is the library of a peer that brings its own, whichever they are: the
// report names them.
const anyLibrary = "any"

// The peers that the table's arithmetic knows by name.
const (
	ours     = "ours"
	oursAVX2 = "ours-avx2"
	oursOne  = "ours-1"
	oursTwo  = "ours-2"
)

// The peers that products and convolutions have in common.
var (
	full  = peer{name: ours, program: "steppe", own: true}
	avx2  = peer{name: oursAVX2, program: "steppe", own: true, env: []string{simd.EnvVar + "=avx2"}, when: hasMoreThanAVX2}
	alone = peer{name: oursOne, program: "steppe", own: true, workers: 1, when: func(o options) bool { return o.workers > 1 }}
)

func hasMoreThanAVX2(options) bool {
	supported := simd.Supported()
	return slices.Contains(supported, simd.AVX2) && supported[len(supported)-1] != simd.AVX2
}

// peersOf lists the peers of each kind of work. Those of steps have their own numbers
// of workers.
var peersOf = map[protocol.Kind][]peer{
	protocol.KindProducts: {
		full, avx2, alone,
		{name: "openblas", program: "openblas", library: "openblas"},
		{name: "blis", program: "blis", library: "blis"},
		{name: "onednn", program: "onednn", library: "dnnl"},
		{name: "gonum", program: "gonum"},
		{name: "vek", program: "vek"},
	},
	protocol.KindConvolutions: {
		full, avx2, alone,
		{name: "onednn", program: "onednn", library: "dnnl"},
		{name: "onednn+reorders", program: "onednn", library: "dnnl", env: []string{protocol.ReordersVar + "=1"}, aside: true},
	},
	protocol.KindRoutines: {
		full, avx2, alone,
		{name: "openblas", program: "openblas", library: "openblas"},
		{name: "gonum", program: "gonum"},
	},
	protocol.KindDecompositions: {
		full,
		{name: gonumAlone, program: "gonum"},
		{name: "openblas", program: "openblas", library: "openblas"},
	},
	protocol.KindSteps: {
		{name: oursOne, program: "steppe", own: true, workers: 1},
		{name: oursTwo, program: "steppe", own: true, workers: 2},
		pytorch("torch-1", "contiguous", 1),
		pytorch("torch-2", "contiguous", 2),
		pytorch("torch-last-1", "channels_last", 1),
		pytorch("torch-last-2", "channels_last", 2),
		batched("torch-batched-1", 1),
		batched("torch-batched-2", 2),
	},
}

// pytorch is a variant of pytorch/child.py.
func pytorch(name, variant string, workers int) peer {
	return peer{name: name, python: []string{"pytorch/child.py", variant}, library: anyLibrary, workers: workers}
}

// batched is PyTorch's variant with all shards at once, which the perceptron has.
func batched(name string, workers int) peer {
	p := pytorch(name, "batched", workers)
	p.when = func(o options) bool {
		return o.any(func(w protocol.Work) bool { return w.Step.Model == "mlp" && w.Step.Method == protocol.MSAM })
	}
	return p
}

// mustBe returns the names of the peers that the table can't do without.
func mustBe(kind protocol.Kind) []string {
	if kind == protocol.KindSteps {
		return []string{oursOne, oursTwo}
	}
	return []string{ours}
}

func peerNames(peers []peer) (names []string) {
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}

// everyPeer lists the peers for the usage.
func everyPeer() string {
	var lists []string
	for _, kind := range []protocol.Kind{protocol.KindProducts, protocol.KindConvolutions, protocol.KindSteps, protocol.KindRoutines, protocol.KindDecompositions} {
		lists = append(lists, fmt.Sprintf("for %s %s", kind, strings.Join(peerNames(peersOf[kind]), ",")))
	}
	return strings.Join(lists, "; ")
}
