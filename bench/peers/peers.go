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
	name    string             // heads its column
	program string             // folder in child of its Go program
	python  []string           // or its Python file and that file's arguments
	library string             // part of the file name of the only BLAS it may load; "" for none; or anyLibrary
	env     []string           // added to the environment of its process
	own     bool               // it is our side, so never the best rival
	aside   bool               // another variant of the same library is the rival
	workers int                // its number of workers; 0 is options.workers
	when    func(options) bool // says whether it has something to do; nil is always
}

// anyLibrary lets a peer load any BLAS libraries. The report names them.
const anyLibrary = "any"

// The names that the arithmetic of the tables refers to.
const (
	ours     = "ours"
	oursAVX2 = "ours-avx2"
	oursOne  = "ours-1"
	oursTwo  = "ours-2"
)

// Our side, for all kinds of work but steps.
var (
	full  = peer{name: ours, program: "steppe", own: true}
	avx2  = peer{name: oursAVX2, program: "steppe", own: true, env: []string{simd.EnvVar + "=avx2"}, when: hasMoreThanAVX2}
	alone = peer{name: oursOne, program: "steppe", own: true, workers: 1, when: func(o options) bool { return o.workers > 1 }}
)

func hasMoreThanAVX2(options) bool {
	supported := simd.Supported()
	return slices.Contains(supported, simd.AVX2) && supported[len(supported)-1] != simd.AVX2
}

// peersOf lists the peers of each kind of work. Peers of steps fix their numbers of workers.
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
		pytorch("torch-1", "contiguous", 1, ofImages),
		pytorch("torch-2", "contiguous", 2, ofImages),
		pytorch("torch-last-1", "channels_last", 1, ofImages),
		pytorch("torch-last-2", "channels_last", 2, ofImages),
		pytorch("torch-batched-1", "batched", 1, msamOfMLP),
		pytorch("torch-batched-2", "batched", 2, msamOfMLP),
		pytorch("torch-layers-1", "layers", 1, ofText),
		pytorch("torch-layers-2", "layers", 2, ofText),
		pytorch("torch-written-1", "written", 1, ofText),
		pytorch("torch-written-2", "written", 2, ofText),
		pytorch("torch-first-1", "first", 1, ofText),
		pytorch("torch-first-2", "first", 2, ofText),
		pytorch("torch-packed-1", "packed", 1, ofRaggedText),
		pytorch("torch-packed-2", "packed", 2, ofRaggedText),
	},
}

// pytorch returns the peer that runs a variant of pytorch/child.py, if there is such a step.
func pytorch(name, variant string, workers int, of func(protocol.Step) bool) peer {
	return peer{
		name: name, python: []string{"pytorch/child.py", variant}, library: anyLibrary, workers: workers,
		when: func(o options) bool { return o.any(func(w protocol.Work) bool { return of(*w.Step) }) },
	}
}

func ofImages(s protocol.Step) bool     { return s.Text == (protocol.Text{}) }
func ofText(s protocol.Step) bool       { return !ofImages(s) }
func ofRaggedText(s protocol.Step) bool { return s.Text.Ragged() }
func msamOfMLP(s protocol.Step) bool    { return s.Model == "mlp" && s.Method == protocol.MSAM }

// mustBe returns the names of the peers without which there is no table.
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
