package study

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/steppe-ml/steppe/internal/agree"
)

// Ranks meet this often: soon after a run has ended, since short runs may follow, and then ever
// more seldom.
const (
	soon   = 5 * time.Millisecond
	seldom = 500 * time.Millisecond
)

// ExecuteOn is Execute on several ranks, each of which trains jobs of the runs at a time. All have
// the same studies. The store of rank 0 counts; the others begin empty, and have all results in the
// end. nil is one process.
//
// Ranks tell each other from time to time which runs have ended, with what results. So all have the
// same results at any meeting, and each knows, without being told, which runs are the next of which
// rank. An error of one rank, such as of its ctx, ends all.
func ExecuteOn(ctx context.Context, c agree.Communicator, works []Work, jobs, workers int, report func(Progress)) error {
	if c == nil || c.Size() == 1 {
		return Execute(ctx, works, jobs, workers, report)
	}
	s := &spread{
		execution: execution{works: works, jobs: jobs, workers: workers, report: report, underWay: map[task]float64{}},
		c:         c, ranks: map[task]int{}, ended: make(chan outcome),
	}
	s.changed.L = &s.mutex
	if err := s.share(); err != nil {
		return err
	}
	if err := s.alongside(func() error { return s.measureCosts(ctx) }); err != nil {
		return err
	}
	if err := s.share(); err != nil {
		return err
	}
	return s.run(ctx)
}

// spread is an execution on several ranks. What isn't said to be this rank's own is the same on all
// of them after each meeting.
type spread struct {
	execution
	c     agree.Communicator
	ranks map[task]int // runs under way, by the rank that trains them

	ended   chan outcome // of this rank's own runs
	going   int          // this rank's own runs whose outcome hasn't been received
	failed  error        // of this rank
	results []outcome    // of this rank since the last meeting
}

// outcome is how a run has ended.
type outcome struct {
	Work   int    `json:"work"`
	Result Result `json:"result"`
	err    error
}

// meeting is what a rank tells the others when they meet.
type meeting struct {
	Results []outcome      `json:"results,omitempty"`
	Parts   []partUnderWay `json:"parts,omitempty"`
}

type partUnderWay struct {
	Work int     `json:"work"`
	Run  Run     `json:"run"`
	Done float64 `json:"done"`
}

// share gives all ranks what the stores of rank 0 have.
func (s *spread) share() error {
	var mine [][]byte
	var err error
	for _, w := range s.works {
		if s.c.Rank() != 0 {
			break
		}
		lines, failed := w.Store.lines()
		if failed != nil {
			err = failed
		}
		mine = append(mine, lines)
	}
	text, failed := json.Marshal(mine)
	if failed != nil {
		err = failed
	}
	all, err := agree.Tell(s.c, err, text)
	if err != nil {
		return err
	}
	if s.c.Rank() != 0 {
		var stores [][]byte
		err = json.Unmarshal(all[0], &stores)
		for i, lines := range stores {
			if err == nil {
				err = s.works[i].Store.take(lines)
			}
		}
	}
	return agree.Error(s.c, err)
}

// alongside has rank 0 do something that may take long, and lets the others sleep meanwhile.
func (s *spread) alongside(do func() error) error {
	done := make(chan error, 1)
	if s.c.Rank() == 0 {
		go func() { done <- do() }()
	}
	for pause := soon; ; pause = min(2*pause, seldom) {
		var err error
		var over []byte
		select {
		case err = <-done:
			over = []byte{1}
		case <-time.After(pause):
		}
		all, err := agree.Tell(s.c, err, over)
		if err != nil || len(all[0]) > 0 {
			return err
		}
	}
}

// run trains until no run is left.
func (s *spread) run(ctx context.Context) error {
	own, cancel := context.WithCancel(ctx)
	defer func() {
		cancel()
		for s.going > 0 {
			s.receive(<-s.ended)
		}
	}()
	s.mutex.Lock()
	s.survey()
	s.mutex.Unlock()
	s.assign(own)
	for pause := soon; len(s.ranks) > 0; pause = min(2*pause, seldom) {
		s.rest(pause)
		if s.failed == nil {
			s.failed = ctx.Err()
		}
		ended, err := s.meet()
		if err != nil {
			return err
		}
		if ended {
			pause = soon
		}
		s.assign(own)
	}
	return agree.Error(s.c, s.failed)
}

