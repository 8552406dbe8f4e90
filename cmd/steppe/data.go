package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/dataset/catalog"
)

func newData() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "data",
		Short: "List, fetch, check and look at data sets",
		Long: `List, fetch, check and look at data sets.

Data sets that have names are kept in the folder steppe of the user's cache, or
in the folder that ` + dataset.CacheEnv + ` names. Once one is there, --data takes its
name. A name means a folder of the working directory if the data set isn't in
the cache, and ./NAME means that folder always.`,
		Example: `  steppe data list            # the data sets that have names
  steppe data get digits      # put one into the cache folder
  steppe data show digits     # its classes, and some of its samples`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q, want %s list, get, check or show", args[0], cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newDataList(), newDataGet(), newDataCheck(), newDataShow(), newDataUnpack())
	return cmd
}

// namedSet is a data set of the catalog for --json.
type namedSet struct {
	Name          string            `json:"name"`
	About         string            `json:"about"`
	License       string            `json:"license"`
	Citation      string            `json:"citation"`
	Homepage      string            `json:"homepage"`
	BuiltIn       bool              `json:"built_in"`
	Cached        bool              `json:"cached"`
	Bytes         int64             `json:"bytes"`
	DownloadBytes int64             `json:"download_bytes"`
	Files         []catalog.File    `json:"files,omitempty"`
	Downloads     []catalog.Package `json:"downloads,omitempty"`
}

func newDataList() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "list",
		Short: "List the data sets that have names",
		Long: `List the data sets that have names: whether they are in the cache folder, what
fetching them takes, and what they are. With --json also their files with their
SHA-256, where they come from, their licenses and how to cite them.`,
		Example: `  steppe data list
  steppe data list --json`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			out := cmd.OutOrStdout()
			if asJSON {
				var sets []namedSet
				for _, s := range catalog.Sets {
					sets = append(sets, namedSet{
						s.Name, s.About, s.License, s.Citation, s.Homepage, s.BuiltIn(), !s.BuiltIn() && s.Here(""),
						s.Size(), s.PackageSize(), s.Files, s.Packages,
					})
				}
				return writeJSON(out, struct {
					Cache string     `json:"cache"`
					Sets  []namedSet `json:"sets"`
				}{dataset.CacheDir(), sets})
			}
			fmt.Fprintln(out, render([]column{
				{"name", text.AlignLeft, cells(catalog.Sets, func(s catalog.Set) string { return s.Name })},
				{"cached", text.AlignLeft, cells(catalog.Sets, cachedCell)},
				{"download", text.AlignRight, cells(catalog.Sets, downloadCell)},
				{"about", text.AlignLeft, cells(catalog.Sets, func(s catalog.Set) string { return s.About })},
			}, false))
			if !isQuiet(cmd.ErrOrStderr()) {
				fmt.Fprintf(out, "\nThe cache folder is %s. Set %s to have another one.\n", dataset.CacheDir(), dataset.CacheEnv)
			}
			return nil
		},
	}
	addDataJSON(cmd, &asJSON)
	return cmd
}

func cachedCell(s catalog.Set) string {
	switch {
	case s.BuiltIn():
		return "built in"
	case s.Here(""):
		return "yes"
	}
	return "no"
}

func downloadCell(s catalog.Set) string {
	if s.BuiltIn() {
		return ""
	}
	return megabytes(s.PackageSize())
}

// addDataJSON adds --json for one document on stdout.
func addDataJSON(cmd *cobra.Command, asJSON *bool) {
	cmd.Flags().BoolVar(asJSON, "json", false, "print one JSON document instead")
}

// megabytes formats a number of bytes, as those who publish data sets do.
func megabytes(n int64) string { return significant(float64(n)/1e6) + " MB" }

