package runs

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
)

// Prediction is what a model says of an input.
type Prediction struct {
	Input   string    // a path, a row of a table by its path and number, or the text itself
	Outputs []float32 // before the softmax
	Cut     int       // tokens that a text was too long by, which the model hasn't seen
}

// Predict calls yield with the prediction for each input. It is valid until yield returns. An error
// of yield ends Predict.
//
// To a model of pictures or rows, an input is a picture file, a folder, of which it takes the
// pictures there and in the folders below, by their names, or a CSV or TSV file, gzipped or not, of
// which it takes the rows. Rows are numbered from 1 on below the header.
//
// To a model of texts, an input is a text. One that is the name of a table, or of a file of lines,
// stands for the texts in it, and "-" for the lines of stdin. A model of two texts takes the next
// input for the second one, and lines of stdin with a tab between the two.
func (t *Trained) Predict(ctx context.Context, inputs []string, stdin io.Reader, yield func(Prediction) error) error {
	if t.Language() {
		return fmt.Errorf("%s is a language model, which predicts no label: steppe generate goes on with a text", t.Path)
	}
	predictor, err := t.Model.Predictor(t.Params)
	if err != nil {
		return err
	}
	input, err := t.Input()
	if err != nil {
		return err
	}
	p := &predicting{Trained: t, ctx: ctx, input: input, predictor: predictor, yield: yield}
	if t.IsText() {
		return p.texts(inputs, stdin)
	}
	for _, path := range inputs {
		if err := p.path(path); err != nil {
			return err
		}
	}
	return nil
}

// Input says how pictures or rows become samples of the model. A model of images that weren't
// files, as MNIST's, takes pictures of their size.
func (t *Trained) Input() (*dataset.Input, error) {
	if t.input != nil {
		return t.input, nil
	}
	shape := t.Meta.Input
	if len(shape) != 3 || !slices.Contains([]int{1, 3}, shape[2]) {
		return nil, fmt.Errorf("%s takes samples of %v, and doesn't say how pictures or rows become such", t.Path, shape)
	}
	return &dataset.Input{Pictures: &dataset.Pictures{Height: shape[0], Width: shape[1], Channels: shape[2]}}, nil
}

// Value returns the number that a regression's outputs mean, in the units of the label.
func (t *Trained) Value(outputs []float32) float64 {
	if t.input == nil {
		return float64(outputs[0])
	}
	return t.input.Target(outputs[0])
}

// predicting is one call of Predict.
type predicting struct {
	*Trained
	ctx       context.Context
	input     *dataset.Input
	predictor *net.Predictor
	outputs   []float32
	yield     func(Prediction) error
}

// path predicts what is there.
func (p *predicting) path(path string) error {
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return err
	case info.IsDir():
		return p.folder(path)
	case dataset.IsTable(path):
		return p.table(path)
	}
	return p.picture(path)
}

// folder predicts all pictures in a folder and below.
func (p *predicting) folder(dir string) error {
	paths, err := dataset.PictureFiles(dir)
	if err != nil {
		return err
	}
	if len(paths) == 0 {
		return fmt.Errorf("%s has no pictures", dir)
	}
	for _, path := range paths {
		if err := p.picture(path); err != nil {
			return err
		}
	}
	return nil
}

func (p *predicting) picture(path string) error {
	x, err := p.input.Picture(path)
	if err != nil {
		return err
	}
	return p.sample(path, x)
}

func (p *predicting) table(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	rows, n, err := p.input.Rows(file, path)
	if err != nil {
		return err
	}
	size := p.Meta.Input.Size()
	for i := range n {
		if err := p.sample(fmt.Sprintf("%s row %d", path, i+1), rows[i*size:][:size]); err != nil {
			return err
		}
	}
	return nil
}

// sample predicts one sample.
func (p *predicting) sample(input string, x []float32) (err error) {
	if err := p.ctx.Err(); err != nil {
		return err
	}
	if p.Meta.Standardize != "" {
		one := &dataset.Set{Name: input, Shape: p.Meta.Input, Classes: 1, X: x, Labels: []int32{0}}
		if one, err = one.Standardize(p.by); err != nil {
			return err
		}
		x = one.X
	}
	if p.outputs, err = p.predictor.Outputs(p.outputs, x); err != nil {
		return fmt.Errorf("%s: %w", input, err)
	}
	return p.yield(Prediction{Input: input, Outputs: p.outputs})
}
