package main

import (
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// knownDecompositions is a report of made-up times of a decomposition, in milliseconds by round.
func knownDecompositions(name string, workers int, times map[string][]float64) (*Report, *Row) {
	r := &Report{Kind: protocol.KindDecompositions, Dtype: protocol.Float64, Workers: workers, Rounds: 3}
	row := &Row{Suite: "gonum", Work: protocol.Work{Decomposition: &protocol.Decomposition{Name: name, N: 1000}}, Cells: map[string]*Cell{}, Ceiling: []float64{1, 1, 1}}
	for _, p := range peersOf[protocol.KindDecompositions] {
		r.Peers = append(r.Peers, Participant{Name: p.name, own: p.own})
		row.Cells[p.name] = &Cell{Cannot: "no times"}
		for _, ms := range times[p.name] {
			row.Cells[p.name].Cannot = ""
			row.Cells[p.name].Seconds = append(row.Cells[p.name].Seconds, ms/1e3)
		}
	}
	r.Rows = []*Row{row}
	row.summarize(r.Peers, workers)
	r.end()
	return r, row
}

func TestTableOfDecompositions(t *testing.T) {
	r, row := knownDecompositions("LU", 1, map[string][]float64{ours: {20, 20, 40}, gonumAlone: {30, 30, 60}, "openblas": {10, 20, 30}})
	assert.Empty(t, r.Means)
	text := r.render(false)
	assert.Contains(t, text, "gonum's mat on matrices of n x n, f64, ours with blas.Use(), 1 worker")
	assert.Regexp(t, `ms, what and n +ours +gonum +openblas +/gonum +/openblas +below\n`, text)
	assert.Regexp(t, `LU 1000 +20.00 +30.00 +20.00 +1.50 ±0.00 +0.75 ±0.12 +2 of gonum\n`, text)
	assert.Equal(t, "LU 1000           20.00 ms, 1.50 of gonum, 0.75 of openblas", row.String())
	_, err := json.Marshal(r)
	assert.NoError(t, err)

	_, row = knownDecompositions("LU", 1, map[string][]float64{gonumAlone: {30}})
	assert.Equal(t, []string{"wrong"}, row.Misses)
	r, row = knownDecompositions("LU", 1, map[string][]float64{ours: {30}})
	assert.Empty(t, row.Misses)
	assert.NotContains(t, r.render(true), "NaN")
}

func TestSpeedUpsBelowTheirFloorsAreMarked(t *testing.T) {
	for _, c := range []struct {
		name    string
		workers int
		speedUp float64
		want    []string
	}{
		{"Mul", 1, 1, nil},
		{"Mul", 2, 5.9, []string{"6 of gonum"}},
		{"Mul", 2, 6.1, nil},
		{"QR", 1, 1.9, []string{"2 of gonum"}},
		{"Cholesky", 2, 2.1, nil},
		{"SVD", 2, 1.9, []string{"2 of gonum"}},
		{"Solve", 2, 1, nil},
		{"Eigen", 2, 1, nil},
	} {
		assert.Zero(t, leastSpeedUp(protocol.Decomposition{Name: c.name, N: 100}, c.workers), "small matrices have none")
		_, row := knownDecompositions(c.name, c.workers, map[string][]float64{ours: {10}, gonumAlone: {10 * c.speedUp}})
		assert.Equal(t, c.want, row.Misses, c)
	}
}

func TestSuiteOfGonum(t *testing.T) {
	opt, err := parse(strings.Fields("--suite gonum --workers 2"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.KindDecompositions, opt.kind)
	assert.Equal(t, protocol.EntryBLAS, opt.entry)
	assert.Equal(t, protocol.Float64, opt.dtype, "by default")
	assert.Equal(t, []string{ours, gonumAlone, "openblas"}, peerNames(opt.peers))
	require.Len(t, opt.suites[0].work, 8)
	assert.Equal(t, 15*time.Second, opt.suites[0].limit)
	assert.Equal(t, "Mul 1000", opt.suites[0].work[0].String())

	opt, err = parse([]string{"--shapes", "LU 100, Eigen 50", "--limit", "3", "--peers", "openblas"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, 3*time.Second, opt.limit)
	assert.Equal(t, []string{ours, "openblas"}, peerNames(opt.peers))
	_, err = parse(strings.Fields("--suite gonum --dtype f32"), io.Discard)
	assert.ErrorContains(t, err, `decompositions have "f64" only`)
}
