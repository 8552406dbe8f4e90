package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/dustin/go-humanize/english"
	"github.com/jedib0t/go-pretty/v6/text"
)

// wrap breaks text into lines of at most the given number of columns, without trailing spaces.
func wrap(s string, columns int) string {
	lines := strings.Split(text.WrapSoft(s, columns), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// count formats n with commas between thousands.
func count(n int) string { return humanize.Comma(int64(n)) }

// plural returns "1 shard" or "1,024 shards".
func plural(n int, noun string) string { return english.Plural(n, noun, "") }

// list joins numbers by commas, as flags take them.
func list(numbers []int) string {
	var texts []string
	for _, n := range numbers {
		texts = append(texts, strconv.Itoa(n))
	}
	return strings.Join(texts, ",")
}

// decimals returns the number of decimals that x needs for three significant digits.
func decimals(x float64) int {
	_, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', 2, 64), "e")
	tens, _ := strconv.Atoi(exponent)
	return max(0, 2-tens)
}

// significant formats x to three significant digits.
func significant(x float64) string {
	return strconv.FormatFloat(x, 'f', decimals(x), 64)
}

// rate formats a count per second to three significant digits. It picks the unit after rounding,
// so 999.9 is 1.00k; humanize.SI picks it before.
func rate(x float64) string {
	switch {
	case x >= 999.5e3:
		return significant(x/1e6) + "M"
	case x >= 999.5:
		return significant(x/1e3) + "k"
	}
	return significant(x)
}

// memory formats a number of bytes to three significant digits, and whole numbers of a unit
// without decimals, as the sizes of caches are written: humanize.IBytesN makes 32.0 KiB of 32 KiB.
func memory(n int) string {
	const units = "KMGTPE"
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	size, unit := float64(n)/(1<<10), 0
	for size >= 1023.5 && unit < len(units)-1 {
		size, unit = size/(1<<10), unit+1
	}
	number := significant(size)
	if size == math.Trunc(size) {
		number = strconv.Itoa(int(size))
	}
	return fmt.Sprintf("%s %ciB", number, units[unit])
}

// oneLine returns the words of s with single spaces between them: CPUs pad their names.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
