package main

import (
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/simd"
)

// known is a report of made-up times, in milliseconds by round, of products that are a million
// operations.
func known(workers int, square bool, times map[string][]float64) (*Report, *Row) {
	r := &Report{Kind: protocol.KindProducts, Workers: workers, Rounds: 3, Dtype: protocol.Float32, Entry: protocol.EntryMatMul, Budget: time.Millisecond, aims: map[string]float64{"made up": 0.97}}
	row := &Row{Suite: "made up", Work: product("50x100x100"), Cells: map[string]*Cell{}, Ceiling: []float64{1, 2, 1}}
	if square {
		row.Work = product("100x100x100")
	}
	for _, p := range peersOf[protocol.KindProducts] {
		if t, ok := times[p.name]; ok {
			r.Peers = append(r.Peers, Participant{Name: p.name, own: p.own})
			cell := &Cell{Cannot: "no times"}
			for _, ms := range t {
				cell.Cannot = ""
				cell.Seconds = append(cell.Seconds, ms/1e3)
			}
			row.Cells[p.name] = cell
		}
	}
	r.Rows = []*Row{row}
	row.summarize(r.Peers, workers)
	r.end()
	return r, row
}

func product(shape string) protocol.Work {
	s, err := protocol.ParseShape(shape)
	if err != nil {
		panic(err)
	}
	return protocol.Work{Product: &s}
}

func TestSummarize(t *testing.T) {
	_, row := known(1, false, map[string][]float64{
		ours:       {2, 4, 2},
		oursAVX2:   {4, 8, 4},
		"openblas": {1, 4, 8}, // ratios 0.5, 1, 4
		"blis":     {3, 3, 3}, // ratios 1.5, 0.75, 1.5: faster than openblas in the median
		"vek":      {},
	})
	assert.InDelta(t, 0.5, row.Cells[ours].GFLOPS, 1e-12)
	assert.Equal(t, stats.Spread{Q1: 0.75, Median: 1, Q3: 2.5}, row.Cells["openblas"].Behind)
	assert.Equal(t, "blis", row.Best)
	assert.InDelta(t, 1.5, row.VsBest.Median, 1e-12)
	assert.InDelta(t, 1.125, row.VsBest.Q1, 1e-12)
	assert.InDelta(t, 0.75, row.AVX2VsBest, 1e-12)
	assert.InDelta(t, 0.5, row.OfCeiling, 1e-12, "of 0.5/1, 0.25/2 and 0.5/1")
	assert.Zero(t, row.Cells["vek"].GFLOPS)
	assert.Empty(t, row.Misses)
}

func TestTwoWorkersHaveTwoCeilings(t *testing.T) {
	_, row := known(2, false, map[string][]float64{ours: {1, 1, 1}})
	assert.InDelta(t, 0.5, row.OfCeiling, 1e-12)
	assert.Empty(t, row.Best)
	assert.Empty(t, row.Misses)
}

func TestShapesBelowTheirFloorsAreMarked(t *testing.T) {
	for _, c := range []struct {
		name    string
		workers int
		square  bool
		times   map[string][]float64
		want    []string
	}{
		{"skinny, 0.91", 1, false, map[string][]float64{ours: {10, 10, 10}, "blis": {9.1, 9.1, 9.1}}, nil},
		{"skinny, 0.89", 1, false, map[string][]float64{ours: {10, 10, 10}, "blis": {8.9, 8.9, 8.9}}, []string{"0.90 of best"}},
		{"square, 0.9", 1, true, map[string][]float64{ours: {10, 10, 10}, "blis": {9, 9, 9}}, []string{"0.93 of best"}},
		{"square, two workers, 0.5", 2, true, map[string][]float64{ours: {10, 10, 10}, "blis": {5, 5, 5}, oursOne: {11, 9, 11}}, nil},
		{"as fast as alone", 2, true, map[string][]float64{ours: {10, 10, 10}, oursOne: {9.97, 9.98, 9.99}}, nil},
		{"slower than alone", 2, true, map[string][]float64{ours: {10, 10, 10}, oursOne: {9, 9, 9}}, []string{"our one core"}},
		{"ours are no rivals", 1, true, map[string][]float64{ours: {10, 10, 10}, oursAVX2: {5, 5, 5}, "blis": {10, 10, 10}}, nil},
	} {
		_, row := known(c.workers, c.square, c.times)
		assert.Equal(t, c.want, row.Misses, c.name)
	}
}

