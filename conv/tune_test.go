package conv

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/simd"
)

// TestTune measures knobs for the command bench/tune, which reads the figures from its standard
// output.
func TestTune(t *testing.T) {
	text := os.Getenv(tuning.EnvVar)
	if text == "" {
		t.Skip("go run ./bench/tune runs it")
	}
	var job tuning.Job
	require.NoError(t, json.Unmarshal([]byte(text), &job))
	require.NoError(t, job.Run(tuneKnobs(max(2, blas.DefaultWorkers())), forgetPlans, os.Stdout))
}

// forgetPlans makes passes plan again, since plans are made with the knobs.
func forgetPlans() {
	plans.mutex.Lock()
	defer plans.mutex.Unlock()
	plans.plans = nil
}

// image returns the geometry of a convolution of square images with "same" padding.
func image(batch, side, in, out, kernel, stride int) Geometry {
	pad := kernel / 2
	return Geometry{
		Batch: batch, InH: side, InW: side, InC: in, OutC: out, KernelH: kernel, KernelW: kernel,
		StrideH: stride, StrideW: stride, PadTop: pad, PadBottom: pad, PadLeft: pad, PadRight: pad,
	}.filled()
}

// Geometries of ResNets, narrow and wide, and stems.
var (
	narrowImages = []Geometry{image(8, 8, 64, 64, 3, 1), image(8, 16, 32, 32, 3, 1), image(8, 32, 16, 16, 3, 1), image(8, 32, 16, 32, 3, 2)}
	wideImages   = []Geometry{image(4, 14, 256, 256, 3, 1), image(4, 28, 128, 128, 3, 1), image(2, 56, 64, 64, 3, 1), image(4, 28, 256, 128, 1, 1)}
	stems        = []Geometry{image(8, 32, 3, 16, 3, 1), image(2, 64, 3, 64, 7, 2), image(1, 224, 3, 64, 7, 2)}
)

// tuneKnobs returns the knobs of convolutions, and workers for those of teams.
func tuneKnobs(workers int) []tuning.Knob {
	all := slices.Concat(narrowImages, wideImages)
	filters := func(list []Geometry) []tuning.Work { return works(list, nil, filterPass, nil) }
	size := func(name string, field *int, bits string, grain int, series ...tuning.Series) tuning.Knob {
		for i := range series {
			series[i].Values = tuning.Around(*field, grain)
		}
		return tuning.Knob{Name: name, Field: field, Bits: bits, Shapes: "pass and geometry", Unit: "GFLOP/s", Series: series}
	}

	team := blas.NewTeam(workers)
	groups := tuning.Knob{
		Name: "FewGroups", Field: &fewGroups, Bits: "filters' gradients", Shapes: "pass and geometry", Unit: "GFLOP/s",
		Axis:  "groups of a filter",
		Below: tuning.Side{Name: fmt.Sprintf("%d sums", maxParts), Set: func() { fewGroups = tuning.Never }},
		Above: tuning.Side{Name: "1 sum", Set: func() { fewGroups = tuning.Always }},
		Series: []tuning.Series{{Name: fmt.Sprintf("filters' gradients on %d workers", workers), Works: works([]Geometry{
			image(8, 32, 16, 16, 3, 1), image(8, 16, 16, 16, 5, 1), image(8, 16, 32, 32, 3, 1), image(8, 16, 32, 32, 5, 1), image(8, 8, 64, 64, 3, 1), image(4, 14, 128, 128, 3, 1),
		}, team, filterPass, func(g Geometry) int { return g.KernelH * num.CeilDiv(g.OutC, gemm.Active[float32]().NR) })}},
	}
	channels := tuning.Knob{
		Name: "EnoughChannels", Field: &enoughChannels, Bits: "filters' gradients", Shapes: "pass and geometry", Unit: "GFLOP/s",
		Axis:  "input channels",
		Below: tuning.Side{Name: "column by column", Set: func() { enoughChannels = tuning.Never }},
		Above: tuning.Side{Name: "tap by tap", Set: func() { enoughChannels = tuning.Always }},
	}
	for _, out := range []int{16, 64} {
		var list []Geometry
		for _, in := range []int{1, 3, 4, 6, 8, 12, 16, 24, 32} {
			list = append(list, image(8, 28, in, out, 3, 1))
		}
		channels.Series = append(channels.Series, tuning.Series{Name: fmt.Sprintf("filters' gradients of %d output channels", out),
			Works: works(list, nil, filterPass, func(g Geometry) int { return g.InC })})
	}

	return []tuning.Knob{
		size("BlockBytes", &blockBytes, "sums of channels", 1,
			tuning.Series{Name: "forward", Works: works(all, nil, forwardPass, nil)}, tuning.Series{Name: "backward-data", Works: works(all, nil, dataPass, nil)}),
		size("PatchFloats", &patchFloats, "filters' gradients by patches", 1,
			tuning.Series{Name: "forward by patches", Works: works(narrowImages, nil, patchesPass, nil)}),
		size("ChunkPixels", &chunkPixels, "filters' gradients", 1, tuning.Series{Name: "filters' gradients", Works: filters(all)}),
		size("ChunkFloats", &chunkFloats, "filters' gradients", 1, tuning.Series{Name: "filters' gradients", Works: filters(all)}),
		size("PieceRows", &pieceRows, "", 1, tuning.Series{Name: "filters' gradients", Works: filters(all)}),
		groups, channels,
		size("MostAhead", &mostAhead, "", 1, tuning.Series{Name: "filters' gradients of stems", Works: filters(stems)}),
	}
}

