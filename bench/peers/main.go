// Command peers measures our matrix products, BLAS routines, convolutions and training steps beside
// other libraries'. Each library runs in a process of its own, and the processes take turns in
// rounds. README.md says how to run it and how to read the tables.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"time"

	"github.com/steppe-ml/steppe/bench/peers/protocol"
	"github.com/steppe-ml/steppe/internal/chart"
)

// options is what the command line asks for.
type options struct {
	kind     protocol.Kind // of all work; a table holds one kind
	suites   []suite       // rows to measure
	peers    []peer        // columns to measure
	strict   bool          // --peers was given: a peer that can't start is an error
	workers  int           // cores for each peer that doesn't fix its own number
	dtype    string        // element type
	entry    string        // which of our functions to call for products
	rounds   int           // measurements of each cell
	limit    time.Duration // time for a row of steps or decompositions; 0 is the suite's own
	budget   time.Duration // time for one measurement
	markdown bool          // print Markdown
	json     string        // file for all figures, or ""
	plot     *chart.File   // chart of what SAM and mSAM cost, or nil
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the program at once
	opt, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err == nil {
		err = run(ctx, opt, os.Stdout, os.Stderr)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func parse(args []string, usage io.Writer) (opt options, err error) {
	flags := flag.NewFlagSet("peers", flag.ContinueOnError)
	flags.SetOutput(usage)
	suiteName := flags.String("suite", "all", "work to measure: square, skinny, all (both) or ragged are matrix products; conv is convolutions; step, sam, small (batches) and text are training steps; level1, level2 and level3 are BLAS routines; gonum is its mat with our BLAS")
	shapes := flags.String("shapes", "", `work to measure instead of a suite, separated by commas and all of one kind:
products "784x512x256" (m x n x k), then tA or tB or both;
convolutions "32x32x32x16->32 3x3 stride 2 pad 1", with one pass in front, or none for all passes;
training steps "lenet batch 256" or "text-tiny batch 64 ragged", then sam or msam 8;
BLAS routines "gemv 1024, trsm 512";
decompositions "LU 1000, Eigen 500"`)
	names := flags.String("peers", "", "peers to measure beside ours, separated by commas; by default all that are installed: "+everyPeer())
	flags.IntVar(&opt.workers, "workers", 1, "cores to compute on")
	flags.StringVar(&opt.dtype, "dtype", protocol.Float32, "element type, "+protocol.Float32+" or "+protocol.Float64+"; decompositions are in "+protocol.Float64)
	flags.StringVar(&opt.entry, "entry", protocol.EntryMatMul, "function of ours to call for products: matmul is MatMul, blas is Sgemm or Dgemm")
	flags.IntVar(&opt.rounds, "rounds", 10, "rounds; each round measures each peer once")
	limit := flags.Int("limit", 0, "seconds for a row of steps or decompositions; once they are over and the row has three rounds, it ends; 0 is the suite's own limit, which is 15 for sam, small and gonum, 40 for text, and none for others")
	budget := flags.Int("budget", 100, "milliseconds for one measurement")
	flags.BoolVar(&opt.markdown, "markdown", false, "print the table as Markdown")
	flags.StringVar(&opt.json, "json", "", "file to write all figures to")
	plot := flags.String("plot", "", "file, .png or .svg, for a chart of the time of mSAM relative to SAM, ours and PyTorch's")
	if err := flags.Parse(args); err != nil {
		return opt, err
	}
	opt.budget, opt.limit = time.Duration(*budget)*time.Millisecond, time.Duration(*limit)*time.Second
	switch {
	case flags.NArg() > 0:
		return opt, fmt.Errorf("unexpected argument %q: all arguments are flags", flags.Arg(0))
	case opt.entry != protocol.EntryMatMul && opt.entry != protocol.EntryBLAS:
		return opt, fmt.Errorf("--entry: there is no %q, only %s and %s", opt.entry, protocol.EntryMatMul, protocol.EntryBLAS)
	case opt.rounds < 1:
		return opt, fmt.Errorf("--rounds %d, want at least 1", opt.rounds)
	case opt.limit < 0:
		return opt, fmt.Errorf("--limit %d, want seconds, or 0 for the suite's own", *limit)
	}
	if opt.suites, err = chooseSuites(*suiteName, *shapes); err != nil {
		return opt, err
	}
	if opt.kind = opt.suites[0].work[0].Kind(); opt.kind == protocol.KindRoutines || opt.kind == protocol.KindDecompositions {
		opt.entry = protocol.EntryBLAS
	}
	if opt.kind == protocol.KindDecompositions && !isSet(flags, "dtype") {
		opt.dtype = protocol.Float64
	}
	for _, s := range opt.suites {
		for _, work := range s.work {
			if err := opt.job(work).Validate(); err != nil {
				return opt, err
			}
		}
	}
	flags.Visit(func(f *flag.Flag) {
		switch {
		case f.Name == "entry" && opt.kind != protocol.KindProducts:
			err = fmt.Errorf("--entry is for products, not for %s", opt.kind)
		case f.Name == "workers" && opt.kind == protocol.KindSteps:
			err = errors.New("--workers: steps are always measured on one worker and on two")
		case f.Name == "limit" && opt.kind != protocol.KindSteps && opt.kind != protocol.KindDecompositions:
			err = fmt.Errorf("--limit is for steps and decompositions, not for %s", opt.kind)
		}
	})
	if err != nil {
		return opt, err
	}
	opt.strict = *names != ""
	if opt.peers, err = choosePeers(*names, opt); err != nil || *plot == "" {
		return opt, err
	}
	if !opt.drawable() {
		return opt, errors.New("--plot draws the time of mSAM relative to SAM: it needs --suite sam, or steps of both methods in --shapes")
	}
	opt.plot, err = chart.Create(*plot)
	return opt, err
}

// isSet says whether a flag was given.
func isSet(flags *flag.FlagSet, name string) (given bool) {
	flags.Visit(func(f *flag.Flag) { given = given || f.Name == name })
	return given
}

// any says whether some of the work satisfies such.
func (o options) any(such func(protocol.Work) bool) bool {
	return slices.ContainsFunc(o.suites, func(s suite) bool { return slices.ContainsFunc(s.work, such) })
}

func (o options) job(w protocol.Work) protocol.Job {
	return protocol.Job{Dtype: o.dtype, Work: w, Workers: o.workers, Budget: o.budget}
}

// run measures and prints. When ctx is done, it prints the rows that are complete.
func run(ctx context.Context, opt options, stdout, stderr io.Writer) error {
	dir, err := os.MkdirTemp("", "peers")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if opt.plot != nil {
		defer opt.plot.Discard()
	}
	processes, leftOut, err := startAll(ctx, opt, dir, stderr)
	if err != nil {
		return err
	}
	defer func() {
		for _, p := range processes {
			p.close()
		}
	}()

	report := newReport(opt, processes)
	report.LeftOut = leftOut
	err = report.measure(ctx, opt, processes, dir, stderr)
	if len(report.Rows) == 0 {
		return err
	}
	report.end()
	if opt.json != "" {
		err = errors.Join(err, writeJSON(opt.json, report))
	}
	if opt.plot != nil && err == nil {
		err = opt.plot.Draw(report.costs())
	}
	if _, printErr := io.WriteString(stdout, report.render(opt.markdown)); printErr != nil {
		err = errors.Join(err, printErr)
	}
	if wrong := report.wrong(); len(wrong) > 0 {
		err = errors.Join(err, fmt.Errorf("%d failed: %s", len(wrong), strings.Join(wrong, "; ")))
	}
	return err
}

func writeJSON(file string, report *Report) error {
	data, err := json.MarshalIndent(report, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(data, '\n'), 0o644)
}

// choosePeers returns the named peers and ours, or all peers that have something to do.
func choosePeers(names string, opt options) (chosen []peer, err error) {
	peers := peersOf[opt.kind]
	if names == "" {
		for _, p := range peers {
			if p.when == nil || p.when(opt) {
				chosen = append(chosen, p)
			}
		}
		return chosen, nil
	}
	wanted := mustBe(opt.kind)
	for name := range strings.SplitSeq(names, ",") {
		wanted = append(wanted, strings.TrimSpace(name))
	}
	for _, name := range wanted {
		i := slices.IndexFunc(peers, func(p peer) bool { return p.name == name })
		if i < 0 {
			return nil, fmt.Errorf("--peers: there is no %q, only %s", name, strings.Join(peerNames(peers), ", "))
		}
		if !slices.ContainsFunc(chosen, func(p peer) bool { return p.name == name }) {
			chosen = append(chosen, peers[i])
		}
	}
	return chosen, nil
}
