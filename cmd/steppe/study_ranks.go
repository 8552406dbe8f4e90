package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/sam"
)

// shareCores gives a rank its share of the cores, unless --workers says otherwise.
func (w *workload) shareCores(ctx context.Context, flags *pflag.FlagSet) error {
	workers, err := workersOf(communicatorOf(ctx))
	if err == nil && !flags.Changed("workers") {
		w.workers = workers
	}
	return err
}

// compareStudies returns an error unless all ranks are about to execute the same studies.
func compareStudies(c sam.Communicator, studies ...*study.Study) error {
	if c == nil {
		return nil
	}
	facts := programFacts()
	var failed error
	for i, s := range studies {
		for _, part := range []struct {
			name  string
			value any
		}{{"recipe", s.Recipe}, {"grid", s.Grid}, {"flatness", s.Flatness}} {
			text, err := json.Marshal(part.value)
			if err != nil {
				failed = err
			}
			facts = append(facts, agree.Fact{Name: fmt.Sprintf("the %s of part %d", part.name, i+1), Value: string(text)})
		}
	}
	return agree.Facts(c, failed, facts)
}

// agreement is c for package study, nil for nil.
func agreement(c sam.Communicator) agree.Communicator {
	if c == nil {
		return nil
	}
	return c
}
