package runs

import (
	"encoding/json"
	"strings"

	"github.com/steppe-ml/steppe/net/checkpoint"
)

// Describe returns what a model's file says of data that s names, as if the model had been trained
// on it: the shape of samples, the classes, how outside data becomes samples, and where the data
// is. It reads the data.
func (s Source) Describe() (checkpoint.Meta, error) {
	if err := s.Validate(); err != nil {
		return checkpoint.Meta{}, err
	}
	if err := s.locate(); err != nil {
		return checkpoint.Meta{}, err
	}
	train, _, err := s.Open()
	if err != nil {
		return checkpoint.Meta{}, err
	}
	source, err := json.Marshal(s)
	if err != nil {
		return checkpoint.Meta{}, err
	}
	meta := checkpoint.Meta{
		Input: train.Shape, Classes: train.Classes, ClassNames: train.ClassNames,
		Data: strings.TrimSuffix(train.Name, "/train"), More: map[string]string{sourceKey: string(source)},
	}
	if train.Input != nil {
		meta.Preprocess, err = json.Marshal(train.Input)
	}
	return meta, err
}
