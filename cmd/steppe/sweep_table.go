package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam/train"
)

// sweepRun is a run of a sweep.
type sweepRun struct {
	name, dir string
	values    []string // of the axes
	args      []string // of steppe train, without --out
	settings  runs.Settings

	state   runState
	problem string  // of a refused run
	result  result  // of a finished run
	score   float64 // what the monitor says of the best epoch; NaN if that isn't known
}

// runState is how far a run of a sweep is.
type runState string

const (
	waitingRun runState = ""         // not begun
	stopped    runState = "stopped"  // can go on
	finished   runState = "finished" // with a result
	refusedRun runState = "refused"  // one of its steps was refused
)

// read reads the result of a finished run from its folder.
func (r *sweepRun) read() error {
	path := filepath.Join(r.dir, runs.ResultFile)
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &r.result); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	rows, err := train.ReadLog(train.LogFile(r.dir))
	if err != nil {
		return err
	}
	r.state, r.score = finished, math.NaN()
	for _, row := range rows {
		if row.Kind != train.RowEpoch || row.Epoch != r.result.BestEpoch {
			continue
		}
		if name, valid := strings.CutPrefix(r.settings.Monitor, "valid_"); !valid {
			r.score = row.TrainLoss
		} else if score, ok := row.Valid[name]; ok {
			r.score = score
		}
	}
	return nil
}

// summary says in a line how a run did.
func (r *sweepRun) summary() string {
	switch r.state {
	case refusedRun:
		return "refused in " + r.problem
	case finished:
		name, value := testScore(r.result.Test)
		return fmt.Sprintf("%s %.4f in epoch %d of %d, test %s %s", r.settings.Monitor, r.score, r.result.BestEpoch, r.result.Epochs, name, value)
	}
	return string(r.state)
}

// testScore returns the score on the test set that people look at.
func testScore(scores train.Scores) (name, value string) {
	if accuracy, ok := scores["accuracy"]; ok {
		return "accuracy", fmt.Sprintf("%.2f%%", 100*accuracy)
	}
	for _, name := range []string{"r2", "perplexity", "loss"} {
		if score, ok := scores[name]; ok {
			return name, fmt.Sprintf("%.4f", score)
		}
	}
	return "score", ""
}

// sorted returns the runs, the best by the monitor first, and those without a score last.
func (s *sweep) sorted() []*sweepRun {
	list := slices.Clone(s.runs)
	rank := func(r *sweepRun) (group int, score float64) {
		if r.state != finished || math.IsNaN(r.score) {
			return 1, 0
		}
		if strings.HasSuffix(r.settings.Monitor, "loss") || strings.HasSuffix(r.settings.Monitor, "perplexity") {
			return 0, r.score
		}
		return 0, -r.score
	}
	slices.SortStableFunc(list, func(a, b *sweepRun) int {
		groupA, scoreA := rank(a)
		groupB, scoreB := rank(b)
		return cmp.Or(groupA-groupB, cmp.Compare(scoreA, scoreB))
	})
	return list
}

func (s *sweep) printHeader() {
	done := 0
	for _, r := range s.runs {
		if r.state == finished {
			done++
		}
	}
	fmt.Fprintf(s.tables, "%s in %s", plural(len(s.runs), "run"), s.out)
	if done > 0 {
		fmt.Fprintf(s.tables, ", %d of them finished before", done)
	}
	fmt.Fprintf(s.tables, "\n%s\n\n", machine(s.workers))
}

// printTable lists the runs. With --quiet it is the result, and with --json the list is printed
// otherwise.
func (s *sweep) printTable() {
	if s.json {
		return
	}
	header := table.Row{}
	for _, a := range s.axes {
		header = append(header, a.flag)
	}
	list := s.sorted()
	monitor, score := list[0].settings.Monitor, "accuracy"
	if list[0].state == finished {
		score, _ = testScore(list[0].result.Test)
	}
	t := newTable(append(header, monitor, "best epoch", "test "+score, "folder"))
	for _, r := range list {
		row := table.Row{}
		for _, v := range r.values {
			row = append(row, v)
		}
		if r.state == finished {
			_, value := testScore(r.result.Test)
			row = append(row, fmt.Sprintf("%.4f", r.score), fmt.Sprintf("%d of %d", r.result.BestEpoch, r.result.Epochs), value)
		} else {
			row = append(row, cmp.Or(string(r.state), "not begun"), "", "")
		}
		t.AppendRow(append(row, r.name))
	}
	fmt.Fprintf(s.stdout, "\n%s\n", t.Render())
	if best := list[0]; best.state == finished {
		fmt.Fprintf(s.tables, "\nLook at %s.\n", filepath.Join(best.dir, runs.ReportFile))
	}
}

// sweepReport is what --json prints.
type sweepReport struct {
	Out     string           `json:"out"`
	Monitor string           `json:"monitor"`
	Runs    []sweepReportRun `json:"runs"` // the best first
}

type sweepReportRun struct {
	Folder    string            `json:"folder"`
	Values    map[string]string `json:"values"` // by flag
	State     runState          `json:"state"`
	Score     *float64          `json:"score"` // what the monitor says of the best epoch; null if that isn't known
	BestEpoch int               `json:"best_epoch,omitempty"`
	Epochs    int               `json:"epochs,omitempty"`
	Test      train.Scores      `json:"test,omitempty"`
	Problem   string            `json:"problem,omitempty"`
}

func (s *sweep) report() sweepReport {
	out := sweepReport{Out: s.out}
	for _, r := range s.sorted() {
		to := sweepReportRun{Folder: r.dir, Values: map[string]string{}, State: r.state, Problem: r.problem}
		for i, a := range s.axes {
			to.Values[a.flag] = r.values[i]
		}
		if r.state == finished {
			to.BestEpoch, to.Epochs, to.Test = r.result.BestEpoch, r.result.Epochs, r.result.Test
			if !math.IsNaN(r.score) && !math.IsInf(r.score, 0) {
				to.Score = &r.score
			}
		}
		out.Monitor = r.settings.Monitor
		out.Runs = append(out.Runs, to)
	}
	return out
}
