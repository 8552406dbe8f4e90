package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/steppe-ml/steppe/blas"
	"github.com/steppe-ml/steppe/internal/runs"
	"github.com/steppe-ml/steppe/sam/train"
)

// sweep is one run of the command.
type sweep struct {
	settings runs.Settings // that all runs share, before Complete
	vary     []string
	out      string
	workers  int
	most     memoryLimit
	json     bool

	axes []axis
	runs []*sweepRun

	stdout, stderr io.Writer
	tables         io.Writer // where people read
}

func newSweep() *cobra.Command {
	s := &sweep{settings: runs.Defaults()}
	cmd := &cobra.Command{
		Use:   "sweep",
		Short: "Train a run for each combination of some flags' values",
		Long: `Train a run for each combination of values, in a folder of its own below --out,
and list them by what --monitor says of their best epochs, with the scores on
the test samples.

--vary FLAG=VALUE,VALUE names a flag of train and its values; several make a
grid. The other flags are those of train, and go for all runs. A value that has
commas of its own is written in double quotes.

Each folder is one of steppe train --out, with a report of its own. The same
command goes on where it was stopped, by Ctrl-C or a kill: finished runs are
kept, the one under way resumes with the same bits as if it had never stopped.
With more values it adds runs. A run whose step is refused is listed as
refused, and the sweep goes on.

Choose by the validation samples. The best of many test scores promises too
much.

` + aboutSettings(),
		Example: `  steppe sweep --out sweeps/lr --vary lr=0.01,0.03,0.1
  steppe sweep --out sweeps/a --vary lr=0.01,0.1 --vary rho=0.02,0.05 \
      --model lenet --data mnist --epochs 5
  steppe sweep --out sweeps/seeds --vary seed=1,2,3 --vary method=sgd,sam,msam
  steppe sweep --out sweeps/augment --vary 'augment="flip,crop",flip' --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			s.stdout, s.stderr = cmd.OutOrStdout(), cmd.ErrOrStderr()
			return flagError(cmd.Flags(), s.run(cmd.Context(), cmd.Flags()))
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&s.out, "out", "", "folder `DIR` of the runs' folders; it is needed")
	flags.StringArrayVar(&s.vary, "vary", nil, "a flag with its `values`, as in lr=0.01,0.1; it is needed")
	addSettingsFlags(flags, &s.settings)
	flags.IntVar(&s.workers, "workers", blas.DefaultWorkers(), "number of worker goroutines; changes no result")
	s.most.addFlag(flags)
	flags.BoolVar(&s.json, "json", false, "print the list as JSON")
	return cmd
}

func (s *sweep) run(ctx context.Context, flags *pflag.FlagSet) error {
	s.tables = tablesOn(s.stdout, s.stderr, s.json)
	if err := validateWorkers(s.workers); err != nil {
		return err
	}
	if s.out == "" {
		return errors.New("--out is needed: the folder for the folders of the runs")
	}
	if err := s.makeRuns(flags); err != nil {
		return err
	}
	if err := s.look(); err != nil {
		return err
	}
	s.printHeader()
	err := s.train(ctx)
	s.printTable()
	if err != nil {
		return err
	}
	if s.json {
		return writeJSON(s.stdout, s.report())
	}
	return nil
}

// look finds out what is there of each run. A folder of a run with other settings is an error.
func (s *sweep) look() error {
	for _, r := range s.runs {
		config, err := runs.LoadConfig(r.dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if differ := differences(config.Settings, r.settings); differ != "" {
			return fmt.Errorf("--out %s: %s is a run with %s; take another folder, or the same flags", s.out, r.dir, differ)
		}
		r.state = stopped
		if err := r.read(); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// train trains the runs that aren't finished.
func (s *sweep) train(ctx context.Context) error {
	for i, r := range s.runs {
		if r.state == finished {
			continue
		}
		if err := ctx.Err(); err != nil {
			return s.goesOn(r, err)
		}
		err := s.trainOne(ctx, r)
		refused := new(train.StepError)
		switch {
		case errors.As(err, &refused):
			r.state, r.problem = refusedRun, refused.Error()
		case err != nil:
			return s.goesOn(r, err)
		default:
			if err := r.read(); err != nil {
				return err
			}
		}
		fmt.Fprintf(s.tables, "%*d/%d  %s: %s\n", len(fmt.Sprint(len(s.runs))), i+1, len(s.runs), r.name, r.summary())
	}
	return nil
}

// goesOn returns the error that ended a sweep in a run. The advice of that run, which is on it
// alone, gives way to what goes for the sweep.
func (s *sweep) goesOn(r *sweepRun, err error) error {
	if hinted := new(hintedError); errors.As(err, &hinted) {
		err = hinted.error
	}
	err = fmt.Errorf("the run %s: %w", r.name, err)
	if _, missing := os.Stat(filepath.Join(r.dir, runs.ConfigFile)); missing == nil {
		r.state = stopped
	}
	if !slices.ContainsFunc(s.runs, func(r *sweepRun) bool { return r.state != waitingRun }) {
		return err
	}
	return &hintedError{err, "the same command goes on from here"}
}

// trainOne trains a run by the command that a user would type.
func (s *sweep) trainOne(ctx context.Context, r *sweepRun) error {
	args := []string{fmt.Sprintf("--workers=%d", s.workers)}
	if s.most > 0 {
		args = append(args, fmt.Sprintf("--max-memory=%d", uint64(s.most)))
	}
	if r.state == stopped {
		args = append(args, "--resume="+r.dir)
	} else {
		if err := os.MkdirAll(filepath.Dir(r.dir), 0o755); err != nil {
			return err
		}
		args = append(append(args, r.args...), "--out="+r.dir)
	}
	command := newTrain()
	command.SilenceErrors, command.SilenceUsage = true, true
	command.SetArgs(args)
	command.SetOut(io.Discard)
	command.SetErr(s.stderr)
	return command.ExecuteContext(ctx)
}
