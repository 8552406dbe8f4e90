package report

import (
	"math"
	"strconv"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
)

// number returns a count with commas.
func number(n int) string { return humanize.Comma(int64(n)) }

// count returns a number of things, of which there may be one.
func count(n int, thing string) string { return english.Plural(n, thing, "") }

// share returns a part of a total in percent; a dash of nothing.
func share(part, total int) string {
	if total == 0 {
		return percent(math.NaN(), 0)
	}
	return percent(float64(part)/float64(total), decimals(total))
}

// decimals returns how many decimals of a percentage so many samples justify.
func decimals(samples int) int {
	if samples < 1000 {
		return 1
	}
	return 2
}

// percent returns a fraction in percent with so many decimals; a dash for NaN. It never rounds some
// to none, or most to all.
func percent(fraction float64, decimals int) string {
	format := func(v float64) string { return strconv.FormatFloat(v, 'f', decimals, 64) }
	text, least := format(100*fraction), math.Pow(10, -float64(decimals))
	switch {
	case math.IsNaN(fraction):
		return "–"
	case fraction < 1 && text == format(100):
		return ">" + format(100-least) + "%"
	case fraction > 0 && text == format(0):
		return "<" + format(least) + "%"
	}
	return text + "%"
}

// value returns a number to four significant digits, with an exponent only if it is very small or
// large.
func value(v float64) string {
	text := strconv.FormatFloat(v, 'g', 4, 64)
	if size := math.Abs(v); size >= 1e-5 && size < 1e15 {
		rounded, err := strconv.ParseFloat(text, 64)
		if err == nil {
			return strconv.FormatFloat(rounded, 'f', -1, 64)
		}
	}
	return text
}

// wilson returns the 95% interval of a probability, after so many successes: Wilson, "Probable
// inference, the law of succession, and statistical inference" (1927).
func wilson(successes, trials int) (low, high float64) {
	const z = 1.959964
	n := float64(trials)
	p := float64(successes) / n
	middle := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt(p*(1-p)/n+z*z/(4*n*n))
	return max(0, middle-half), min(1, middle+half)
}

// list joins texts with commas, and the last one with "and".
func list(texts []string) string { return english.WordSeries(texts, "and") }

// label returns a name as short as the axis of a chart needs it.
func label(name string) string {
	const longest = 36 // characters
	if runes := []rune(name); len(runes) > longest {
		return string(runes[:longest-1]) + ellipsis
	}
	return name
}
