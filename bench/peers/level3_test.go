package main

import (
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// knownRoutines is a report of made-up times of routines on matrices of 100 x 100, in microseconds:
// ours, and OpenBLAS's.
func knownRoutines(own, openblas float64, names ...string) *Report {
	r := &Report{Kind: protocol.KindRoutines, Dtype: protocol.Float64, Workers: 1, aims: map[string]float64{}}
	for _, p := range peersOf[protocol.KindRoutines] {
		if p.name == ours || p.name == "openblas" {
			r.Peers = append(r.Peers, Participant{Name: p.name, own: p.own})
		}
	}
	for _, name := range names {
		row := &Row{Suite: "chosen", Work: protocol.Work{Routine: &protocol.Routine{Name: name, N: 100}}, Ceiling: []float64{10}, bytes: 8,
			Cells: map[string]*Cell{ours: {Seconds: []float64{own / 1e6}}, "openblas": {Seconds: []float64{openblas / 1e6}}}}
		row.summarize(r.Peers, 1)
		r.Rows = append(r.Rows, row)
	}
	r.end()
	return r
}

// Level 3 is computing, so it has operations and a ceiling; levels 1 and 2 are moving.
func TestTableOfRoutines(t *testing.T) {
	r := knownRoutines(200, 160, "trsm", "gemm")
	text := r.render(false)
	assert.Regexp(t, `f64, routine and n +ours +openblas +ceiling +/openblas +best`, text)
	assert.Regexp(t, `trsm 100 +5.0 +6.2 +0.50 +0.80 ±0.00 +openblas +0.80 \[0.80 0.80\] +0.85 of best`, text)
	assert.Regexp(t, `gemm 100 +10.0 +12.5 +1.00 +0.80`, text)
	assert.Contains(t, text, "speed in GFLOP/s. A")
	assert.Contains(t, r.Rows[0].String(), "5.0 GFLOP/s, 0.80 of openblas")

	text = knownRoutines(8, 8, "gemv").render(false)
	assert.Regexp(t, `gemv 100 +10.2 +10.2 +1.00 ±0.00`, text)
	assert.Contains(t, text, "speed in GB/s. A")

	text = knownRoutines(200, 160, "gemv", "gemm").render(false)
	assert.Contains(t, text, "speed in GB/s, or GFLOP/s at level 3. A")
}

func TestSuiteOfLevel3(t *testing.T) {
	opt, err := parse(strings.Fields("--suite level3 --dtype f64 --workers 2"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.KindRoutines, opt.kind)
	assert.Equal(t, protocol.EntryBLAS, opt.entry)
	names := peerNames(opt.peers)
	for _, peer := range []string{ours, oursOne, "openblas", "gonum"} {
		assert.Contains(t, names, peer)
	}
	require.Len(t, opt.suites[0].work, 12*3)
	assert.Equal(t, "gemm 128", opt.suites[0].work[0].String())
	for _, w := range opt.suites[0].work {
		assert.Equal(t, floors{best: 0.85}, floorsOf(w, opt.workers))
	}
}
