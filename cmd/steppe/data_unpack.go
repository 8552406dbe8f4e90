package main

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/draw"
	"image/png"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/report"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net/dataset"
)

// dataUnpack is one run of the command.
type dataUnpack struct {
	source runs.Source
	dir    string
}

func newDataUnpack() *cobra.Command {
	d := &dataUnpack{source: runs.Defaults().Source}
	cmd := &cobra.Command{
		Use:   "unpack DATA DIR",
		Short: "Write a data set as a folder of pictures",
		Long: `Write the pictures of a data set into a new folder as PNG files, with a
sub-folder for each class in train and in test, for other programs, or to change
them. steppe train reads such a folder.

` + aboutData(),
		Example: `  steppe data unpack digits digit-pictures`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return fmt.Errorf("%s wants a data set and a folder to make, got %d arguments", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			d.source.Data, d.dir = args[0], args[1]
			return d.run(cmd.Context(), cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	addReadingFlags(flags, &d.source)
	return cmd
}

// addReadingFlags adds the flags of a source but for --data, for commands that take the data as an
// argument.
func addReadingFlags(flags *pflag.FlagSet, s *runs.Source) {
	source := pflag.NewFlagSet("", pflag.ContinueOnError)
	source.SortFlags = false
	addSourceFlags(source, s)
	source.VisitAll(func(f *pflag.Flag) {
		if f.Name != "data" {
			flags.AddFlag(f)
		}
	})
}

func (d *dataUnpack) run(ctx context.Context, stdout, stderr io.Writer) error {
	if err := d.source.Validate(); err != nil {
		return err
	}
	var sets [2]*dataset.Set
	err := waiting(stderr, "reading data", func() (err error) {
		sets[0], sets[1], err = d.source.Open()
		return err
	})
	if err != nil {
		return err
	}
	switch s := sets[0]; {
	case s.IsText():
		return fmt.Errorf("%s has texts, and steppe data unpack writes pictures", d.source.Data)
	case !isPicture(s.Shape) || s.Labels == nil:
		return fmt.Errorf("%s has no pictures in classes: its samples are %v", d.source.Data, s.Shape)
	}
	if _, err := os.Lstat(d.dir); err == nil {
		return fmt.Errorf("%s is there already, want a folder to make", d.dir)
	}
	partial := d.dir + ".partial" // until it is whole
	if err := os.Mkdir(partial, 0o755); err != nil {
		return err
	}
	defer os.RemoveAll(partial)
	live := newProgress(stderr, sets[0].Len()+sets[1].Len())
	defer live.clear()
	done := 0
	for i, part := range []string{"train", "test"} {
		for sample := range sets[i].Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := writeSample(filepath.Join(partial, part), sets[i], sample); err != nil {
				return err
			}
			done++
			live.set(done, func() string { return part })
		}
	}
	live.clear()
	if err := os.Rename(partial, d.dir); err != nil {
		return err
	}
	fmt.Fprintf(stdout, "%s has %s in %s.\n", d.dir, plural(done, "picture"), plural(sets[0].Classes, "class"))
	return nil
}

// writeSample writes one sample to DIR/CLASS/NUMBER.png.
func writeSample(dir string, s *dataset.Set, sample int) error {
	x, err := sampleOf(s, sample)
	if err != nil {
		return err
	}
	dir = filepath.Join(dir, filepath.Base(nameOf(s, sample)))
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	content, err := encodePNG(report.Picture{Shape: s.Shape, Values: x})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, strconv.Itoa(sample)+".png"), content, 0o644)
}

// nameOf returns the class of a sample in words, or its number if it has no name.
func nameOf(s *dataset.Set, sample int) string {
	label := s.Labels[sample]
	if s.ClassNames == nil {
		return strconv.Itoa(int(label))
	}
	return s.ClassNames[label]
}

// encodePNG returns a picture as a PNG file. One channel makes a gray file.
func encodePNG(picture report.Picture) ([]byte, error) {
	img, err := picture.Image()
	if err != nil {
		return nil, err
	}
	if len(picture.Shape) == 3 && picture.Shape[2] == 1 {
		gray := image.NewGray(img.Bounds())
		draw.Draw(gray, gray.Bounds(), img, img.Bounds().Min, draw.Src)
		img = gray
	}
	var file bytes.Buffer
	err = png.Encode(&file, img)
	return file.Bytes(), err
}
