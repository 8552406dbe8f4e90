package onnx_test

import (
	"bytes"
	"fmt"
	"math"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/onnx"
	"github.com/steppe-ml/steppe/net/zoo"
)

// A model is written with what its input was in training. Usually it goes to a
// file, which ONNX Runtime loads.
func ExampleWrite() {
	model, err := zoo.MLP(net.Shape{8, 8, 1}, 10, 32)
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1) // or those of a training run
	meta := checkpoint.Meta{
		Input: model.InputShape(), Classes: 10, Data: "digits",
		ClassNames: []string{"zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"},
	}
	var file bytes.Buffer
	if err := onnx.Write(&file, model, params, meta); err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the parameters take", 4*model.NumParams(), "bytes")
	fmt.Println("and the graph around them less than 2000:", file.Len()-4*model.NumParams() < 2000)

	// Values that aren't finite are an error, and nothing is written.
	params.Values[0] = float32(math.NaN())
	fmt.Println(onnx.Write(&file, model, params, meta))
	// Output:
	// the parameters take 9640 bytes
	// and the graph around them less than 2000: true
	// onnx: 1.Dense.weight: element 0 of 2048 is NaN, want finite values
}