// rest receives the outcomes of this rank's runs until the next meeting.
func (s *spread) rest(pause time.Duration) {
	over := time.After(pause)
	for {
		select {
		case o := <-s.ended:
			s.receive(o)
		case <-over:
			return
		}
	}
}

func (s *spread) receive(o outcome) {
	s.going--
	if o.err != nil {
		if s.failed == nil {
			s.failed = o.err
		}
		return
	}
	s.results = append(s.results, o)
}

// meet exchanges what has happened since the last meeting. ended reports whether a run has ended.
func (s *spread) meet() (ended bool, err error) {
	m := meeting{Results: s.results}
	s.results = nil
	s.mutex.Lock()
	for t, done := range s.underWay {
		if s.ranks[t] == s.c.Rank() {
			m.Parts = append(m.Parts, partUnderWay{t.work, t.Run, done})
		}
	}
	s.mutex.Unlock()
	text, err := json.Marshal(m)
	if err != nil && s.failed == nil {
		s.failed = err
	}
	all, err := agree.Tell(s.c, s.failed, text)
	if err != nil {
		return false, err
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for rank, text := range all {
		var m meeting
		if err := json.Unmarshal(text, &m); err != nil {
			return false, err
		}
		for _, p := range m.Parts {
			if rank != s.c.Rank() {
				s.underWay[task{p.Work, p.Run}] = p.Done
			}
		}
		for _, o := range m.Results {
			ended = true
			s.keep(o)
		}
	}
	if !ended {
		s.tell(Progress{})
	}
	return ended, nil
}

// keep keeps the result of a run that has ended.
func (s *spread) keep(o outcome) {
	t, w := task{o.Work, o.Result.Run}, s.works[o.Work]
	all := w.work(w.Store, t.Run)
	delete(s.ranks, t)
	if err := w.Store.Add(o.Result); err != nil && s.failed == nil {
		s.failed = err // which the others hear of at the next meeting
	}
	s.finish(t, o.Result, all)
}

// assign gives runs that can begin to the ranks that have the fewest, and begins those of this one.
func (s *spread) assign(ctx context.Context) {
	load := make([]int, s.c.Size())
	for _, rank := range s.ranks {
		load[rank]++
	}
	s.mutex.Lock()
	defer s.mutex.Unlock()
	for i, w := range s.works {
		for _, run := range w.ready(w.Store) {
			t := task{i, run}
			if _, there := s.ranks[t]; there {
				continue
			}
			rank := slices.Index(load, slices.Min(load))
			if load[rank] == s.jobs {
				return
			}
			load[rank]++
			s.ranks[t], s.underWay[t] = rank, 0
			if rank == s.c.Rank() {
				s.begin(ctx, t)
			}
		}
	}
}

// begin trains a run on this rank.
func (s *spread) begin(ctx context.Context, t task) {
	s.going++
	go func() {
		r, err := s.trainTask(ctx, t, func() {}) // how far it is, all hear at the next meeting
		s.ended <- outcome{t.work, r, err}
	}()
}

// lines returns what a store has, as lines of its file.
func (s *Store) lines() ([]byte, error) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	var text []byte
	var failed error
	add := func(value any) {
		line, err := json.Marshal(value)
		if err != nil {
			failed = err
		}
		text = append(append(text, line...), '\n')
	}
	if s.costs != nil {
		add(s.costs)
	}
	for run, r := range s.done {
		for _, f := range s.flatnesses[run] { // with whatever settings; the last line of a run counts
			older := r
			older.Details = &Details{Flatness: f}
			add(older)
		}
		add(r)
	}
	return text, failed
}

// take puts lines of another store into one without a file, in place of all that it has.
func (s *Store) take(lines []byte) error {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	clear(s.done)
	clear(s.flatnesses)
	s.costs = nil
	for line := range bytes.Lines(lines) {
		if err := s.readLine(line); err != nil {
			return err
		}
	}
	return nil
}
