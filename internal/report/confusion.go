package report

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"

	"github.com/steppe-ml/steppe/internal/chart"
)

// Confusion is which classes were taken for which.
type Confusion struct {
	Title  string   // of the chart; "" for none
	Names  []string // of the classes; nil for their numbers, as is "" for that of one
	Counts [][]int  // samples by class and predicted class, as of train.Confusion
}

// Chart returns the confusion as a chart.
func (c Confusion) Chart() chart.Matrix {
	m := chart.Matrix{Title: c.Title, X: "predicted", Y: "true", Counts: c.Counts, Names: make([]string, len(c.Counts))}
	for i := range m.Names {
		m.Names[i] = c.name(i)
	}
	right, total := c.right()
	m.Note = fmt.Sprintf("%s of %s right (%s). Shares are of a row.", number(right), count(total, "sample"), share(right, total))
	return m
}

// Save draws the confusion into a file, which appears whole or not at all. The extension of the
// path chooses the format: .png or .svg.
func (c Confusion) Save(path string) error {
	if err := c.validate(); err != nil {
		return err
	}
	return c.Chart().Save(path)
}

func (c Confusion) validate() error {
	if c.Names != nil && len(c.Names) != len(c.Counts) {
		return fmt.Errorf("report: %d names of classes for a confusion of %d", len(c.Names), len(c.Counts))
	}
	for class, row := range c.Counts {
		if len(row) != len(c.Counts) {
			return fmt.Errorf("report: class %d is confused with %d classes, want %d", class, len(row), len(c.Counts))
		}
	}
	return nil
}

// name returns the name of a class.
func (c Confusion) name(class int) string {
	if c.Names == nil || c.Names[class] == "" {
		return strconv.Itoa(class)
	}
	return c.Names[class]
}

// right counts the samples on the diagonal, and all.
func (c Confusion) right() (right, total int) {
	for class, row := range c.Counts {
		right += row[class]
		for _, n := range row {
			total += n
		}
	}
	return right, total
}

// cells counts the entries that aren't 0.
func (c Confusion) cells() int {
	cells := 0
	for _, row := range c.Counts {
		for _, n := range row {
			if n > 0 {
				cells++
			}
		}
	}
	return cells
}

// class is how one class was predicted.
type class struct {
	Name              string
	Precision, Recall string // dashes without samples
	Samples           string

	recall float64 // NaN without samples
}

// classes returns how each class was predicted.
func (c Confusion) classes() []class {
	predicted := make([]int, len(c.Counts))
	for _, row := range c.Counts {
		for column, n := range row {
			predicted[column] += n
		}
	}
	classes := make([]class, len(c.Counts))
	for i, row := range c.Counts {
		samples := 0
		for _, n := range row {
			samples += n
		}
		classes[i] = class{
			Name: c.name(i), Samples: number(samples), recall: float64(row[i]) / float64(samples),
			Precision: percent(float64(row[i])/float64(predicted[i]), 1),
		}
		classes[i].Recall = percent(classes[i].recall, 1)
	}
	return classes
}

// hardest returns the classes with the lowest recall, n at the most. Classes without samples aren't
// among them.
func hardest(classes []class, n int) []class {
	all := slices.DeleteFunc(slices.Clone(classes), func(c class) bool { return math.IsNaN(c.recall) })
	slices.SortStableFunc(all, func(a, b class) int { return cmp.Compare(a.recall, b.recall) })
	return all[:min(n, len(all))]
}

// mixup is how often a class was taken for another.
type mixup struct {
	True, Predicted string
	Count, Of       string // samples, of those of the class

	count int
}

// mixups returns the most frequent mistakes, n at the most. Of equal ones, the first classes come
// first.
func (c Confusion) mixups(n int) []mixup {
	var all []mixup
	for i, row := range c.Counts {
		samples := 0
		for _, count := range row {
			samples += count
		}
		for j, count := range row {
			if i != j && count > 0 {
				all = append(all, mixup{c.name(i), c.name(j), number(count), number(samples), count})
			}
		}
	}
	slices.SortStableFunc(all, func(a, b mixup) int { return b.count - a.count })
	return all[:min(n, len(all))]
}
