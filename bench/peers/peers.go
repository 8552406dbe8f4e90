package main

import (
	"slices"

	"github.com/steppe-ml/steppe/simd"
)

// peer is a column of the table, and one process.
type peer struct {
	name    string
	program string   // folder in child
	library string   // a part of the file name of the C library that it must have loaded, and no other; "" for none
	env     []string // of its process
	own     bool     // it is ours, so no rival
	workers int      // if not 0, whatever the others have
	when    func(workers int) bool
}

// The peers that the table's arithmetic knows by name.
const (
	ours     = "ours"
	oursAVX2 = "ours-avx2"
	oursOne  = "ours-1"
)

var peers = []peer{
	{name: ours, program: "steppe", own: true},
	{name: oursAVX2, program: "steppe", own: true, env: []string{simd.EnvVar + "=avx2"}, when: func(int) bool {
		supported := simd.Supported()
		return slices.Contains(supported, simd.AVX2) && supported[len(supported)-1] != simd.AVX2
	}},
	{name: oursOne, program: "steppe", own: true, workers: 1, when: func(workers int) bool { return workers > 1 }},
	{name: "openblas", program: "openblas", library: "openblas"},
	{name: "blis", program: "blis", library: "blis"},
	{name: "onednn", program: "onednn", library: "dnnl"},
	{name: "gonum", program: "gonum"},
	{name: "vek", program: "vek"},
}

func peerNames(peers []peer) (names []string) {
	for _, p := range peers {
		names = append(names, p.name)
	}
	return names
}
