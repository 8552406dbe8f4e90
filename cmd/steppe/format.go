package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"
)

// wrap breaks text into lines of so many columns, without spaces at their ends.
func wrap(s string, columns int) string {
	lines := strings.Split(text.WrapSoft(s, columns), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

// count formats n with commas between thousands.
func count(n int) string {
	digits := strconv.Itoa(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// decimals returns how many decimals three significant digits of x take.
func decimals(x float64) int {
	_, exponent, _ := strings.Cut(strconv.FormatFloat(x, 'e', 2, 64), "e")
	tens, _ := strconv.Atoi(exponent)
	return max(0, 2-tens)
}

// significant formats x to three significant digits.
func significant(x float64) string {
	return strconv.FormatFloat(x, 'f', decimals(x), 64)
}

// rate formats a count per second to three significant digits.
func rate(x float64) string {
	switch {
	case x >= 999.5e3:
		return significant(x/1e6) + "M"
	case x >= 999.5:
		return significant(x/1e3) + "k"
	}
	return significant(x)
}

// memory formats a number of bytes.
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

// plural returns "1 shard", "2 shards".
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return count(n) + " " + noun + "s"
}

// oneLine joins the words of what a CPU calls itself, which may be padded.
func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }
