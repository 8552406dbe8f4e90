package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/steppe-ml/steppe/sam"
)

// printSummary prints, of each model that was measured with several batch sizes, a matrix of what
// each sharded method costs by batch and shards, and below the matrices what all of them say.
func (b *bench) printSummary(w io.Writer) {
	var summed []Row
	for _, model := range b.models {
		rows := slices.DeleteFunc(slices.Clone(b.report.Rows), func(r Row) bool { return r.Model != model })
		if len(batchesIn(rows)) < 2 {
			continue
		}
		for _, ascent := range ascentsIn(rows) {
			for _, method := range sam.Methods {
				if cells := cellsOf(rows, method, ascent); len(cells) > 0 {
					b.printMatrix(w, method, cells)
					summed = append(summed, cells...)
				}
			}
		}
	}
	if len(summed) == 0 {
		return
	}
	fmt.Fprintln(w)
	for _, claim := range claims(summed) {
		fmt.Fprintln(w, wrap(claim, textWidth))
	}
	if slices.ContainsFunc(summed, costsMore) {
		fmt.Fprintln(w, "* costs more than SAM: the whole 95% interval is above 1.")
	}
	if n := b.report.noisy(); n > 0 {
		fmt.Fprintf(w, "Too noisy: %d of %s, as the lines under them say.\n", n, plural(len(b.report.Controls), "table"))
	}
}

// printMatrix prints the cost of a method on a model, with a row for each batch and a column for
// each number of shards.
func (b *bench) printMatrix(w io.Writer, method sam.Method, rows []Row) {
	title := fmt.Sprintf("%s on %s, %s: time of a step over SAM's, by batch and shards",
		rows[0].Model, rows[0].Data, method.Title+ascentSuffix(rows[0].Ascent))
	if b.markdown {
		title = "**" + title + "**"
	}
	fmt.Fprintf(w, "\n%s\n\n%s\n", title, render(matrix(rows), b.markdown))
}

// matrix returns the rows' costs, with a row for each batch and a column for each number of shards,
// both ascending. The cell of shards that don't fit the batch has a dash.
func matrix(rows []Row) []column {
	batches := batchesIn(rows)
	columns := []column{{"batch", text.AlignRight, cells(batches, strconv.Itoa)}}
	for _, shards := range distinctSorted(rows, func(r Row) int { return r.Shards }) {
		columns = append(columns, column{strconv.Itoa(shards), text.AlignLeft, cells(batches, func(batch int) string {
			i := slices.IndexFunc(rows, func(r Row) bool { return r.Batch == batch && r.Shards == shards })
			if i < 0 {
				return "-"
			}
			return fmt.Sprintf("%.2f%s", *rows[i].VsSAM, map[bool]string{true: "*"}[costsMore(rows[i])])
		})})
	}
	return columns
}

func batchesIn(rows []Row) []int { return distinctSorted(rows, func(r Row) int { return r.Batch }) }

// distinctSorted returns a number of each row, ascending and each once.
func distinctSorted(rows []Row, number func(Row) int) []int {
	var numbers []int
	for _, row := range rows {
		numbers = append(numbers, number(row))
	}
	slices.Sort(numbers)
	return slices.Compact(numbers)
}
