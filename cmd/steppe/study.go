package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/internal/findings"
	"github.com/steppe-ml/steppe/internal/runs/campaign"
	"github.com/steppe-ml/steppe/internal/study"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// studies is one run of the command study.
type studies struct {
	workload   // for its workers
	outputs    outputs
	jobs       int
	dir        string
	only       []string // parts; nil for all
	reportOnly bool
	again      bool // measure costs, and do nothing else
	markdown   bool
	ranks      sam.Communicator // nil without --mpi

	file  *campaign.File
	parts []*campaign.Study
	works []study.Work
}

func newStudy() *cobra.Command {
	s := &studies{workload: workload{command: "study"}}
	var list bool
	var show string
	cmd := &cobra.Command{
		Use:   "study [PRESET|FILE.yaml]",
		Short: "Run a whole study: data sets, models, methods, noise and seeds",
		Long: `Run the study that a file describes, or one that comes with steppe, and print
its results. A study has parts, each of a model on data. Each part is what
compare does, and more: grids of rho are extended where the best rho is at their
edge; methods are compared at equal epochs and at equal time; and calibration,
the largest eigenvalue of the Hessian and the worst-case sharpness of the final
models are measured.

Every finished run is kept in the folder of --out, with a folder for each part.
The same command goes on from there, whatever ended it: Ctrl-C, a crash or a
full disk lose the runs under way only. --report-only prints what is there so
far, also while the study runs. Accuracies don't depend on --jobs and --workers.
The folder has the results as a page, report.html, and as report.md with
pictures.

mpirun -n 4 steppe study FILE.yaml --mpi spreads the runs over processes, of one
machine or several. --jobs and --workers are those of one of them. Rank 0 alone
prints, and has the folder.

A file has a name, a title, defaults that the parts inherit, and a list of
parts. steppe study --print digits shows one. Everything that is wrong in a file
is listed before anything runs.

` + sections(aboutPresets(), aboutKeys(), aboutMethodSettings()),
		Example: `  steppe study digits
  steppe study --list
  steppe study --print digits    # a file to begin your own with
  steppe study mine.yaml --out results/mine --jobs 4
  steppe study mine.yaml --out results/mine --report-only --markdown
  mpirun -n 4 steppe study mine.yaml --mpi --out results/mine`,
		Args: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) > 1:
				return fmt.Errorf("%s takes one preset or file, got %q", cmd.CommandPath(), args[1])
			case len(args) == 0 && !list && show == "":
				return fmt.Errorf("%s needs a preset (%s) or a file that ends in .yaml", cmd.CommandPath(), strings.Join(campaign.Presets(), ", "))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case list:
				return printPresets(cmd.OutOrStdout())
			case show != "":
				text, err := campaign.Preset(show)
				if err != nil {
					return err
				}
				_, err = cmd.OutOrStdout().Write(text)
				return err
			}
			if err := s.shareCores(cmd.Context(), cmd.Flags()); err != nil {
				return err
			}
			if !cmd.Flags().Changed("jobs") {
				s.jobs = max(1, s.workers)
			}
			s.ranks = communicatorOf(cmd.Context())
			return s.run(cmd.Context(), args[0], cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVar(&s.dir, "out", "", "keep the runs in the folder `DIR` (default the study's name)")
	flags.StringSliceVar(&s.only, "parts", nil, "`names` of the parts to run and print (default all)")
	flags.BoolVar(&s.reportOnly, "report-only", false, "run nothing, and print the results that there are")
	flags.BoolVar(&s.again, "costs", false, "measure the costs of steps again, say which runs of equal time\nthat changes, and train nothing")
	flags.BoolVar(&s.markdown, "markdown", false, "print the tables as Markdown")
	flags.IntVar(&s.jobs, "jobs", 0, "runs at a time, which share the workers (default: one per worker)")
	s.addWorkers(flags)
	s.outputs.addJSONFlag(flags)
	flags.BoolVar(&list, "list", false, "list the presets")
	flags.StringVar(&show, "print", "", "print the file of a `PRESET`, to begin a file of your own with")
	cmd.MarkFlagsMutuallyExclusive("costs", "report-only")
	cmd.MarkFlagsMutuallyExclusive("costs", "json")
	addMPIFlag(flags, "spread the runs over the processes that mpirun has started")
	cmd.MarkFlagsMutuallyExclusive("costs", mpiFlag)
	cmd.MarkFlagsMutuallyExclusive("report-only", mpiFlag)
	return cmd
}