func TestWrongResultsAreNoFigures(t *testing.T) {
	r, row := known(1, false, map[string][]float64{ours: {2, 2, 2}, "blis": {1, 1, 1}, "openblas": {}})
	*row.Cells["openblas"] = Cell{Wrong: "row 3"}
	assert.Equal(t, []string{"openblas at 50x100x100: row 3"}, r.wrong())
	assert.Contains(t, r.render(false), "wrong")

	r, row = known(1, false, map[string][]float64{ours: {}, "blis": {1, 1, 1}})
	assert.Equal(t, []string{"wrong"}, row.Misses)
	assert.NotContains(t, r.render(false), "NaN")
	_, err := json.Marshal(r)
	assert.NoError(t, err, "no NaN")
}

func TestMeans(t *testing.T) {
	r, first := known(1, false, map[string][]float64{ours: {4, 4, 4}, "blis": {1, 1, 1}, "vek": {8, 8, 8}})
	_, second := known(1, false, map[string][]float64{ours: {1, 1, 1}, "blis": {1, 1, 1}, "vek": {}})
	_, other := known(1, false, map[string][]float64{ours: {1, 1, 1}, "blis": {3, 3, 3}, "vek": {}})
	other.Suite = "another"
	r.Rows, r.Means = []*Row{first, second, other}, nil
	r.end()
	require.Len(t, r.Means, 2)
	m := r.Means[0]
	assert.Equal(t, "made up", m.Suite)
	assert.InDelta(t, 0.5, m.VsBest, 1e-12, "of 1/4 and 1")
	assert.InDelta(t, 0.5, m.Behind["blis"], 1e-12)
	assert.InDelta(t, 2, m.Behind["vek"], 1e-12, "of the one shape that it has")
	assert.Equal(t, 1, m.Missed)
	assert.Equal(t, 2, m.Shapes)
	assert.InDelta(t, 3, r.Means[1].VsBest, 1e-12)
}

func TestTable(t *testing.T) {
	r, _ := known(1, false, map[string][]float64{ours: {4, 4, 4}, oursAVX2: {8, 8, 8}, "openblas": {2, 4, 6}, "blis": {3, 3, 3}, "vek": {}})
	r.LeftOut = []string{"onednn"}
	text := r.render(false)
	assert.Contains(t, text, "left out   onednn")
	assert.Regexp(t, `m x n x k +ours +ours-avx2 +openblas +blis +vek +ceiling +/openblas +/blis +/vek +best +/best +avx2/best +below`, text)
	assert.Regexp(t, `50x100x100 +0.2 +0.1 +0.2 +0.3 +0.25 +1.00 ±0.25 +0.75 ±0.00 +blis +0.75 \[0.75 0.75\] +0.38 +0.90 of best`, text)
	assert.Regexp(t, `geometric mean, made up +1.00 +0.75 +0.75 +0.38 +1 of 1 row, 0.97 of best`, text)

	columns := 0
	for line := range strings.Lines(r.render(true)) {
		if strings.HasPrefix(line, "|") {
			if columns == 0 {
				columns = strings.Count(line, "|")
			}
			assert.Equal(t, columns, strings.Count(line, "|"), line)
		}
	}
	assert.Equal(t, 15, columns, "of 14 columns")
}

