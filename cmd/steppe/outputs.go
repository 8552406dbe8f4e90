package main

import (
	"io"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/chart"
)

// outputs are where figures go besides the tables. Files are begun before the
// work, which would be for nothing if they can't be written.
type outputs struct {
	plotPath, jsonPath string
	plot               *chart.File
	json               *atomicfile.File
}

func (o *outputs) addFlags(flags *pflag.FlagSet) {
	flags.StringVar(&o.plotPath, "plot", "", "draw the costs into `FILE`, a .png or .svg")
	flags.StringVar(&o.jsonPath, "json", "", "write the figures as JSON to `FILE`, - for stdout")
}

// begin begins the files that are asked for.
func (o *outputs) begin() (err error) {
	if o.plotPath != "" {
		if o.plot, err = chart.Create(o.plotPath); err != nil {
			return err
		}
	}
	if o.jsonPath != "" && o.jsonPath != "-" {
		o.json, err = atomicfile.Create(o.jsonPath)
	}
	return err
}

// discard removes what has been begun and not written.
func (o *outputs) discard() {
	if o.plot != nil {
		o.plot.Discard()
	}
	if o.json != nil {
		o.json.Discard()
	}
}

// tables returns where the tables go: JSON on stdout wants to be alone there.
func (o *outputs) tables(stdout, stderr io.Writer) io.Writer {
	if o.jsonPath == "-" {
		return stderr
	}
	return stdout
}

// write writes the report to where it was asked for, if it was.
func (o *outputs) write(r *Report, stdout io.Writer) error {
	if o.jsonPath == "-" {
		if err := writeJSON(stdout, r); err != nil {
			return err
		}
	}
	if o.json != nil {
		if err := writeJSON(o.json, r); err != nil {
			return err
		}
		if err := o.json.Commit(); err != nil {
			return err
		}
	}
	if o.plot != nil {
		return o.plot.Draw(r.costs())
	}
	return nil
}
