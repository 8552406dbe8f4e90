package main

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/simd"
)

// workload is a model, data and a batch size, which bench and compare share.
type workload struct {
	command   string // bench or compare, for errors
	modelName string
	source    runs.Source
	batch     int
	seed      uint64
	workers   int
	most      memoryLimit

	model       *net.Model
	train, test *dataset.Set
}

func (w *workload) addFlags(flags *pflag.FlagSet, batch int) {
	flags.StringVar(&w.modelName, "model", "mlp", "`name` of the model")
	w.source = runs.Defaults().Source
	addSourceFlags(flags, &w.source)
	flags.IntVar(&w.batch, "batch", batch, "samples per batch")
	w.addWorkers(flags)
}

func (w *workload) addSeed(flags *pflag.FlagSet) {
	w.seed = 1
	flags.Var((*seed)(&w.seed), "seed", "seed of the initial weights and the order of samples")
}

func (w *workload) addWorkers(flags *pflag.FlagSet) {
	flags.IntVar(&w.workers, "workers", blas.DefaultWorkers(), "number of worker goroutines")
	w.most.addFlag(flags)
}

// validate returns an error if the flags make no sense.
func (w *workload) validate() error {
	if w.batch < 1 {
		return fmt.Errorf("--batch is %d, want at least 1", w.batch)
	}
	if err := validateWorkers(w.workers); err != nil {
		return err
	}
	return w.source.Validate()
}

// validateWorkers returns an error if --workers makes no sense.
func validateWorkers(workers int) error {
	if workers < 1 {
		return fmt.Errorf("--workers is %d, want at least 1", workers)
	}
	return nil
}

// open compiles the model for the data. It reads the data unless train is set.
func (w *workload) open() error {
	row, err := zoo.Lookup(w.modelName) // before the data, which may take long
	if err != nil {
		return err
	}
	if w.train == nil {
		if w.train, w.test, err = w.source.Open(); err != nil {
			return err
		}
	}
	if n := w.train.Len(); w.batch > n {
		return fmt.Errorf("--batch %d is more than the %s training samples of %s", w.batch, count(n), w.dataName())
	}
	if err := runs.CheckModel(row, w.source.Data, w.train); err != nil {
		return err
	}
	if w.train.Labels == nil && !row.Language {
		return fmt.Errorf("--data %s has numbers to predict, and steppe %s needs classes", w.source.Data, w.command)
	}
	w.model, err = runs.CompileFor(row, w.train)
	return err
}

// dataName returns the name of the data set without "/train".
func (w *workload) dataName() string { return strings.TrimSuffix(w.train.Name, "/train") }

// validateShards returns an error if a batch can't have that many shards.
func (w *workload) validateShards(shards int) error {
	switch {
	case shards < 1:
		return fmt.Errorf("--shards has %d, want at least 1", shards)
	case shards > w.batch:
		return fmt.Errorf("%d shards are more than --batch %d has samples", shards, w.batch)
	}
	return nil
}

// mostShards returns how many shards the batch can have.
func (w *workload) mostShards() int { return max(1, w.batch/max(1, w.model.MinShard())) }

// omission says which numbers of shards don't fit the batch, "" if all do.
func (w *workload) omission(leftOut []int) string {
	if len(leftOut) == 0 {
		return ""
	}
	return fmt.Sprintf("Left out: %s, which a batch of %d can't have with at least %s a shard.\n",
		shardsInWords(leftOut), w.batch, plural(max(1, w.model.MinShard()), "sample"))
}

// machine describes the CPU and the workers.
func (w *workload) machine() string { return machine(w.workers) }

func machine(workers int) string {
	cpu := simd.Processor()
	return fmt.Sprintf("%s, %v, %s on %s", oneLine(cpu.Name), simd.Active(),
		plural(workers, "worker"), plural(cpu.PhysicalCores, "core"))
}