// The reorders' figure stands beside the one without, and is no rival to it.
func TestTableOfConvolutions(t *testing.T) {
	all, err := protocol.ParseConvolution("forward 10x10x10x10->5 1x1")
	require.NoError(t, err)
	r := &Report{Kind: protocol.KindConvolutions, Dtype: protocol.Float32, Workers: 1, aims: map[string]float64{"conv": 0.98}}
	row := &Row{Suite: "conv", Work: protocol.Work{Convolution: &all[0]}, Cells: map[string]*Cell{}, Ceiling: []float64{1}}
	for _, p := range peersOf[protocol.KindConvolutions] {
		seconds, ok := map[string]float64{ours: 1.6e-4, "onednn": 1.25e-4, "onednn+reorders": 1e-4}[p.name]
		if ok {
			r.Peers = append(r.Peers, Participant{Name: p.name, own: p.own, aside: p.aside})
			row.Cells[p.name] = &Cell{Seconds: []float64{seconds}}
		}
	}
	r.Rows = []*Row{row}
	row.summarize(r.Peers, 1)
	r.end()
	text := r.render(false)
	assert.Contains(t, text, "NHWC images, HWIO filters, f32, 1 worker")
	assert.Regexp(t, `f32, pass and shapes +ours +onednn +onednn\+reorders +ceiling +/onednn +/onednn\+reorders +best +/best`, text)
	assert.Regexp(t, `forward 10x10x10x10->5 1x1 +0.6 +0.8 +1.0 +0.62 +0.78 ±0.00 +0.62 ±0.00 +onednn +0.78 \[0.78 0.78\] +0.93 of best`, text)
	assert.Regexp(t, `geometric mean, conv +0.78 +0.62 +0.78 +1 of 1 row, 0.98 of best`, text)
}

func TestTheReportSaysWhatWasMeasured(t *testing.T) {
	r, _ := known(2, false, map[string][]float64{ours: {4, 4, 4}, oursOne: {8, 8, 8}})
	text := r.render(false)
	assert.Contains(t, text, "C = A*B, f32, ours by blas.MatMul, 2 workers")
	assert.Regexp(t, `f32, m x n x k +ours +ours-1 +ceiling +/ours-1 +best`, text)
	assert.Contains(t, text, "GFLOP/s a core in f32")

	r.Entry = protocol.EntryBLAS
	assert.Contains(t, r.render(false), "f32, ours by blas.Sgemm,")
	r.Dtype = protocol.Float64
	text = r.render(false)
	assert.Contains(t, text, "f64, ours by blas.Dgemm,")
	assert.Contains(t, text, "f64, m x n x k")
	assert.Contains(t, text, "GFLOP/s a core in f64")
}

func TestCeilingOfFloat64(t *testing.T) {
	want := 50.0
	if len(simd.Supported()) == 1 {
		want = 100 // plain Go
	}
	assert.Equal(t, want, ceiling(protocol.Float64, 100))
	assert.Equal(t, 100.0, ceiling(protocol.Float32, 100))
}

func TestReportsAreJSON(t *testing.T) {
	r, row := known(1, false, map[string][]float64{ours: {4, 4, 4}, "blis": {3, 3, 3}})
	data, err := json.Marshal(r)
	require.NoError(t, err)
	var again Report
	require.NoError(t, json.Unmarshal(data, &again))
	require.Len(t, again.Rows, 1)
	assert.Equal(t, row, again.Rows[0])
}

func suiteOf(t *testing.T, name string) suite {
	all, err := chooseSuites(name, "")
	require.NoError(t, err)
	require.Len(t, all, 1)
	return all[0]
}

