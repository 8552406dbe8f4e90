package pytorch

import (
	"fmt"
	"io"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
)

// keyFormat is metadata that says of which framework the tensors are, as Python's safetensors
// writes it and other readers want it.
const keyFormat = "format"

// Write writes the tensors of a model as PyTorch has them, a state_dict in a safetensors file. meta
// goes to the file's metadata, where Load's File.Meta finds it. It returns errors of arguments, and
// of values that aren't finite, before it writes anything.
func Write(w io.Writer, model *net.Model, params *net.Params, meta checkpoint.Meta) error {
	if err := model.ValidateParams(params); err != nil {
		return fmt.Errorf("pytorch: %w", err)
	}
	l, err := newLayout(model)
	if err != nil {
		return err
	}
	all, err := meta.Strings()
	if err != nil {
		return fmt.Errorf("pytorch: %w", err)
	}
	all[keyFormat] = "pt"
	tensors := map[string]checkpoint.Tensor{}
	for _, t := range l.tensors {
		ours := t.of(params)
		if err := validateFinite(t.ours.Name, ours); err != nil {
			return fmt.Errorf("pytorch: %w", err)
		}
		tensors[t.name] = checkpoint.Tensor{Shape: t.shape(), Floats: func() []float32 {
			theirs := make([]float32, 0, len(ours))
			t.places(func(at int) { theirs = append(theirs, ours[at]) })
			return theirs
		}}
	}
	for _, name := range l.counters {
		// PyTorch reads it only of normalizations without momentum.
		tensors[name] = checkpoint.Tensor{Ints: []int64{0}}
	}
	if err := checkpoint.WriteTensors(w, tensors, all); err != nil {
		return fmt.Errorf("pytorch: %w", err)
	}
	return nil
}

func validateFinite(name string, values []float32) error {
	for i, v := range values {
		if v-v != 0 {
			return fmt.Errorf("%s: element %d of %d is %v, want finite values", name, i, len(values), v)
		}
	}
	return nil
}
