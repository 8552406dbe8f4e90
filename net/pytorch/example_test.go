package pytorch_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/pytorch"
	"github.com/steppe-ml/steppe/net/zoo"
)

// A model goes to PyTorch as a state_dict, and comes back.
func Example() {
	dir, err := os.MkdirTemp("", "pytorch")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "lenet.safetensors")

	model, err := zoo.LeNet(net.Shape{28, 28, 1}, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	params := model.Init(1) // or those of a training run
	if err := write(path, model, params); err != nil {
		fmt.Println(err)
		return
	}

	// In Python: model.load_state_dict(safetensors.torch.load_file("lenet.safetensors"))

	file, err := pytorch.Open(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer file.Close()
	meta, err := file.Meta() // there is none in files of other programs
	if err != nil {
		fmt.Println(err)
		return
	}
	back, err := file.Params(model)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(meta.Model, "for", meta.Input, "in", meta.Classes, "classes")
	fmt.Println("the same parameters:", slices.Equal(params.Values, back.Values))
	// Output:
	// lenet for 28x28x1 in 10 classes
	// the same parameters: true
}

// write writes the tensors of a model to a file for PyTorch.
func write(path string, model *net.Model, params *net.Params) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	meta := checkpoint.Meta{Model: "lenet", Input: model.InputShape(), Classes: 10}
	if err := pytorch.Write(f, model, params, meta); err != nil {
		f.Close()
		return err
	}
	return f.Close()
}
