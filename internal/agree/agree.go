// Package agree lets the ranks of a job come to the same end: an error that one of them has ends
// all, and all know whose it is and what it says.
//
// Wherever ranks meet, they meet by a message each, and a rank with an error sends it in place of
// what it would have sent. So a rank that fails anywhere can send its error at once: the others
// get it where they meet next, wherever that is.
package agree

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
)

// Communicator is the part of sam.Communicator that agreement takes.
type Communicator interface {
	Rank() int
	Size() int
	Gather(x []byte) ([][]byte, error)
}

// Failure is an error that all ranks have by now. A rank that has one needn't tell the others.
type Failure struct {
	Rank int // whose error it is; -1 if all ranks have it
	Err  error
}

// Error implements error.
func (f *Failure) Error() string {
	if f.Rank < 0 {
		return f.Err.Error()
	}
	return fmt.Sprintf("rank %d: %v", f.Rank, f.Err)
}

// Unwrap returns Err. On other ranks than the failing one, it is the error's text and its kind.
func (f *Failure) Unwrap() error { return f.Err }

// Known reports whether all ranks know an error.
func Known(err error) bool { return errors.As(err, new(*Failure)) }

// Keep returns an error that says in other words what another did. If all ranks know that one, they
// know this one, too.
func Keep(was, now error) error {
	failure := new(Failure)
	if errors.As(was, &failure) && !Known(now) {
		return &Failure{failure.Rank, now}
	}
	return now
}

// Lost is the error of a communicator. Ranks that can't communicate can't agree.
type Lost struct{ Err error }

// Error implements error.
func (l *Lost) Error() string { return l.Err.Error() }

// Unwrap returns Err.
func (l *Lost) Unwrap() error { return l.Err }

// Kind is a kind of errors that other ranks get as such, and not as a text alone. They give way to
// an error that is of none.
type Kind struct {
	Name string
	Text func(err error) (text string, is bool)
	New  func(text string) error
}

// Like returns the kind of the errors that are a cause.
func Like(name string, cause error) Kind {
	return Kind{
		Name: name,
		Text: func(err error) (string, bool) { return err.Error(), errors.Is(err, cause) },
		New:  func(text string) error { return &foreign{text, cause} },
	}
}

// ends are the kinds that all agreements know.
var ends = []Kind{Like("canceled", context.Canceled), Like("deadline", context.DeadlineExceeded)}

// foreign is another rank's error.
type foreign struct {
	text string
	kind error
}

func (f *foreign) Error() string { return f.text }
func (f *foreign) Unwrap() error { return f.kind }

// message is what a rank says where ranks meet.
type message struct {
	Error *string `json:"error,omitempty"`
	Kind  string  `json:"kind,omitempty"`
	Known bool    `json:"known,omitempty"` // the error says itself whose it is
	Facts []Fact  `json:"facts,omitempty"`
	Value []byte  `json:"value,omitempty"`
}

// Error returns the error of the first rank that has one, and nil if none has: on all ranks alike.
// The error of a rank that has it lies within, so errors.Is and errors.As find it there. An error
// of the communicator is a Lost. A nil communicator is one rank, and returns mine.
func Error(c Communicator, mine error, kinds ...Kind) error {
	if c == nil || c.Size() == 1 {
		return mine
	}
	all, err := meet(c, mine, message{}, kinds)
	if err != nil {
		return err
	}
	return decide(c, mine, all, kinds)
}

// Tell returns what each rank has told, by rank. mine is an error that this rank has so far; if any
// rank has one, it is returned as by Error.
func Tell(c Communicator, mine error, value []byte, kinds ...Kind) ([][]byte, error) {
	if c == nil || c.Size() == 1 {
		return [][]byte{value}, mine
	}
	all, err := meet(c, mine, message{Value: value}, kinds)
	if err == nil {
		err = decide(c, mine, all, kinds)
	}
	if err != nil {
		return nil, err
	}
	var values [][]byte
	for _, m := range all {
		values = append(values, m.Value)
	}
	return values, nil
}

// meet sends this rank's message, or its error, and returns those of all.
func meet(c Communicator, mine error, m message, kinds []Kind) ([]message, error) {
	if mine != nil {
		text := mine.Error()
		m = message{Error: &text, Known: Known(mine)}
		for _, k := range append(kinds, ends...) {
			if text, is := k.Text(mine); is {
				m.Kind, m.Error = k.Name, &text
				break
			}
		}
	}
	text, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	parts, err := c.Gather(text)
	if err != nil {
		return nil, &Lost{errors.Join(mine, err)}
	}
	all := make([]message, len(parts))
	for rank, part := range parts {
		if err := json.Unmarshal(part, &all[rank]); err != nil {
			return nil, &Lost{fmt.Errorf("rank %d sent what this program doesn't understand, as another version would: %w", rank, err)}
		}
	}
	return all, nil
}

// decide returns the error that all ranks end with.
func decide(c Communicator, mine error, all []message, kinds []Kind) error {
	first, same := -1, true
	for rank, m := range all {
		if m.Error == nil {
			continue
		}
		if first < 0 || m.Kind == "" && all[first].Kind != "" {
			first = rank
		}
	}
	if first < 0 {
		return nil
	}
	chosen := all[first]
	for _, m := range all {
		same = same && m.Error != nil && *m.Error == *chosen.Error
	}
	var err error
	switch {
	case mine != nil && (same || first == c.Rank()):
		if Known(mine) {
			return mine
		}
		err = mine
	default:
		err = errors.New(*chosen.Error)
		for _, k := range append(kinds, ends...) {
			if k.Name == chosen.Kind {
				err = k.New(*chosen.Error)
			}
		}
	}
	if same || chosen.Known {
		first = -1
	}
	return &Failure{first, err}
}
