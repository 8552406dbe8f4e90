package main

import (
	"fmt"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/agree"
)

// meetRanks compares the ranks of a run before they read their data, and finds out how many workers
// each has.
func (t *trainCommand) meetRanks(flags *pflag.FlagSet) error {
	if t.ranks == nil {
		return nil
	}
	settings, err := settingsFacts(&t.settings)
	facts := append(programFacts(), agree.Fact{Name: "--overlap", Value: fmt.Sprint(t.overlap)})
	if err := agree.Facts(t.ranks, err, append(facts, settings...)); err != nil {
		return err
	}
	share, err := workersOf(t.ranks)
	if err == nil && !flags.Changed("workers") {
		t.workers = share
	}
	return err
}

// compareData compares what the ranks have read, and the settings that have adapted to it.
func (t *trainCommand) compareData() error {
	if t.ranks == nil {
		return nil
	}
	facts, err := settingsFacts(&t.settings)
	facts = append(facts, agree.Fact{Name: t.settings.Data + " (the checksum of its training samples)", Value: t.job.Sum})
	return agree.Facts(t.ranks, err, facts)
}

// ranksLine says in the header of a run how many ranks it has; "" without --mpi.
func (t *trainCommand) ranksLine() string {
	switch {
	case t.ranks != nil:
		return fmt.Sprintf("%s, %s sums", plural(t.ranks.Size(), "rank"), t.settings.Ranks)
	case t.settings.Ranks != "":
		return fmt.Sprintf("%s sums of ranks", t.settings.Ranks)
	}
	return ""
}
