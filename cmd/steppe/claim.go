package main

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"

	"github.com/dustin/go-humanize/english"

	"github.com/steppe-ml/steppe/internal/stats"
	"github.com/steppe-ml/steppe/sam"
)

// claims says of each sharded method among the rows what it costs, compared with SAM. Each claim is
// true of all the rows. Without SAM there are none.
func claims(rows []Row) (claims []string) {
	for _, ascent := range ascentsIn(rows) {
		for _, method := range sam.Methods {
			if cells := cellsOf(rows, method, ascent); len(cells) > 0 {
				claims = append(claims, claim(method.Title+ascentSuffix(ascent), cells))
			}
		}
	}
	return claims
}

// ascentsIn returns the precisions of the rows' ascents, in order and each once.
func ascentsIn(rows []Row) (ascents []string) {
	for _, row := range rows {
		if !slices.Contains(ascents, row.Ascent) {
			ascents = append(ascents, row.Ascent)
		}
	}
	return ascents
}

// cellsOf returns a method's rows with more than one shard and a precision of the ascent, if they were
// compared with SAM.
func cellsOf(rows []Row, method sam.Method, ascent string) (cells []Row) {
	for _, row := range rows {
		if row.Method == method.Name && row.Ascent == ascent && method.Sharded() && row.Shards > 1 && row.VsSAM != nil {
			cells = append(cells, row)
		}
	}
	return cells
}

// claim says what a method costs at most, or where it costs more than SAM, or may cost more.
func claim(title string, cells []Row) string {
	worst, where := dearest(cells), fmt.Sprintf("in all %d cells", len(cells))
	if len(cells) == 1 {
		where = place(worst, cells)
	}
	var dearer, unsure []Row
	within := true
	for _, c := range cells {
		if c.VsSAMInterval == nil {
			return fmt.Sprintf("%s took at most %.2f of SAM's time %s: too few rounds to say how sure that is.", title, *worst.VsSAM, where)
		}
		within = within && c.VsSAMInterval.High <= 1
		switch in := c.VsSAMInterval; {
		case costsMore(c):
			dearer = append(dearer, c)
		case in.High > 1+tooNoisy:
			unsure = append(unsure, c)
		}
	}
	switch {
	case len(dearer) == 1:
		return fmt.Sprintf("%s costs more than SAM %s: %s.", title, place(dearer[0], cells), withInterval(dearer[0]))
	case len(dearer) > 1:
		worst = dearest(dearer)
		return fmt.Sprintf("%s costs more than SAM in %d of %d cells: up to %s, %s.", title, len(dearer), len(cells), withInterval(worst), place(worst, cells))
	case within:
		return fmt.Sprintf("%s costs at most %s of SAM's price %s.", title, withInterval(worst), where)
	case len(unsure) > 0:
		worst = dearest(unsure)
		return fmt.Sprintf("%s may cost more than SAM in %d of %d cells, whose intervals are too wide to tell: up to %s, %s.",
			title, len(unsure), len(cells), withInterval(worst), place(worst, cells))
	default:
		return fmt.Sprintf("%s costs no more than SAM %s, within the 95%% intervals: at most %s.", title, where, withInterval(worst))
	}
}

// costsMore says whether a row's whole interval is above SAM's cost.
func costsMore(row Row) bool { return row.VsSAMInterval != nil && row.VsSAMInterval.Low > 1 }

// dearest returns the row with the highest cost.
func dearest(rows []Row) Row {
	return slices.MaxFunc(rows, func(a, b Row) int { return cmp.Compare(*a.VsSAM, *b.VsSAM) })
}

// place names a row among others: its shards, and its batch and model where they differ.
func place(row Row, among []Row) string {
	s := fmt.Sprintf("with %s", plural(row.Shards, "shard"))
	if slices.ContainsFunc(among, func(other Row) bool { return other.Batch != row.Batch }) {
		s += fmt.Sprintf(" at batch %d", row.Batch)
	}
	if slices.ContainsFunc(among, func(other Row) bool { return other.Model != row.Model }) {
		s = "on " + row.Model + " " + s
	}
	return s
}

// withInterval formats a row's cost and its interval, which must be there.
func withInterval(row Row) string {
	return fmt.Sprintf("%.2f %s", *row.VsSAM, brackets(*row.VsSAMInterval))
}

func brackets(in stats.Interval) string { return fmt.Sprintf("[%.2f, %.2f]", in.Low, in.High) }

// shardsInWords returns "8 shards", or "8, 16 and 32 shards".
func shardsInWords(shards []int) string {
	if len(shards) == 1 {
		return plural(shards[0], "shard")
	}
	var words []string
	for _, n := range shards {
		words = append(words, strconv.Itoa(n))
	}
	return english.WordSeries(words, "and") + " shards"
}
