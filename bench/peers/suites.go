package main

import (
	"fmt"
	"slices"
	"time"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// suite is a group of rows of a table. They are of one kind and share a geometric mean.
type suite struct {
	name  string
	work  []protocol.Work // its rows
	mean  float64         // least geometric mean of our speeds over the best peer's; 0 for no aim
	limit time.Duration   // ends a row of steps or decompositions that has three rounds; 0 for never
}

// products are the suites of --suite all.
var products = []suite{
	{name: "square", mean: 1, work: squares(16, 20, 24, 32, 40, 48, 56, 64, 72, 80, 96, 100, 112, 128, 192, 256, 500, 512, 1000, 1024, 2048)},
	{name: "skinny", mean: 1.05, work: list("1x784x512, 4x784x512, 8x784x512, 32x784x512, 256x784x512, 784x512x256tA, 256x784x512tB, 256x10x512," +
		"32768x16x27, 32768x16x144, 8192x32x288, 2048x64x576, 144x16x32768tA," +
		"128x128x64, 64x64x4096, 1000x1000x7, 7x1000x1000")},
}

// ragged are the suites of --suite ragged: products that leave a part of a panel or a tile, and
// products of which the work in front of the kernel takes a good part.
var ragged = []suite{
	{name: "ragged", mean: 1.05, work: list("5000x33x77, 6272x48x432, 64x3000x100, 784x512x24tA, 100x100x2000tA, 513x65x129tB," +
		"12544x64x147, 31x33x1025tAtB, 3x500x300tB")},
	{name: "narrow", mean: 1.05, work: list("256x8x256, 256x12x256, 256x20x256, 256x24x256, 256x40x256, 256x56x256, 256x72x256, 256x88x256," +
		"256x104x256, 256x120x256")},
	{name: "small squares", mean: 1, work: squares(8, 12, 16, 20, 24, 28, 32, 36, 40, 48, 56, 64, 72, 80, 88, 96, 100, 104, 112, 120, 127, 128)},
}

// others are the suites that each make a table of their own.
var others = []suite{
	{name: "conv", mean: 1.08, work: list("32x32x32x16->16 3x3 pad 1, 32x16x16x32->32 3x3 pad 1, 32x8x8x64->64 3x3 pad 1, 32x32x32x16->32 3x3 stride 2 pad 1," +
		"16x28x28x128->128 3x3 pad 1, 16x14x14x256->256 3x3 pad 1, 8x56x56x64->64 3x3 pad 1, 16x28x28x256->128 1x1," +
		"32x32x32x3->16 3x3 pad 1, 4x224x224x3->64 7x7 stride 2 pad 3")},
	{name: "step", work: list("mlp batch 256, lenet batch 256, resnet20 batch 128")},
	{name: "sam", limit: 15 * time.Second, work: slices.Concat(
		methods("mlp batch 256", true, 2, 4, 8, 16, 32), methods("lenet batch 256", true, 2, 4, 8, 16, 32),
		methods("resnet20 batch 128", true, 2, 4, 8, 16, 32),
		methods("mlp batch 250", false, 3, 7, 13), methods("lenet batch 250", false, 3, 7, 13))}, // shards of two sizes
	{name: "small", limit: 15 * time.Second, work: slices.Concat(
		fewSamples("mlp", 16), fewSamples("mlp", 32), fewSamples("mlp", 64),
		fewSamples("lenet", 16), fewSamples("lenet", 32), fewSamples("lenet", 64))},
	{name: "text", limit: 40 * time.Second, work: slices.Concat(
		methods("text-tiny batch 64", true, 8, 16, 32, 64), methods("text-mini batch 64", true, 8, 16, 32, 64),
		methods("text-tiny batch 64 ragged", true, 8, 32), methods("text-mini batch 64 ragged", true, 8, 32))},
	{name: "level1", mean: 0.9, work: routines(1, 64, 1000, 10_000, 1_000_000)},
	{name: "level2", mean: 0.9, work: routines(2, 64, 256, 1024, 4096)},
	{name: "level3", work: routines(3, 128, 512, 1024)},
	{name: "gonum", limit: 15 * time.Second, work: decompositionsOf(1000)},
}

// methods returns steps on a model and batch by the plain method (if plain is set), by SAM, and by
// mSAM with each number of shards.
func methods(of string, plain bool, shards ...int) (all []protocol.Work) {
	if plain {
		all = list(of)
	}
	all = append(all, list(of+" sam")...)
	for _, m := range shards {
		all = append(all, list(fmt.Sprintf("%s msam %d", of, m))...)
	}
	return all
}

// fewSamples returns steps on a small batch by SGD, by SAM, and by mSAM with shards of eight, four,
// two samples and one.
func fewSamples(model string, batch int) []protocol.Work {
	return methods(fmt.Sprintf("%s batch %d", model, batch), true, batch/8, batch/4, batch/2, batch)
}

func squares(sizes ...int) (all []protocol.Work) {
	for _, n := range sizes {
		all = append(all, protocol.Work{Product: &protocol.Shape{M: n, N: n, K: n}})
	}
	return all
}

// routines returns the routines of a level of the BLAS, each at all sizes.
func routines(level int, sizes ...int) (all []protocol.Work) {
	for _, name := range protocol.Routines {
		for _, n := range sizes {
			if r := (protocol.Routine{Name: name, N: n}); r.Level() == level {
				all = append(all, protocol.Work{Routine: &r})
			}
		}
	}
	return all
}

func list(text string) []protocol.Work {
	all, err := protocol.ParseList(text)
	if err != nil {
		panic(err)
	}
	return all
}

// chooseSuites returns the suites of a name. If list isn't empty, it returns one suite of its work.
func chooseSuites(name, list string) ([]suite, error) {
	if list != "" {
		all, err := protocol.ParseList(list)
		return []suite{{name: "chosen", work: all}}, err
	}
	switch name {
	case "all":
		return products, nil
	case "ragged":
		return ragged, nil
	}
	for _, s := range slices.Concat(products, others) {
		if s.name == name {
			return []suite{s}, nil
		}
	}
	return nil, fmt.Errorf("--suite: there is no %q, only square, skinny, all, ragged, conv, step, sam, small, text, level1, level2, level3 and gonum", name)
}

// floors are the least figures that a row should have; 0 for no floor.
type floors struct {
	best    float64 // of our speed over the best peer's
	ceiling float64 // of our speed over the FMA ceiling
	alone   bool    // several workers must not be slower than one
}

func floorsOf(w protocol.Work, workers int) floors {
	if w.Convolution != nil {
		return floors{best: 0.93, alone: workers > 1}
	}
	if w.Routine != nil && w.Routine.Level() == 3 {
		return floors{best: 0.85}
	}
	if w.Routine != nil {
		return floors{best: 0.90}
	}
	return floorsOfProduct(*w.Product, workers)
}

func floorsOfProduct(s protocol.Shape, workers int) (f floors) {
	switch {
	case !s.Square() || s.N < 16:
		f.best, f.alone = 0.90, workers > 1
	case workers > 1 && s.N < 160:
		f.alone = true
	default:
		f.best = 0.93
	}
	switch {
	case !s.Square() || workers > 1:
	case s.N >= 256:
		f.ceiling = 0.92
	case s.N >= 48 && s.N%16 == 0:
		f.ceiling = 0.85
	}
	return f
}

// mostTime has the most that our time over PyTorch's may be: on any machine (bar), and where a
// core's 512-bit units are whole, as on Zen 5 (goal).
var mostTime = map[string]struct{ bar, goal float64 }{
	"mlp batch 256 sgd":          {bar: 0.55, goal: 0.42},
	"lenet batch 256 sgd":        {bar: 0.40, goal: 0.30},
	"resnet20 batch 128 sgd":     {bar: 0.80, goal: 0.65},
	"mlp batch 256 sam":          {bar: 0.55, goal: 0.42},
	"lenet batch 256 sam":        {bar: 0.40, goal: 0.30},
	"resnet20 batch 128 sam":     {bar: 0.80, goal: 0.65},
	"mlp batch 256 msam 32":      {bar: 0.12, goal: 0.09},
	"lenet batch 256 msam 32":    {bar: 0.25, goal: 0.23},
	"resnet20 batch 128 msam 32": {bar: 0.40, goal: 0.38},
	"text-tiny batch 64 adamw":   {bar: 0.60, goal: 0.40},
	"text-mini batch 64 adamw":   {bar: 0.60, goal: 0.40},
	"text-tiny batch 64 sam":     {bar: 0.60},
	"text-mini batch 64 sam":     {bar: 0.60},
	"text-tiny batch 64 msam 32": {bar: 0.40},
	"text-mini batch 64 msam 32": {bar: 0.40},
}

// mostOfSAM returns the most that our time for a step may be, relative to our time for SAM; 0 for
// no limit. mSAM costs no more than SAM in any number of shards, down to one sample a shard; of the
// larger encoder hardly more.
func mostOfSAM(s protocol.Step) float64 {
	switch {
	case s.Method != protocol.MSAM:
		return 0
	case s.Model == "text-mini":
		return 1.05
	case s.Model == "mlp" && s.Batch == 256 && s.Shards >= 8:
		return 0.87
	}
	return 1
}

// mostOfPlain is the most that our time for SAM may be, relative to our time for a step without it.
const mostOfPlain = 2

// mostMemory has the most that our memory over PyTorch's may be.
var mostMemory = map[string]float64{"resnet20 batch 128 sgd": 0.5}
