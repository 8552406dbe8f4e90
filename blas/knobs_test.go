package blas

import (
	"fmt"
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"

	"github.com/steppe-ml/steppe/internal/floattest"
	"github.com/steppe-ml/steppe/internal/gemm"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/simd"
)

// knob is a number in a table that measurements decide on.
type knob[T Float] struct {
	name   string
	field  func(*gemm.Table[T]) *int
	series []series

	// Of a threshold:
	axis         string            // what it is compared with
	x            func(p point) int // that of a product
	below, above side[T]           // what it chooses between
	isBelow      func(t *gemm.Table[T], x int) bool
}

// side is one of the two things that a threshold chooses between.
type side[T Float] struct {
	name  string
	force func(*gemm.Table[T])
}

// series is products that have something in common, smallest first, and with
// which the knob matters.
type series struct {
	name   string
	points []point
	values []int // of the knob, to be compared; nil for the threshold's two sides
	team   bool  // of all workers; else one worker
}

// point is a product, of matrices without gaps, or a batch of count of them.
type point struct {
	m, n, k int
	transA  bool
	count   int
	dots    bool // through the BLAS's entry, B transposed
	rested  bool // after a pause, in which workers go to sleep
}

func (p point) String() string {
	text := fmt.Sprintf("%dx%dx%d", p.m, p.n, p.k)
	if p.transA {
		text += "tA"
	}
	if p.dots {
		text += "tB"
	}
	if p.rested {
		text += " after a pause"
	}
	if p.count > 0 {
		text = fmt.Sprintf("%d of %s", p.count, text)
	}
	return text
}

func (p point) work() int { return num.Times(num.Times(p.m, p.n), p.k) }

// never is a threshold that nothing reaches.
const never = math.MaxInt / 2

