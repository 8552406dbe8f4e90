package study

import "github.com/steppe-ml/steppe/sam/train"

// Campaign is the result of several studies: of `steppe study`. Its JSON is a contract: renaming or
// dropping a field takes a new version.
type Campaign struct {
	Version int    `json:"version"`
	Name    string `json:"name"`            // of the preset or the file
	Title   string `json:"title"`           // one line, for people
	About   string `json:"about,omitempty"` // what the study asks: paragraphs of plain text
	Machine string `json:"machine"`         // processor, instruction set and workers, in words
	Done    int    `json:"done"`            // runs that are finished, of all parts
	Runs    int    `json:"runs"`            // runs of all parts; grows while grids of rho are extended
	Tests   int    `json:"tests"`           // paired tests of all parts, levels and budgets
	Parts   []Part `json:"parts"`
}

// Part is one study of a campaign: a data set and a model.
type Part struct {
	Name   string  `json:"name"`  // unique, and the name of its folder
	Title  string  `json:"title"` // as in "lenet on mnist"
	Done   int     `json:"done"`  // runs
	Runs   int     `json:"runs"`
	Chance float64 `json:"chance"` // the accuracy at or below which a run counts as collapsed
	// Summary has the results so far; nil before some method has finished a seed.
	Summary *Summary `json:"summary,omitempty"`
}

// Complete reports whether all runs are done.
func (c *Campaign) Complete() bool { return c.Done == c.Runs }

// Named is a study with its store, and what people call it.
type Named struct {
	Name, Title string
	Work
}

// Summarize returns the results of several studies so far. The caller fills in what is about all of
// them: Name, Title, About and Machine.
func Summarize(parts []Named) *Campaign {
	c := &Campaign{Version: 1}
	for _, n := range parts {
		p := Part{Name: n.Name, Title: n.Title, Chance: train.Chance(n.Test), Summary: n.Summary(n.Store)}
		p.Done, p.Runs, _ = n.survey(n.Store)
		c.Done, c.Runs = c.Done+p.Done, c.Runs+p.Runs
		if p.Summary != nil {
			for _, level := range p.Summary.Levels {
				c.Tests += level.Tests + level.EqualTimeTests
			}
		}
		c.Parts = append(c.Parts, p)
	}
	return c
}
