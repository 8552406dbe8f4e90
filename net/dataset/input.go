package dataset

import (
	"errors"
	"fmt"
)

// Input says how outside data became the samples of a set, so that new pictures, rows and texts can
// be treated alike. It has one of the three fields. As JSON it can be kept beside a model.
//
// It doesn't know of Set.Standardize, which changes samples once more.
type Input struct {
	Pictures *Pictures `json:"pictures,omitempty"`
	Table    *Table    `json:"table,omitempty"`
	Text     *Text     `json:"text,omitempty"`
}

// Validate returns an error unless the fields make sense, as they may not after they were read from
// a file.
func (in *Input) Validate() error {
	kinds := 0
	if in != nil {
		for _, has := range []bool{in.Pictures != nil, in.Table != nil, in.Text != nil} {
			if has {
				kinds++
			}
		}
	}
	switch {
	case kinds != 1:
		return errors.New("dataset: an Input has pictures, a table or texts, want one of them")
	case in.Pictures != nil:
		return in.Pictures.validate()
	case in.Text != nil:
		return in.Text.validate()
	}
	return in.Table.validate()
}

func (p Pictures) validate() error {
	if p.Height < 1 || p.Height > maxImageSize || p.Width < 1 || p.Width > maxImageSize || p.Channels != 1 && p.Channels != 3 {
		return fmt.Errorf("dataset: an Input of pictures of %dx%dx%d, want sides of 1 to %d, and 1 or 3 channels",
			p.Height, p.Width, p.Channels, maxImageSize)
	}
	return nil
}

// Picture reads a picture file as the set's were read: the result is [Height, Width, Channels] of
// Pictures, in [0, 1]. The error names the file. It is an error, too, if the samples weren't
// pictures.
func (in *Input) Picture(path string) ([]float32, error) {
	if err := in.Validate(); err != nil {
		return nil, err
	}
	if in.Pictures == nil {
		return nil, fmt.Errorf("dataset: %s: expected %s, got a picture", path, in.wants())
	}
	p := *in.Pictures
	x := make([]float32, p.Height*p.Width*p.Channels)
	if _, err := p.read(path, x); err != nil {
		return nil, err
	}
	return x, nil
}

// wants says what the samples were made of.
func (in *Input) wants() string {
	switch {
	case in.Pictures != nil:
		return "pictures, since the model was trained on some"
	case in.Text != nil:
		return "texts, since the model was trained on some"
	}
	return "rows of a table, since the model was trained on one"
}
