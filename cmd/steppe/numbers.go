package main

import (
	"fmt"
	"strconv"
	"strings"
)

// numbers is a flag's list of numbers, with commas between. pflag's own shows its
// default with six decimals each.
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
			return fmt.Errorf("%q is no number", part)
		}
		*n = append(*n, x)
	}
	return nil
}

func (n *numbers) Type() string { return "numbers" }
