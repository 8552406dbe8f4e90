package agree

import (
	"errors"
	"fmt"
)

// Fact is something that must be the same on all ranks.
type Fact struct {
	Name  string `json:"name"` // in the words of the user, such as --batch
	Value string `json:"value"`
}

// Facts returns an error on all ranks unless all have the same facts. The error names the first
// rank that differs from rank 0, and in what. mine is an error that this rank has so far; if any
// rank has one, it is returned as by Error.
func Facts(c Communicator, mine error, facts []Fact, kinds ...Kind) error {
	if c == nil || c.Size() == 1 {
		return mine
	}
	all, err := meet(c, mine, message{Facts: facts}, kinds)
	if err != nil {
		return err
	}
	if err := decide(c, mine, all, kinds); err != nil {
		return err
	}
	for rank, m := range all[1:] {
		if text := differ(all[0].Facts, m.Facts, rank+1); text != "" {
			return &Failure{-1, errors.New(text)}
		}
	}
	return nil
}

// differ says in what a rank differs from rank 0; "" if it doesn't.
func differ(zero, other []Fact, rank int) string {
	values := map[string]string{}
	for _, f := range other {
		values[f.Name] = f.Value
	}
	for _, f := range zero {
		value, there := values[f.Name]
		delete(values, f.Name)
		switch {
		case !there:
			return fmt.Sprintf("rank %d has nothing for %s, and rank 0 %s", rank, f.Name, f.Value)
		case value != f.Value:
			return fmt.Sprintf("the ranks differ in %s: rank %d has %s, and rank 0 %s", f.Name, rank, value, f.Value)
		}
	}
	for _, f := range other {
		if value, there := values[f.Name]; there {
			return fmt.Sprintf("rank %d has %s for %s, and rank 0 nothing", rank, value, f.Name)
		}
	}
	return ""
}