func newDataGet() *cobra.Command {
	var from string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "get NAME...",
		Short: "Put data sets into the cache folder",
		Long: `Put data sets into the cache folder, and check the SHA-256 of their files. What
is there already is checked, and mended if it is damaged.

A download that is interrupted goes on where it stopped. Downloads go through
the proxies that HTTPS_PROXY and NO_PROXY name. --from downloads nothing: it
takes a folder with the files, gzipped or not, or an archive of them (tar.gz,
tar or zip).`,
		Example: `  steppe data get fashion-mnist
  steppe data get mnist cifar10
  steppe data get cifar10 --from ~/Downloads/cifar-10-binary.tar.gz
  steppe data get fashion-mnist --from /usr/share/datasets/fashion-mnist`,
		Args: dataNames(true),
		RunE: func(cmd *cobra.Command, names []string) error {
			if cmd.Flags().Changed("from") && from == "" {
				return errors.New(`--from is "", want a folder, an archive or a file`)
			}
			return getData(cmd.Context(), names, from, asJSON, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().StringVar(&from, "from", "", "take the files from `PATH`: a folder, an archive or a file")
	addDataJSON(cmd, &asJSON)
	return cmd
}

// dataNames returns a check of arguments that are names of data sets, of which at least one may be
// wanted. It says what names there are.
func dataNames(wanted bool) cobra.PositionalArgs {
	return func(cmd *cobra.Command, names []string) error {
		if wanted && len(names) == 0 {
			var known []string
			for _, s := range catalog.Sets {
				known = append(known, s.Name)
			}
			return fmt.Errorf("%s wants a name, one of %s", cmd.CommandPath(), strings.Join(known, ", "))
		}
		for _, name := range names {
			if _, err := catalog.Lookup(name); err != nil {
				return err
			}
		}
		return nil
	}
}

func getData(ctx context.Context, names []string, from string, asJSON bool, stdout, stderr io.Writer) error {
	type got struct {
		Name    string `json:"name"`
		BuiltIn bool   `json:"built_in"`
		Folder  string `json:"folder,omitempty"`
	}
	var sets []got
	for _, name := range names {
		s, err := catalog.Lookup(name)
		if err != nil {
			return err
		}
		live := &downloadProgress{stderr: stderr}
		folder, err := s.Get(ctx, catalog.Options{From: from, Progress: live.show})
		live.clear()
		if errors.Is(err, context.Canceled) && live.last.Done > 0 {
			fmt.Fprintf(stderr, "steppe: %s of %s are kept: steppe data get %s goes on from there\n",
				megabytes(live.last.Done), megabytes(live.last.Total), name)
		}
		if err != nil {
			return err
		}
		sets = append(sets, got{name, s.BuiltIn(), folder})
		switch {
		case asJSON:
		case s.BuiltIn():
			fmt.Fprintf(stdout, "%s is built in, there is nothing to get.\n", name)
		default:
			fmt.Fprintf(stdout, "%s is in %s: %s, %s, with the right SHA-256.\n",
				name, folder, plural(len(s.Files), "file"), megabytes(s.Size()))
		}
	}
	if asJSON {
		return writeJSON(stdout, struct {
			Sets []got `json:"sets"`
		}{sets})
	}
	return nil
}

// downloadProgress shows how far catalog.Set.Get has come.
type downloadProgress struct {
	stderr io.Writer
	live   *progress // nil until there is something to download
	last   catalog.Progress
	said   bool // that another process has to end first
}

func (d *downloadProgress) show(p catalog.Progress) {
	d.last = p
	switch {
	case p.Total > 0 && d.live == nil:
		d.live = newProgress(d.stderr, int(p.Total))
		fallthrough
	case p.Total > 0:
		d.live.setBytes(int(p.Done), p.What)
	case p.Waiting && !d.said && !isQuiet(d.stderr):
		d.said = true
		fmt.Fprintln(d.stderr, p.What)
	}
}

func (d *downloadProgress) clear() {
	if d.live != nil {
		d.live.clear()
	}
}

func newDataCheck() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [NAME...]",
		Short: "Check the files in the cache folder",
		Long: `Compare the files of data sets in the cache folder with their SHA-256, of all
data sets that are there unless names are given. Files that are missing or
damaged are named, and make the exit code 1.`,
		Example: `  steppe data check
  steppe data check mnist`,
		Args: dataNames(false),
		RunE: func(cmd *cobra.Command, names []string) error {
			return checkData(cmd.Context(), names, asJSON, cmd.OutOrStdout())
		},
	}
	addDataJSON(cmd, &asJSON)
	return cmd
}

func checkData(ctx context.Context, names []string, asJSON bool, stdout io.Writer) error {
	type file struct {
		Path  string `json:"path"`
		Error string `json:"error"`
	}
	type checked struct {
		Name    string `json:"name"`
		Whole   bool   `json:"whole"`
		Damaged []file `json:"damaged,omitempty"`
	}
	if len(names) == 0 {
		for _, s := range catalog.Sets {
			if !s.BuiltIn() && s.Here("") {
				names = append(names, s.Name)
			}
		}
	}
	sets := []checked{}
	var damaged []string
	for _, name := range names {
		s, err := catalog.Lookup(name)
		if err != nil {
			return err
		}
		damages, err := s.Check(ctx, "")
		if err != nil {
			return err
		}
		set := checked{Name: name, Whole: len(damages) == 0}
		for _, d := range damages {
			set.Damaged = append(set.Damaged, file{d.Path, d.Err.Error()})
		}
		sets = append(sets, set)
		if !set.Whole {
			damaged = append(damaged, name)
		}
		if asJSON {
			continue
		}
		switch {
		case s.BuiltIn():
			fmt.Fprintf(stdout, "%s: built in\n", name)
		case set.Whole:
			fmt.Fprintf(stdout, "%s: whole, %s of %s\n", name, plural(len(s.Files), "file"), megabytes(s.Size()))
		default:
			fmt.Fprintf(stdout, "%s: %d of %s missing or damaged\n", name, len(damages), plural(len(s.Files), "file"))
			for _, d := range damages {
				fmt.Fprintf(stdout, "  %s: %v\n", filepath.Base(d.Path), d.Err)
			}
		}
	}
	if asJSON {
		if err := writeJSON(stdout, struct {
			Cache string    `json:"cache"`
			Sets  []checked `json:"sets"`
		}{dataset.CacheDir(), sets}); err != nil {
			return err
		}
	} else if len(names) == 0 {
		fmt.Fprintf(stdout, "There is no data set in %s.\n", dataset.CacheDir())
	}
	if len(damaged) > 0 {
		return fmt.Errorf("damaged: %s; steppe data get %s mends that",
			strings.Join(damaged, ", "), strings.Join(damaged, " "))
	}
	return nil
}
