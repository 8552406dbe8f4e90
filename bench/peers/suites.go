package main

import (
	"fmt"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

// suite is some shapes with one geometric mean.
type suite struct {
	name   string
	shapes []protocol.Shape
	// mean is the least that the geometric mean of the speeds, as fractions of
	// the best peer's, is meant to be; 0 for no aim.
	mean float64
}

var suites = []suite{
	{"square", squares(16, 24, 32, 48, 64, 96, 100, 127, 128, 192, 255, 256, 384, 500, 512, 768, 1000, 1024, 1536, 2048), 0.97},
	{"skinny", shapes("1x784x512, 4x784x512, 8x784x512, 32x784x512, 256x784x512, 784x512x256tA, 256x784x512tB, 256x10x512," +
		"32768x16x27, 32768x16x144, 8192x32x288, 2048x64x576, 144x16x32768tA," +
		"128x128x64, 64x64x4096, 1000x1000x7, 7x1000x1000"), 1},
}

func squares(sizes ...int) (all []protocol.Shape) {
	for _, n := range sizes {
		all = append(all, protocol.Shape{M: n, N: n, K: n})
	}
	return all
}

func shapes(list string) []protocol.Shape {
	all, err := protocol.ParseShapes(list)
	if err != nil {
		panic(err)
	}
	return all
}

// chooseSuites returns the suites of a name, or one of the shapes in a list,
// if there is a list.
func chooseSuites(name, list string) ([]suite, error) {
	if list != "" {
		all, err := protocol.ParseShapes(list)
		return []suite{{name: "chosen", shapes: all}}, err
	}
	if name == "all" {
		return suites, nil
	}
	for _, s := range suites {
		if s.name == name {
			return []suite{s}, nil
		}
	}
	return nil, fmt.Errorf("--suite: there is no %q, only square, skinny and all", name)
}

// floors are the least that a shape's figures are meant to be; 0 for no floor.
type floors struct {
	best    float64 // our speed as a fraction of the best peer's
	ceiling float64 // and of the FMA ceiling
	alone   bool    // several workers are not to be slower than one
}

func floorsOf(s protocol.Shape, workers int) (f floors) {
	switch {
	case !s.Square():
		f.best, f.alone = 0.85, workers > 1
	case workers > 1 && s.N < 384:
		f.alone = true
	case s.N < 64:
		f.best = 0.85
	default:
		f.best = 0.93
	}
	if s.Square() && s.N >= 256 && workers == 1 {
		f.ceiling = 0.92
	}
	return f
}