// The suites are the issue's.
func TestSuites(t *testing.T) {
	require.Len(t, products, 2)
	assert.Len(t, products[0].work, 21)
	assert.Len(t, products[1].work, 17)
	for _, w := range products[0].work {
		assert.True(t, w.Product.Square())
	}
	for _, w := range products[1].work {
		assert.False(t, w.Product.Square())
	}
	for _, s := range ragged {
		for _, w := range s.work {
			assert.Equal(t, s.name == "small squares", w.Product.Square(), w)
			assert.True(t, s.name == "ragged" || w.Product.N >= 8 && w.Product.N <= 128, w)
		}
	}
	assert.Len(t, ragged[0].work, 9)
	chosen, err := chooseSuites("ragged", "")
	require.NoError(t, err)
	assert.Equal(t, ragged, chosen)
	assert.Len(t, suiteOf(t, "conv").work, 3*10)
	assert.Len(t, suiteOf(t, "step").work, 3)
	steps := suiteOf(t, "sam").work
	require.Len(t, steps, 3*7+2*4)
	texts := suiteOf(t, "text").work
	require.Len(t, texts, 2*(2+4)+2*(2+2))
	require.Len(t, together(texts), 4)
	for what := range mostTime {
		assert.True(t, slices.ContainsFunc(slices.Concat(steps, texts), func(w protocol.Work) bool { return w.String() == what }), what)
	}

	small := suiteOf(t, "small").work
	require.Len(t, small, 2*3*6)
	groups := together(small)
	require.Len(t, groups, 2*3)
	for _, g := range groups {
		assert.Equal(t, protocol.SGD, g[0].Step.Method)
		assert.Equal(t, protocol.SAM, g[1].Step.Method)
		last := g[len(g)-1].Step
		assert.Equal(t, last.Batch, last.Shards, "one sample a shard")
	}
	for _, c := range []struct {
		shape   string
		workers int
		want    floors
	}{
		{"12x12x12", 1, floors{best: 0.90}},
		{"20x20x20", 1, floors{best: 0.93}},
		{"32x32x32", 1, floors{best: 0.93}},
		{"48x48x48", 1, floors{best: 0.93, ceiling: 0.85}},
		{"72x72x72", 1, floors{best: 0.93}},
		{"256x256x256", 1, floors{best: 0.93, ceiling: 0.92}},
		{"128x128x128", 2, floors{alone: true}},
		{"192x192x192", 2, floors{best: 0.93}},
		{"1x784x512", 1, floors{best: 0.90}},
		{"1x784x512", 2, floors{best: 0.90, alone: true}},
		{"512x512x512tA", 1, floors{best: 0.90}},
	} {
		assert.Equal(t, c.want, floorsOf(product(c.shape), c.workers), "%s, %d workers", c.shape, c.workers)
	}
}

