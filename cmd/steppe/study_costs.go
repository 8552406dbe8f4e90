package main

import (
	"context"
	"fmt"
	"io"
	"math"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/steppe-ml/steppe/internal/study"
)

// howGood says how good the costs of a part are, of which there must be some.
func howGood(costs []study.Cost) string {
	off, known := study.HowGood(costs)
	switch {
	case !known:
		return "It isn't known how good the costs of steps are: they were measured without a control, by an older version. --costs measures them again."
	case !study.GoodCosts(costs):
		return fmt.Sprintf("The costs of steps are only good to %.0f%%. --costs measures them again.", math.Ceil(100*off))
	}
	return fmt.Sprintf("The costs of steps are good to %.1f%%.", 100*off)
}

// measureCosts measures the costs of all parts' steps again, prints them, and says which runs that
// changes.
func (s *studies) measureCosts(ctx context.Context, stdout, stderr io.Writer) error {
	live := newRunProgress(stderr, "SGD")
	for i, w := range s.works {
		live.report(study.Progress{Measuring: w.Recipe.Model + " on " + w.Recipe.Data})
		changes, err := w.MeasureCosts(ctx, s.workers/s.jobs)
		live.clear()
		if err != nil {
			return err
		}
		fmt.Fprintf(stdout, "%s (%s)\n\n", s.parts[i].Heading(), s.parts[i].Part.Name)
		costs := w.Costs(w.Store)
		t := newTable(table.Row{"method", "step ms", "x SAM", "good to", "equal time"})
		for _, c := range costs {
			vsSAM, epochs := "", ""
			if c.VsSAM > 0 {
				vsSAM = fmt.Sprintf("%.2f", c.VsSAM)
			}
			if w.Grid.EqualTime {
				epochs = plural(c.EqualEpochs, "epoch")
			}
			t.AppendRow(table.Row{c.Name, significant(1e3 * c.Step), vsSAM, fmt.Sprintf("%.1f%%", 100**c.Off), epochs})
		}
		summaryTables{markdown: s.markdown}.print(stdout, t)
		fmt.Fprintf(stdout, "\n%s\n", wrap(howGood(costs), textWidth))
		for _, c := range changes {
			fmt.Fprintf(stdout, "%s now has %s at equal time, not %d: %s no longer count.\n", c.Name, plural(c.After, "epoch"), c.Before, plural(c.Runs, "finished run"))
		}
		switch {
		case changes != nil:
			fmt.Fprintln(stdout, "The same command without --costs trains the new ones.")
		case w.Grid.EqualTime:
			fmt.Fprintln(stdout, "No run of equal time changes.")
		}
		fmt.Fprintln(stdout)
	}
	return nil
}
