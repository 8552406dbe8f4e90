package agree_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/ranks"
)

var errDisk = errors.New("the disk is full")

// polite is a kind of errors.
type polite struct{ text string }

func (p *polite) Error() string { return "please: " + p.text }

var politeness = agree.Kind{
	Name: "polite",
	Text: func(err error) (string, bool) {
		p := new(polite)
		if errors.As(err, &p) {
			return p.text, true
		}
		return "", false
	},
	New: func(text string) error { return &polite{text} },
}

// onRanks returns the errors of ranks that each begin with one.
func onRanks(t *testing.T, mine []error, call func(c agree.Communicator, mine error) error) []error {
	t.Helper()
	ended := make([]error, len(mine))
	require.NoError(t, ranks.Run(len(mine), func(r *ranks.Rank) error {
		ended[r.Rank()] = call(r, mine[r.Rank()])
		return nil
	}))
	return ended
}

func TestError(t *testing.T) {
	canceled := fmt.Errorf("ended in epoch 3: %w", context.Canceled)
	known := &agree.Failure{Rank: 2, Err: errDisk}
	for name, test := range map[string]struct {
		mine []error
		want string // "" for none
		is   error  // on all ranks
	}{
		"none":                    {[]error{nil, nil, nil}, "", nil},
		"one":                     {[]error{nil, errDisk, nil}, "rank 1: the disk is full", nil},
		"the first of two":        {[]error{nil, errDisk, errors.New("another")}, "rank 1: the disk is full", nil},
		"all alike":               {[]error{errDisk, errors.New("the disk is full"), errDisk}, "the disk is full", nil},
		"kind":                    {[]error{nil, nil, canceled}, "rank 2: ended in epoch 3: context canceled", context.Canceled},
		"kinds give way":          {[]error{canceled, &polite{"stop"}, errDisk}, "rank 2: the disk is full", nil},
		"own kind":                {[]error{nil, &polite{"stop"}}, "rank 1: please: stop", nil},
		"own kinds, all":          {[]error{&polite{"stop"}, &polite{"stop"}}, "please: stop", nil},
		"deadline":                {[]error{context.DeadlineExceeded, nil}, "rank 0: context deadline exceeded", context.DeadlineExceeded},
		"known already":           {[]error{fmt.Errorf("%w; try again", known), known, known}, "rank 2: the disk is full; try again", nil},
		"known already, and more": {[]error{known, nil}, "rank 2: the disk is full", nil},
	} {
		t.Run(name, func(t *testing.T) {
			ended := onRanks(t, test.mine, func(c agree.Communicator, mine error) error { return agree.Error(c, mine, politeness) })
			for rank, err := range ended {
				if test.want == "" {
					assert.NoError(t, err)
					continue
				}
				require.EqualError(t, err, test.want, "rank %d", rank)
				assert.True(t, agree.Known(err))
				if test.is != nil {
					assert.ErrorIs(t, err, test.is, "rank %d", rank)
				}
				if strings.Contains(test.want, "please") {
					assert.ErrorAs(t, err, new(*polite), "rank %d", rank)
				}
			}
		})
	}
}

func TestKeep(t *testing.T) {
	other := errors.New("--out is full")
	assert.Equal(t, other, agree.Keep(errDisk, other))
	kept := agree.Keep(fmt.Errorf("train: %w", &agree.Failure{Rank: 1, Err: errDisk}), other)
	assert.EqualError(t, kept, "rank 1: --out is full")
	assert.True(t, agree.Known(kept))
	assert.Equal(t, kept, agree.Keep(kept, kept))
}

func TestErrorOfOneRank(t *testing.T) {
	assert.NoError(t, agree.Error(nil, nil))
	assert.Equal(t, errDisk, agree.Error(nil, errDisk))
	assert.False(t, agree.Known(errDisk))
	require.NoError(t, ranks.Run(1, func(r *ranks.Rank) error {
		assert.Equal(t, errDisk, agree.Error(r, errDisk))
		assert.Equal(t, errDisk, agree.Facts(r, errDisk, nil))
		return nil
	}))
}

func TestFacts(t *testing.T) {
	facts := func(values ...string) (list []agree.Fact) {
		for i := 0; i < len(values); i += 2 {
			list = append(list, agree.Fact{Name: values[i], Value: values[i+1]})
		}
		return list
	}
	zero := facts("--batch", "64", "the version", "1.0")
	for name, test := range map[string]struct {
		other []agree.Fact
		want  string
	}{
		"same":      {facts("the version", "1.0", "--batch", "64"), ""},
		"different": {facts("--batch", "128", "the version", "2.0"), "the ranks differ in --batch: rank 2 has 128, and rank 0 64"},
		"less":      {facts("--batch", "64"), "rank 2 has nothing for the version, and rank 0 1.0"},
		"more":      {append(facts("--rho", "0.1"), zero...), "rank 2 has 0.1 for --rho, and rank 0 nothing"},
	} {
		t.Run(name, func(t *testing.T) {
			ended := onRanks(t, make([]error, 3), func(c agree.Communicator, mine error) error {
				if c.Rank() == 2 {
					return agree.Facts(c, mine, test.other)
				}
				return agree.Facts(c, mine, zero)
			})
			for _, err := range ended {
				if test.want == "" {
					assert.NoError(t, err)
				} else {
					assert.EqualError(t, err, test.want)
				}
			}
		})
	}
}

// A rank with an error tells it at once. The others get it where they meet next, by Facts or Error.
func TestErrorElsewhere(t *testing.T) {
	ended := onRanks(t, []error{nil, errDisk, nil}, func(c agree.Communicator, mine error) error {
		if c.Rank() == 1 {
			return agree.Error(c, mine)
		}
		return agree.Facts(c, nil, []agree.Fact{{Name: "--batch", Value: "64"}})
	})
	for _, err := range ended {
		assert.EqualError(t, err, "rank 1: the disk is full")
	}
}

// Ranks that can't communicate can't agree, and keep their errors.
func TestLost(t *testing.T) {
	var ended [2]error
	err := ranks.Run(2, func(r *ranks.Rank) error {
		if r.Rank() == 0 {
			return nil
		}
		ended[1] = agree.Error(r, errDisk)
		return nil
	})
	require.Error(t, err)
	assert.ErrorAs(t, ended[1], new(*agree.Lost))
	assert.ErrorIs(t, ended[1], errDisk)
	assert.False(t, agree.Known(ended[1]))
	ended = [2]error{}
	require.NoError(t, ranks.Run(2, func(r *ranks.Rank) error {
		if r.Rank() == 0 {
			_, err := r.Gather([]byte("hello"))
			return err
		}
		ended[1] = agree.Error(r, nil)
		return nil
	}))
	assert.ErrorContains(t, ended[1], "rank 0 sent what this program doesn't understand, as another version would")
}