func TestFlags(t *testing.T) {
	opt, err := parse(strings.Fields("--suite skinny --workers 2 --rounds 3 --budget 20 --peers blis,ours-avx2 --markdown --json x"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []string{ours, "blis", oursAVX2}, peerNames(opt.peers))
	assert.True(t, opt.strict)
	require.Len(t, opt.suites, 1)
	assert.Equal(t, "skinny", opt.suites[0].name)
	assert.Equal(t, protocol.Job{Dtype: "f32", Work: product("1x2x3"), Workers: 2, Budget: 20 * time.Millisecond}, opt.job(product("1x2x3")))

	opt, err = parse(strings.Fields("--dtype f64 --entry blas --workers 2 --peers ours-1"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.Float64, opt.job(product("1x2x3")).Dtype)
	assert.Equal(t, protocol.EntryBLAS, opt.entry)
	assert.Equal(t, []string{ours, oursOne}, peerNames(opt.peers))
	assert.Equal(t, 1, opt.peers[1].workers)

	opt, err = parse(nil, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.EntryMatMul, opt.entry)
	assert.NotContains(t, peerNames(opt.peers), oursOne, "the same as ours")
	assert.Equal(t, ours, opt.peers[0].name)
	assert.Len(t, opt.suites, 2)

	opt, err = parse([]string{"--shapes", "7x8x9tA, 1 x 2 x 3", "--workers", "2"}, io.Discard)
	require.NoError(t, err)
	assert.Contains(t, peerNames(opt.peers), oursOne)
	require.Len(t, opt.suites, 1)
	assert.Len(t, opt.suites[0].work, 2)

	opt, err = parse(strings.Fields("--suite conv --workers 2 --peers onednn"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.KindConvolutions, opt.kind)
	assert.Equal(t, []string{ours, "onednn"}, peerNames(opt.peers))

	opt, err = parse(strings.Fields("--suite step --peers torch-1"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.KindSteps, opt.kind)
	assert.Equal(t, []string{oursOne, oursTwo, "torch-1"}, peerNames(opt.peers))

	opt, err = parse(strings.Fields("--suite step --limit 7"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, 7*time.Second, opt.limit)
	assert.NotContains(t, peerNames(opt.peers), "torch-batched-1", "there is no mSAM")
	opt, err = parse(strings.Fields("--suite ragged --rounds 3"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.KindProducts, opt.kind)
	assert.Len(t, opt.suites, 3)
	opt, err = parse(strings.Fields("--suite small"), io.Discard)
	require.NoError(t, err)
	assert.Equal(t, protocol.KindSteps, opt.kind)
	opt, err = parse(strings.Fields("--suite sam"), io.Discard)
	require.NoError(t, err)
	assert.Contains(t, peerNames(opt.peers), "torch-batched-1")
	assert.NotContains(t, peerNames(opt.peers), "torch-layers-1", "there is no text")

	opt, err = parse([]string{"--shapes", "text-tiny batch 8"}, io.Discard)
	require.NoError(t, err)
	assert.Equal(t, []string{oursOne, oursTwo, "torch-layers-1", "torch-layers-2", "torch-written-1", "torch-written-2", "torch-first-1", "torch-first-2"}, peerNames(opt.peers))
	opt, err = parse([]string{"--shapes", "text-tiny batch 8 ragged"}, io.Discard)
	require.NoError(t, err)
	assert.Contains(t, peerNames(opt.peers), "torch-packed-2")

	for args, want := range map[string]string{
		"--suite round": "round",
		"--peers mkl":   "mkl",
		"--shapes 1x2":  "1x2",
		"--dtype f16":   "f16",
		"--entry sgemm": "sgemm",
		"--workers 0":   "0 workers",
		"--budget 0":    "budget",
		"--rounds 0":    "--rounds 0",
		"--limit 5":     "for steps and decompositions",
		"square":        "square",

		"--suite step --workers 2":  "--workers",
		"--suite step --limit -1":   "--limit -1",
		"--suite step --peers blis": "blis",
		"--suite conv --dtype f64":  "only products",
		"--suite conv --entry blas": "--entry",
		"--suite conv --peers vek":  "vek",
		"--suite conv --budget 0":   "budget",
		"--unknown-thing":           "unknown-thing",
	} {
		_, err := parse(strings.Fields(args), io.Discard)
		assert.ErrorContains(t, err, want, args)
	}
}

func TestEnvironmentIsOfTheProgramAlone(t *testing.T) {
	env := environment([]string{"PATH=/bin", "OMP_WAIT_POLICY=active", "OPENBLAS_CORETYPE=Haswell", "STEPPE_SIMD=generic", "GOMAXPROCS=1", "PEERS_ENTRY=matmul", "HOME=/"},
		peer{env: []string{"STEPPE_SIMD=avx2"}}, options{workers: 2, entry: protocol.EntryBLAS})
	assert.Equal(t, []string{"PATH=/bin", "HOME=/", "OPENBLAS_NUM_THREADS=2", "OMP_NUM_THREADS=2", "BLIS_NUM_THREADS=2", "PEERS_ENTRY=blas", "STEPPE_SIMD=avx2"}, env)

	env = environment(nil, peer{workers: 1}, options{workers: 2})
	assert.Contains(t, env, "OPENBLAS_NUM_THREADS=1")
}

func TestOpenBLASGetsTheBestKernels(t *testing.T) {
	assert.Equal(t, "SkylakeX", openBLASCore([]simd.ISA{simd.Generic, simd.AVX2, simd.AVX512}))
	assert.Equal(t, "Haswell", openBLASCore([]simd.ISA{simd.Generic, simd.AVX2}))
	assert.Empty(t, openBLASCore([]simd.ISA{simd.Generic}))
	assert.Empty(t, openBLASCore([]simd.ISA{simd.Generic, simd.NEON}))
}

func TestLoadedLibrariesAreChecked(t *testing.T) {
	if _, err := os.Stat("/proc/self/maps"); err != nil {
		t.Skip("the system does not tell what is loaded")
	}
	blas, blis := "/usr/lib/openblas-pthread/libopenblas.so.0", "/usr/lib/blis-openmp/libblis.so.4"
	assert.NoError(t, checkLoaded(nil, ""))
	assert.NoError(t, checkLoaded([]string{blas}, "openblas"))
	assert.NoError(t, checkLoaded([]string{blas, blis}, anyLibrary))
	assert.ErrorContains(t, checkLoaded(nil, "openblas"), "want openblas alone")
	assert.ErrorContains(t, checkLoaded([]string{blis}, "openblas"), "libblis")
	assert.ErrorContains(t, checkLoaded([]string{blas, blis}, "openblas"), "want openblas alone")
	assert.ErrorContains(t, checkLoaded([]string{blas}, ""), "want no library alone")
	assert.Error(t, checkLoaded([]string{"/usr/lib/openblas-pthread/libblas.so.3"}, "openblas"), "the file's name counts, not its folder's")
}