func aboutPresets() string {
	return section("Presets", campaign.Presets(), func(name string) (string, string) { return name, presetTitle(name) })
}

func aboutKeys() string {
	return section("Keys of a part", campaign.Keys(), func(k [2]string) (string, string) { return k[0], k[1] })
}

// aboutMethodSettings lists the settings of methods, by group.
func aboutMethodSettings() string {
	var tables []string
	byGroup := map[string][]campaign.Setting{}
	for _, s := range campaign.Settings() {
		byGroup[s.Group] = append(byGroup[s.Group], s)
	}
	for _, group := range slices.Sorted(maps.Keys(byGroup)) {
		tables = append(tables, section("Settings of a method, under "+group, byGroup[group], func(s campaign.Setting) (string, string) {
			return s.Key, fmt.Sprintf("%s (%v)", s.About, s)
		}))
	}
	return sections(tables...)
}

// presetTitle returns the title in a preset's file.
func presetTitle(name string) string {
	text, err := campaign.Preset(name)
	if err != nil {
		return err.Error()
	}
	return campaign.Title(text)
}

func printPresets(w io.Writer) error {
	for _, name := range campaign.Presets() {
		if _, err := fmt.Fprintf(w, "%-10s %s\n", name, presetTitle(name)); err != nil {
			return err
		}
	}
	return nil
}