// pass is a way to call a pass.
type pass struct {
	name string
	call func(team *blas.Team, g Geometry, o operands) error
}

// operands have small integers.
type operands struct{ x, y, w []float32 }

var (
	forwardPass = pass{"forward", func(team *blas.Team, g Geometry, o operands) error { return Forward(team, g, o.y, o.x, o.w, Options{}) }}
	patchesPass = pass{"forward", func(team *blas.Team, g Geometry, o operands) error {
		return Forward(team, g, o.y, o.x, o.w, Options{Algorithm: Patches})
	}}
	dataPass = pass{"backward-data", func(team *blas.Team, g Geometry, o operands) error {
		return BackwardData(team, g, o.x, o.y, o.w, Options{})
	}}
	filterPass = pass{"backward-filter", func(team *blas.Team, g Geometry, o operands) error {
		return BackwardFilter(team, g, o.w, o.x, o.y, Options{})
	}}
)

// works returns a pass on each geometry, which takes three sets of operands in turn. Plain Go has
// no patience for large ones.
func works(list []Geometry, team *blas.Team, p pass, x func(g Geometry) int) (all []tuning.Work) {
	const sets, patience = 3, 1 << 26
	for _, g := range list {
		flops := 2 * float64(g.Batch*g.OutH()*g.OutW()) * float64(g.FilterSize())
		if simd.Active() == simd.Generic && flops > patience {
			continue
		}
		w := tuning.Work{Name: p.name + " " + g.String(), Amount: flops, Prepare: func() func() func(int) {
			var all [sets]operands
			for i := range all {
				r := rand.New(rand.NewPCG(1, uint64(i)))
				all[i] = operands{smallNumbers(r, g.Batch*g.InSize()), smallNumbers(r, g.Batch*g.OutSize()), smallNumbers(r, g.FilterSize())}
			}
			return func() func(int) {
				return func(i int) {
					if err := p.call(team, g, all[i%sets]); err != nil {
						panic(err)
					}
				}
			}
		}}
		if x != nil {
			w.X = x(g)
		}
		all = append(all, w)
	}
	slices.SortStableFunc(all, func(a, b tuning.Work) int { return cmp.Compare(a.X, b.X) })
	return all
}

// smallNumbers returns integers from -4 to 4, in memory that begins a cache line.
func smallNumbers(r *rand.Rand, n int) []float32 {
	data := gemm.Aligned[float32](n)
	for i := range data {
		data[i] = float32(r.IntN(9) - 4)
	}
	return data
}

func TestKnobs(t *testing.T) {
	knobs := tuneKnobs(2)
	var names []string
	for _, k := range knobs {
		names = append(names, k.Name)
	}
	assert.Equal(t, tuning.Groups[2].Knobs, names)
	assert.NoError(t, tuning.Validate(knobs))
}

// Whatever a knob is, results stay right, and one that claims to change no bits of filters'
// gradients changes none of any pass. With small integers every sum is exact; a tenth makes
// roundings show.
func TestKnobsChangeOnlyWhatTheySay(t *testing.T) {
	for _, k := range tuneKnobs(2) {
		value, unit := *k.Field, float32(1)
		if k.Bits == "" {
			unit = 0.1
		}
		for _, p := range []pass{forwardPass, patchesPass, dataPass, filterPass} {
			for _, g := range []Geometry{image(2, 7, 3, 5, 3, 1), image(3, 9, 13, 17, 3, 2)} {
				var want operands
				for _, v := range []int{value, 1, 3, 5 * value} {
					*k.Field = v
					forgetPlans()
					r := rand.New(rand.NewPCG(1, 1))
					o := operands{smallNumbers(r, g.Batch*g.InSize()), smallNumbers(r, g.Batch*g.OutSize()), smallNumbers(r, g.FilterSize())}
					for _, all := range [][]float32{o.x, o.y, o.w} {
						for i := range all {
							all[i] *= unit
						}
					}
					require.NoError(t, p.call(nil, g, o))
					if v == value {
						want = o
					}
					assert.Equal(t, want, o, "%s = %d, %s %v", k.Name, v, p.name, g)
				}
			}
		}
		*k.Field = value
		forgetPlans()
	}
}
