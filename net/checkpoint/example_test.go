package checkpoint_test

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/zoo"
)

// A model of the zoo is saved with what it takes to build it again.
func Example() {
	dir, err := os.MkdirTemp("", "checkpoint")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "lenet.safetensors")

	row, err := zoo.Lookup("lenet")
	if err != nil {
		fmt.Println(err)
		return
	}
	model, err := row.Compile(net.Shape{28, 28, 1}, 10)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = checkpoint.Save(path, model, model.Init(1), checkpoint.Meta{
		Model: "lenet", Input: model.InputShape(), Classes: 10, Data: "mnist",
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	// Later, elsewhere:
	meta, err := checkpoint.ReadMeta(path)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(meta.Model, "for", meta.Input, "in", meta.Classes, "classes, trained on", meta.Data)
	if row, err = zoo.Lookup(meta.Model); err != nil {
		fmt.Println(err)
		return
	}
	if model, err = row.Compile(meta.Input, meta.Classes); err != nil {
		fmt.Println(err)
		return
	}
	params, err := checkpoint.Load(path, model)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(len(params.Values), "parameters")
	// Output:
	// lenet for 28x28x1 in 10 classes, trained on mnist
	// 421642 parameters
}