// knobs returns all knobs, with series that suit a table and a team of that
// many workers.
func knobs[T Float](t *gemm.Table[T], workers int) []knob[T] {
	columns := func(p point) int { return p.n }
	rows := func(p point) int { return p.m }
	inPlace := side[T]{"in place", func(t *gemm.Table[T]) { t.PackRows, t.PackRowsAligned = never, never }}
	packed := side[T]{"packed", func(t *gemm.Table[T]) { t.PackRows, t.PackStride, t.PackRowsAligned, t.PackAligned = 0, 0, 0, 0 }}

	// Rows of B that begin anywhere in a cache line, and at one.
	ragged := []int{99, 147, 195, 243, 291, 339, 387, 435, 483, 531, 627, 771, 1003}
	whole := []int{128, 192, 256, 320, 384, 448, 512, 576, 640, 704, 768, 896, 1008, 1024, 1280}
	heights := []int{8, 12, 14, 16, 24, 32, 40, 48, 56, 64, 80, 96, 128}
	widths := []int{64, 128, 256, 384, 512, 768, 1024, 1536, 2048}
	cube := func(n int) point { return point{m: n, n: n, k: n} }
	flat := func(n int) point { return point{m: 128, n: n, k: 512} }

	// A direct product needs whole panels where kernels don't mask B.
	panel := 8
	if !t.MasksB {
		panel = num.CeilDiv(panel, t.NR) * t.NR
	}
	var sides, narrow []int
	for n := 5 * 8 / panel * panel; n <= 104; n += panel {
		sides = append(sides, n)
	}
	for _, n := range []int{32, 64, 96, 128, 192, 256, 384, 512} {
		narrow = append(narrow, num.CeilDiv(n, panel)*panel)
	}

	return []knob[T]{
		{
			name:  "KC",
			field: func(t *gemm.Table[T]) *int { return &t.KC },
			series: []series{{
				name:   "large products",
				points: append(each(cube, 512, 1000, 1500, 2048), point{m: 256, n: 256, k: 8192}),
				values: tuning.Around(t.KC, 1),
			}},
		},
		{
			name:  "MC",
			field: func(t *gemm.Table[T]) *int { return &t.MC },
			series: []series{{
				name:   "large squares",
				points: each(cube, 512, 1000, 1024, 1536, 2048),
				values: tuning.Around(t.MC, t.MR()),
			}},
		},
		{
			name:  "NC",
			field: func(t *gemm.Table[T]) *int { return &t.NC },
			series: []series{{
				name:   "large products with many columns",
				points: []point{{m: 256, n: 2048, k: 256}, {m: 512, n: 4096, k: 1024}, {m: 1000, n: 3000, k: 1000}, cube(2048)},
				values: tuning.Around(t.NC, t.NR),
			}},
		},
		{
			name:  "PackBlock",
			field: func(t *gemm.Table[T]) *int { return &t.PackBlock },
			series: []series{{
				name:   "a wide B, few rows of A",
				points: []point{{m: 32, n: 3000, k: 1000}, {m: 64, n: 3000, k: 100}, {m: 64, n: 3000, k: 1000}, {m: 200, n: 1000, k: 500}},
				values: tuning.Around(t.PackBlock, 1),
			}},
		},
		{
			name:    "DirectUpTo",
			field:   func(t *gemm.Table[T]) *int { return &t.DirectUpTo },
			axis:    "multiply-adds",
			x:       point.work,
			below:   side[T]{"direct", func(t *gemm.Table[T]) { t.DirectUpTo = never }},
			above:   side[T]{"by blocks", func(t *gemm.Table[T]) { t.DirectUpTo = 0 }},
			isBelow: func(t *gemm.Table[T], x int) bool { return x <= t.DirectUpTo },
			series: []series{
				{name: "cubes", points: each(cube, sides...)},
				{name: "16 rows of A", points: each(func(n int) point { return point{m: 16, n: n, k: 128} }, narrow...)},
			},
		},
		{
			name:    "PackRows",
			field:   func(t *gemm.Table[T]) *int { return &t.PackRows },
			axis:    "rows of A",
			x:       rows,
			below:   inPlace,
			above:   packed,
			isBelow: func(t *gemm.Table[T], x int) bool { return x < t.PackRows },
			series: []series{
				{name: "B of 1000x1003, whose rows begin anywhere", points: each(func(m int) point { return point{m: m, n: 1003, k: 1000} }, heights...)},
			},
		},
		{
			name:    "PackRowsAligned",
			field:   func(t *gemm.Table[T]) *int { return &t.PackRowsAligned },
			axis:    "rows of A",
			x:       rows,
			below:   inPlace,
			above:   packed,
			isBelow: func(t *gemm.Table[T], x int) bool { return x < t.PackRowsAligned },
			series: []series{
				{name: "B of 1000x1280, whose rows begin cache lines", points: each(func(m int) point { return point{m: m, n: 1280, k: 1000} }, append(heights, 160, 192, 224, 256, 320, 512)...)},
			},
		},
		{
			name:    "PackStride",
			field:   func(t *gemm.Table[T]) *int { return &t.PackStride },
			axis:    "columns of B",
			x:       columns,
			below:   inPlace,
			above:   packed,
			isBelow: func(t *gemm.Table[T], x int) bool { return x <= t.PackStride },
			series: []series{
				{name: "squares, B's rows begin anywhere", points: each(cube, ragged...)},
				{name: "128 rows of A, B's rows begin anywhere", points: each(flat, ragged...)},
			},
		},
		{
			name:    "PackAligned",
			field:   func(t *gemm.Table[T]) *int { return &t.PackAligned },
			axis:    "columns of B",
			x:       columns,
			below:   inPlace,
			above:   packed,
			isBelow: func(t *gemm.Table[T], x int) bool { return x <= t.PackAligned },
			series: []series{
				{name: "squares, B's rows begin cache lines", points: each(cube, whole...)},
				{name: "256 rows of A, B's rows begin cache lines", points: each(func(n int) point { return point{m: 256, n: n, k: 512} }, whole...)},
			},
		},
		{
			name:    "CopyA",
			field:   func(t *gemm.Table[T]) *int { return &t.CopyA },
			axis:    "columns of B",
			x:       columns,
			below:   side[T]{"in place", func(t *gemm.Table[T]) { t.CopyA = never }},
			above:   side[T]{"copied", func(t *gemm.Table[T]) { t.CopyA = 0 }},
			isBelow: func(t *gemm.Table[T], x int) bool { return x < t.CopyA },
			series: []series{
				{name: "A transposed", points: each(func(n int) point { return point{m: 500, n: n, k: 1000, transA: true} }, widths...)},
			},
		},
		{
			name:    "CopyFighting",
			field:   func(t *gemm.Table[T]) *int { return &t.CopyFighting },
			axis:    "columns of B",
			x:       columns,
			below:   side[T]{"in place", func(t *gemm.Table[T]) { t.CopyFighting = never }},
			above:   side[T]{"copied", func(t *gemm.Table[T]) { t.CopyFighting = 0 }},
			isBelow: func(t *gemm.Table[T], x int) bool { return x < t.CopyFighting },
			series: []series{
				{name: "A's rows a multiple of 4 KiB apart", points: each(func(n int) point { return point{m: 256, n: n, k: 1024} }, append([]int{32}, widths...)...)},
			},
		},
		{
			name:    "CopyRows",
			field:   func(t *gemm.Table[T]) *int { return &t.CopyRows },
			axis:    "columns of B",
			x:       columns,
			below:   side[T]{"in place", func(t *gemm.Table[T]) { t.CopyRows = never }},
			above:   side[T]{"copied", func(t *gemm.Table[T]) { t.CopyRows = 0 }},
			isBelow: func(t *gemm.Table[T], x int) bool { return x < t.CopyRows },
			series: []series{
				{name: "A's rows anywhere", points: each(func(n int) point { return point{m: 500, n: n, k: 1000} }, append([]int{32}, widths...)...)},
			},
		},
		{
			name:    "DotsUpTo",
			field:   func(t *gemm.Table[T]) *int { return &t.DotsUpTo },
			axis:    "rows of A",
			x:       rows,
			below:   side[T]{"dot products", func(t *gemm.Table[T]) { t.DotsUpTo = never }},
			above:   side[T]{"tiles", func(t *gemm.Table[T]) { t.DotsUpTo = -1 }},
			isBelow: func(t *gemm.Table[T], x int) bool { return x <= t.DotsUpTo },
			series: []series{
				{name: "B transposed", points: each(func(m int) point { return point{m: m, n: 1000, k: 1000, dots: true} }, 4, 6, 8, 10, 12, 14, 16, 20, 24, 32)},
			},
		},
		{
			name:    "AloneBelow",
			field:   func(t *gemm.Table[T]) *int { return &t.AloneBelow },
			axis:    "multiply-adds",
			x:       point.work,
			below:   side[T]{"alone", func(t *gemm.Table[T]) { t.AloneBelow = never }},
			above:   side[T]{fmt.Sprintf("%d workers", workers), func(t *gemm.Table[T]) { t.AloneBelow, t.WakeBelow, t.DirectUpTo = 0, 0, 0 }},
			isBelow: func(t *gemm.Table[T], x int) bool { return x < t.AloneBelow },
			series: []series{
				{name: "cubes", team: true, points: each(cube, 48, 56, 64, 72, 80, 96, 112, 128, 160, 192, 256)},
				{name: "short batches, each product by one worker or by all", team: true, points: each(func(n int) point {
					return point{m: n, n: n, k: n, count: 2*workers - 1}
				}, 48, 64, 80, 96, 112, 128, 160, 192, 256)},
			},
		},
		{
			name:    "WakeBelow",
			field:   func(t *gemm.Table[T]) *int { return &t.WakeBelow },
			axis:    "multiply-adds",
			x:       point.work,
			below:   side[T]{"alone", func(t *gemm.Table[T]) { t.AloneBelow = never }},
			above:   side[T]{fmt.Sprintf("%d workers", workers), func(t *gemm.Table[T]) { t.AloneBelow, t.WakeBelow, t.DirectUpTo = 0, 0, 0 }},
			isBelow: func(t *gemm.Table[T], x int) bool { return x < t.WakeBelow },
			series: []series{
				{name: "cubes after a pause", team: true, points: each(func(n int) point {
					return point{m: n, n: n, k: n, rested: true}
				}, 96, 112, 128, 160, 192, 224, 256, 320, 384, 512)},
			},
		},
		{
			name:  "PartWork",
			field: func(t *gemm.Table[T]) *int { return &t.PartWork },
			series: []series{
				{name: "cubes", team: true, points: each(cube, 112, 128, 160, 192, 256, 384), values: tuning.Around(t.PartWork, 1)},
				{name: "long batches", team: true,
					points: []point{{m: 8, n: 8, k: 8, count: 2048}, {m: 16, n: 16, k: 16, count: 1024}, {m: 32, n: 32, k: 32, count: 512}, {m: 64, n: 64, k: 64, count: 128}},
					values: tuning.Around(t.PartWork, 1)},
			},
		},
	}
}

