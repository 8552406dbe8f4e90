package main

import (
	"io"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/atomicfile"
	"github.com/steppe-ml/steppe/internal/chart"
)

// outputs has the files that a command writes besides its tables. It creates them before the
// measurements, so that a path that can't be written costs no work.
type outputs struct {
	jsonPath string
	json     *atomicfile.File
	plots    []*plotOutput
}

// plotOutput is a chart that a flag asks for.
type plotOutput struct {
	path  string // "" for none
	file  *chart.File
	chart func() chart.Chart // of the results; called after the measurements
}

func (o *outputs) addJSONFlag(flags *pflag.FlagSet) {
	flags.StringVar(&o.jsonPath, "json", "", "write the results as JSON to `FILE`; - is stdout")
}

// addPlotFlag adds a flag for a chart. The caller sets the function that makes the chart.
func (o *outputs) addPlotFlag(flags *pflag.FlagSet, name, usage string) *plotOutput {
	p := &plotOutput{}
	flags.StringVar(&p.path, name, "", usage)
	o.plots = append(o.plots, p)
	return p
}

// create creates the files. After an error, discard removes those that exist.
func (o *outputs) create() (err error) {
	for _, p := range o.plots {
		if p.path != "" {
			if p.file, err = chart.Create(p.path); err != nil {
				return err
			}
		}
	}
	if o.jsonPath != "" && o.jsonPath != "-" {
		o.json, err = atomicfile.Create(o.jsonPath)
	}
	return err
}

// discard removes the files that write hasn't written.
func (o *outputs) discard() {
	for _, p := range o.plots {
		if p.file != nil {
			p.file.Discard()
		}
	}
	if o.json != nil {
		o.json.Discard()
	}
}

// tables returns the writer of the tables: with --json -, stdout has the JSON alone, and with --quiet
// besides nobody reads them.
func (o *outputs) tables(stdout, stderr io.Writer) io.Writer {
	switch {
	case o.jsonPath != "-":
		return stdout
	case isQuiet(stderr):
		return io.Discard
	}
	return stderr
}

// write writes the results as JSON, and the charts, where flags ask for them.
func (o *outputs) write(results any, stdout io.Writer) error {
	if o.jsonPath == "-" {
		if err := writeJSON(stdout, results); err != nil {
			return err
		}
	}
	if o.json != nil {
		if err := writeJSON(o.json, results); err != nil {
			return err
		}
		if err := o.json.Commit(); err != nil {
			return err
		}
	}
	for _, p := range o.plots {
		if p.file != nil {
			if err := p.file.Draw(p.chart()); err != nil {
				return err
			}
		}
	}
	return nil
}