// read reads the study file of a preset or a path.
func readStudy(spec string) (*campaign.File, error) {
	isFile := strings.HasSuffix(spec, ".yaml") || strings.HasSuffix(spec, ".yml")
	if !isFile && !strings.ContainsAny(spec, `/\`) {
		text, err := campaign.Preset(spec)
		if err != nil {
			return nil, fmt.Errorf("%w, or a file that ends in .yaml", err)
		}
		return campaign.Parse(spec+".yaml", text)
	}
	text, err := os.ReadFile(spec)
	if err != nil {
		return nil, err
	}
	return campaign.Parse(spec, text)
}

func (s *studies) run(ctx context.Context, spec string, stdout, stderr io.Writer) (err error) {
	if err := s.validate(); err != nil {
		return err
	}
	if s.file, err = readStudy(spec); err != nil {
		return err
	}
	if err := s.choose(); err != nil {
		return err
	}
	if s.dir == "" {
		s.dir = s.file.Name
	}
	if err := waiting(stderr, "reading the data", s.open); err != nil {
		return err
	}
	defer func() {
		for _, w := range s.works {
			err = errors.Join(err, w.Store.Close())
		}
	}()
	if s.again {
		return s.measureCosts(ctx, stdout, stderr)
	}
	defer s.outputs.discard()
	if leads(s.ranks) {
		if err := s.outputs.create(); err != nil {
			return err
		}
	}
	out := s.outputs.tables(stdout, stderr)
	var ended error
	if !s.reportOnly {
		if !isQuiet(stderr) {
			s.printHeader(out)
		}
		live := newRunProgress(stderr, "SGD")
		live.several = len(s.works) > 1
		ended = study.ExecuteOn(ctx, agreement(s.ranks), s.works, s.jobs, s.workers/s.jobs, live.report)
		live.clear()
	}
	if ended != nil && !errors.Is(ended, context.Canceled) {
		return ended
	}
	result := s.summarize()
	s.print(out, result)
	if err := s.save(out, result, stderr); err != nil {
		return err
	}
	if err := s.outputs.write(result, stdout); err != nil {
		return err
	}
	if ended != nil {
		return &hintedError{ended, fmt.Sprintf("%d of %s are kept in %s, and the same command goes on from there", result.Done, plural(result.Runs, "run"), s.dir)}
	}
	return nil
}

func (s *studies) validate() error {
	if err := validateWorkers(s.workers); err != nil {
		return err
	}
	if s.jobs < 1 || s.jobs > s.workers {
		return fmt.Errorf("--jobs is %d, want 1 to %d, the workers", s.jobs, s.workers)
	}
	return nil
}

// choose keeps the parts of --parts.
func (s *studies) choose() error {
	if s.only == nil {
		return nil
	}
	var names []string
	for _, p := range s.file.Parts {
		names = append(names, p.Name)
	}
	for _, name := range s.only {
		if !slices.Contains(names, name) {
			return fmt.Errorf("--parts has %q, want some of %s", name, strings.Join(names, ", "))
		}
	}
	s.file.Parts = slices.DeleteFunc(s.file.Parts, func(p *campaign.Part) bool { return !slices.Contains(s.only, p.Name) })
	return nil
}

// open reads the data, makes the studies, and opens their stores.
func (s *studies) open() (err error) {
	if s.parts, err = s.file.Open(); err != nil {
		return err
	}
	if err := s.checkMemory(); err != nil {
		return err
	}
	var all []*study.Study
	for _, p := range s.parts {
		all = append(all, p.Study)
	}
	if err := compareStudies(s.ranks, all...); err != nil {
		return err
	}
	for _, p := range s.parts {
		dir := filepath.Join(s.dir, p.Part.Name)
		open := study.OpenStore
		if s.reportOnly {
			open = study.ReadStore
		}
		store := study.NewStore()
		if leads(s.ranks) {
			if store, err = open(dir, p.Recipe); err != nil {
				return err
			}
		}
		s.works = append(s.works, study.Work{Study: p.Study, Store: store})
	}
	return nil
}

// checkMemory returns an error if there isn't the memory for the largest runs at once, each with
// its own copy of the data where it changes.
func (s *studies) checkMemory() error {
	var data, copies, steps, params uint64
	for _, p := range s.parts {
		largest, err := p.MostBytes(s.workers / s.jobs)
		if err != nil {
			return err
		}
		rule := optim.Rule(optim.SGD{LR: 1, Momentum: 0.9})
		if p.Base != nil {
			rule = p.Base(1)
		}
		own := dataBytes([]*dataset.Set{p.Train, p.Test})
		data += own
		copies, steps, params = max(copies, own), max(steps, uint64(largest)), max(params, paramBytes(p.Model, rule))
	}
	jobs := uint64(s.jobs)
	return s.most.check(
		memoryPart{"steps", jobs * steps, false}, memoryPart{"data", data, true},
		memoryPart{"its copies", jobs * copies, false}, memoryPart{"parameters", jobs * params, false})
}

// save writes the page, the Markdown and the pictures into the study's folder, once there are results.
func (s *studies) save(w io.Writer, c *study.Campaign, stderr io.Writer) error {
	if !leads(s.ranks) || !slices.ContainsFunc(c.Parts, func(p study.Part) bool { return p.Summary != nil }) {
		return nil
	}
	if err := waiting(stderr, "drawing the report", func() error { return findings.New(c).Save(s.dir) }); err != nil {
		return err
	}
	if !isQuiet(stderr) {
		fmt.Fprintf(w, "\nReport: %s\n", filepath.Join(s.dir, "report.html"))
	}
	return nil
}

// summarize returns the results so far.
func (s *studies) summarize() *study.Campaign {
	var parts []study.Named
	for i, p := range s.parts {
		parts = append(parts, study.Named{Name: p.Part.Name, Title: p.Heading(), Work: s.works[i]})
	}
	c := study.Summarize(parts)
	c.Name, c.Title, c.About, c.Machine = s.file.Name, s.file.Title, s.file.About, s.machine()
	return c
}
