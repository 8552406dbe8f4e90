package train

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/net/optim"
)

// State is all that a run needs to go on, but for what the fields of Run say. Run.State and
// LoadState return one, and ResumeFrom takes it.
type State struct {
	Params    *net.Params
	Best      *net.Params // of the best epoch; nil if none is finished
	Optimizer *optim.State
	Epoch     int // epochs that are finished
	Batch     int // batches of the next epoch that are done
	History   *History

	sums  sums // over the batches of the next epoch that are done
	since sums // over the steps since the log's last row of RowStep
	id    identity
}

// identity is what can't change when a run goes on: it decides which samples a batch has.
type identity struct {
	Seed     uint64 `json:"seed"` // of the data's order
	Samples  int    `json:"samples"`
	Batch    int    `json:"batch"`
	DropLast bool   `json:"drop_last"`
}

// Save writes the state to a file, which appears whole or not at all. model is the run's, and
// meta says how to build it. checkpoint.Load reads the parameters of such a file.
func (s *State) Save(path string, model *net.Model, meta checkpoint.Meta) error {
	epochs, err := appendEpochs(nil, s.History.Epochs)
	if err != nil {
		return err
	}
	return s.save(path, model, meta, epochs)
}

// save is Save with the epochs of the history as appendEpochs makes them.
func (s *State) save(path string, model *net.Model, meta checkpoint.Meta, epochs []byte) error {
	rest := *s.History
	rest.Epochs = nil
	text, err := json.Marshal(kept{s.id, &rest, s.sums, s.since})
	if err != nil {
		return fmt.Errorf("train: history: %w", err)
	}
	return checkpoint.SaveState(path, model, s.Params, meta, &checkpoint.State{
		Rule: s.Optimizer.Rule, Vectors: s.Optimizer.Vectors, Best: s.Best, Step: s.Optimizer.Steps, Epoch: s.Epoch, Batch: s.Batch,
		Progress: text, History: epochs,
	})
}

// appendEpochs appends epochs to text, each in JSON on a line of its own. So a run encodes each of
// its epochs once, and not all of them whenever it saves.
func appendEpochs(text []byte, epochs []Epoch) ([]byte, error) {
	for _, e := range epochs {
		line, err := json.Marshal(e)
		if err != nil {
			return nil, fmt.Errorf("train: history: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	return text, nil
}

// LoadState reads a file that Save, or a run with a Dir, has written for model.
func LoadState(path string, model *net.Model) (*State, error) {
	params, saved, err := checkpoint.LoadState(path, model)
	if err != nil {
		return nil, err
	}
	var k kept
	if err := json.Unmarshal(saved.Progress, &k); err != nil {
		return nil, fmt.Errorf("train: %s: history: %w", path, err)
	}
	if k.History == nil {
		return nil, fmt.Errorf("train: %s has no history of a run", path)
	}
	for line := range bytes.Lines(saved.History) {
		var e Epoch
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("train: %s: history: line %d: %w", path, len(k.History.Epochs)+1, err)
		}
		k.History.Epochs = append(k.History.Epochs, e)
	}
	return &State{
		Params: params, Best: saved.Best, Optimizer: &optim.State{Rule: saved.Rule, Steps: saved.Step, Vectors: saved.Vectors},
		Epoch: saved.Epoch, Batch: saved.Batch, sums: k.Sums, since: k.Since, History: k.History, id: k.Run,
	}, nil
}

// kept is the part of a State that checkpoint doesn't know. The epochs of its history are apart;
// they are in it only in files of v0.1.
type kept struct {
	Run     identity `json:"run"`
	History *History `json:"history"`
	Sums    sums     `json:"sums"`
	Since   sums     `json:"since"`
}

func (l *loop) identity() identity {
	return identity{l.loader.Seed, l.loader.Set.Len(), l.loader.Batch, l.loader.DropLast}
}

// shared returns the loop's state. It shares memory with the loop, but for the optimizer's.
func (l *loop) shared() *State {
	optimizer := l.opt.State()
	return &State{
		Params: l.params, Best: l.history.Best, Optimizer: &optimizer,
		Epoch: l.epoch, Batch: l.batch, sums: l.sums, since: l.since, History: l.history, id: l.identity(),
	}
}

// state returns a copy of the loop's state.
func (l *loop) state() *State {
	s := l.shared()
	s.Params, s.Best, s.History = s.Params.Clone(), cloneBest(s.Best), s.History.clone()
	return s
}

// validate returns an error if a loop can't go on from s.
func (s *State) validate(l *loop) error {
	if s.Optimizer == nil || s.History == nil {
		return errors.New("train: the State has no optimizer or no history")
	}
	if err := l.Model.ValidateParams(s.Params); err != nil {
		return fmt.Errorf("train: State.Params: %w", err)
	}
	if s.Best != nil || s.History.BestEpoch != 0 {
		if err := l.Model.ValidateParams(s.Best); err != nil {
			return fmt.Errorf("train: State.Best: %w", err)
		}
	}
	there, here := s.id, l.identity()
	for _, field := range []struct {
		name        string
		there, here any
	}{
		{"the loader's seed", there.Seed, here.Seed},
		{"the number of training samples", there.Samples, here.Samples},
		{"the batch size", there.Batch, here.Batch},
		{"DropLast", there.DropLast, here.DropLast},
	} {
		if field.there != field.here {
			return fmt.Errorf("train: the State is of another run: %s is %v there, and %v here", field.name, field.there, field.here)
		}
	}
	switch batches := l.loader.Batches(); {
	case s.Epoch < 0 || s.Epoch != len(s.History.Epochs):
		return fmt.Errorf("train: the State has %d epochs finished, and a history of %d", s.Epoch, len(s.History.Epochs))
	case s.Batch < 0 || s.Batch > batches:
		return fmt.Errorf("train: the State has %d batches of an epoch done, want 0 to %d", s.Batch, batches)
	case s.History.BestEpoch < 0 || s.History.BestEpoch > s.Epoch:
		return fmt.Errorf("train: the State's best epoch is %d of %d", s.History.BestEpoch, s.Epoch)
	}
	return nil
}

// restore copies a valid state, but for its parameters, into a new loop.
func (l *loop) restore(s *State) error {
	if err := l.opt.Restore(*s.Optimizer); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	l.history = s.History.clone()
	l.history.Best = cloneBest(s.Best)
	l.epoch, l.batch, l.sums, l.since = s.Epoch, s.Batch, s.sums, s.since
	return nil
}