// each returns a product for each size.
func each(product func(size int) point, sizes ...int) (points []point) {
	for _, size := range sizes {
		points = append(points, product(size))
	}
	return points
}

// chosen returns the products to measure. Plain Go has no patience for large
// ones. Quick are two, a quarter of the size.
func (s *series) chosen(quick bool) (points []point) {
	const patience = 512 * 512 * 512
	for _, p := range s.points {
		if quick {
			p.m, p.n, p.k = p.m/4, p.n/4, p.k/4
		}
		if simd.Active() != simd.Generic || p.work() <= patience {
			points = append(points, p)
		}
	}
	if quick {
		return points[:2]
	}
	return points
}

func TestKnobs(t *testing.T) { floattest.Each(t, testKnobs[float32], testKnobs[float64]) }

func testKnobs[T Float](t *testing.T) {
	var all, fields []string
	for _, k := range knobs(gemm.Active[T](), 2) {
		all = append(all, k.name)
		var tb gemm.Table[T]
		*k.field(&tb) = 1
		assert.EqualValues(t, 1, reflect.ValueOf(tb).FieldByName(k.name).Int(), k.name)
		for _, s := range k.series {
			for _, p := range s.points {
				assert.Positive(t, p.work(), "%s: %v", k.name, p)
			}
			if s.values != nil {
				assert.Contains(t, s.values, *k.field(gemm.Active[T]()), "%s: the table's own value", k.name)
				continue
			}
			assert.True(t, slices.IsSortedFunc(s.points, func(p, q point) int { return k.x(p) - k.x(q) }), k.name)
		}
	}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[gemm.Table[T]]()) {
		if f.Type.Kind() == reflect.Int && f.Name != "transposeSide" && f.Name != "NR" { // which the kernels have
			fields = append(fields, f.Name)
		}
	}
	assert.ElementsMatch(t, fields, all, "all numbers in a table can be measured")
	assert.Equal(t, tuning.Groups[0].Knobs, all)
}
