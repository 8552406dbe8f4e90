package main

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// numbers is a flag value: numbers separated by commas. pflag's own list prints each default with
// six decimals.
type numbers []float64

func (n *numbers) String() string {
	var list []string
	for _, x := range *n {
		list = append(list, fmt.Sprint(x))
	}
	return strings.Join(list, ",")
}

func (n *numbers) Set(text string) error {
	*n = nil
	for part := range strings.SplitSeq(text, ",") {
		x, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			return fmt.Errorf("%q is not a number", part)
		}
		*n = append(*n, x)
	}
	return nil
}

func (n *numbers) Type() string { return "numbers" }

// seed is a flag value. The errors of pflag's own unsigned numbers are those of strconv.
type seed uint64

func (s *seed) String() string { return strconv.FormatUint(uint64(*s), 10) }

func (s *seed) Set(text string) error {
	x, err := strconv.ParseUint(text, 0, 64)
	if err != nil {
		return fmt.Errorf("want a whole number from 0 to %d", uint64(math.MaxUint64))
	}
	*s = seed(x)
	return nil
}

func (s *seed) Type() string { return "uint" }
