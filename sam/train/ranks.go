package train

import (
	"encoding/json"
	"fmt"
	"hash/crc32"
	"unsafe"

	"github.com/steppe-ml/steppe/internal/agree"
	"github.com/steppe-ml/steppe/internal/num"
	"github.com/steppe-ml/steppe/internal/parallel"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/op"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
	"github.com/steppe-ml/steppe/simd"
)

// What a run does if Optimizer.Communicator connects several ranks. All make the same steps on the
// same batches, have the same parameters and come to the same scores, so they decide alike what
// depends on those. What one rank alone meets, such as a signal, a full disk or a sample that can't
// be read, it tells the others before the next step: all end after the same step, with the same
// error.

// rankSet is how a run's ranks come to the same end.
type rankSet struct {
	c             sam.Communicator // nil for one rank
	send, receive [][]float32      // flags
	sent, parts   [][]float32      // outputs
}

func newRanks(c sam.Communicator) *rankSet {
	r := &rankSet{}
	if c == nil || c.Size() == 1 {
		return r
	}
	r.c = c
	flag := make([]float32, 1)
	for range c.Size() {
		r.send, r.receive = append(r.send, flag), append(r.receive, make([]float32, 1))
	}
	return r
}

// several reports whether there is another rank.
func (r *rankSet) several() bool { return r.c != nil }

// leads reports whether this rank has the run's files.
func (r *rankSet) leads() bool { return r.c == nil || r.c.Rank() == 0 }

// stops is the kind of error by which hooks end a run well.
var stops = agree.Kind{
	Name: "stop",
	Text: func(err error) (string, bool) {
		if s := asStop(err); s != nil {
			return s.reason, true
		}
		return "", false
	},
	New: Stop,
}

// agree returns the error of the first rank that has one, on all ranks.
func (r *rankSet) agree(mine error) error {
	if !r.several() {
		return mine
	}
	return agree.Error(r.c, mine, stops)
}

// meet is agree for each step: as long as no rank has an error, it allocates nothing.
func (r *rankSet) meet(mine error) error {
	if !r.several() {
		return mine
	}
	r.send[0][0] = 0
	if mine != nil {
		r.send[0][0] = 1
	}
	if err := r.c.Exchange(r.send, r.receive); err != nil {
		return &agree.Lost{Err: err}
	}
	for _, flag := range r.receive {
		if flag[0] != 0 {
			return r.agree(mine)
		}
	}
	return nil
}

// compare returns an error on all ranks unless their runs are the same, as far as that shows in
// little time. mine is an error that this rank has already, and l is nil then.
func (r *rankSet) compare(l *loop, mine error) error {
	if !r.several() {
		return mine
	}
	var facts []agree.Fact
	if mine == nil {
		facts, mine = l.facts()
	}
	return agree.Facts(r.c, mine, facts)
}

// facts are what a run's ranks must have in common.
func (l *loop) facts() ([]agree.Fact, error) {
	var facts []agree.Fact
	add := func(name string, value any) { facts = append(facts, agree.Fact{Name: name, Value: fmt.Sprint(value)}) }
	add("the instruction set's arithmetic", simd.Active().Arithmetic())
	c := l.opt.Config()
	add("the number of parameters", l.Model.NumParams())
	add("Epochs", l.Epochs)
	add("Train.Batch", l.loader.Batch)
	add("Train.Seed", l.loader.Seed)
	add("Train.DropLast", l.loader.DropLast)
	add("the number of augmentations", len(l.loader.Augment))
	add("Optimizer.Batch", c.Batch)
	add("Optimizer.Shards", c.Shards)
	add("Optimizer.Rho", c.Rho)
	add("Optimizer.Seed", c.Seed)
	add("Optimizer.Clip", c.Clip)
	add("Optimizer.Fast", c.Fast)
	add("Optimizer.Units", c.Units)
	add("Optimizer.Base", fmt.Sprintf("%T", c.Base))
	add("Monitor", l.Monitor)
	for _, set := range []struct {
		name string
		set  *dataset.Set
	}{{"the training set", l.Train.Set}, {"the validation set", l.Valid}} {
		if set.set == nil {
			continue
		}
		print, err := fingerprint(set.set)
		if err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		add(set.name, print)
	}
	add("the parameters", sum(l.params.Values, l.params.State))
	add("the steps made", l.opt.Steps())
	if l.opt.Steps() > 0 {
		add("the optimizer's state", sum(l.opt.State().Vectors...))
	}
	return facts, nil
}

// outputs returns the outputs of a predictor for a batch, in dst's memory if they fit there. Each
// rank predicts a part of the samples, and all get all: a sample has the same bits alone as among
// others. The outputs of language models, which are large, each rank predicts itself.
func (r *rankSet) outputs(dst []float32, p *net.Predictor, batch net.Batch) ([]float32, error) {
	if !r.several() || p.Model().Program().OutputSequence() {
		return p.OutputsOf(dst, batch)
	}
	size := p.Model().OutputShape().Size()
	if need := batch.N * size; cap(dst) < need {
		dst = make([]float32, need)
	} else {
		dst = dst[:need]
	}
	if r.parts == nil {
		r.parts, r.sent = make([][]float32, r.c.Size()), make([][]float32, r.c.Size())
	}
	part := func(rank int) num.Span { return num.Range(parallel.Cut(batch.N, 1, r.c.Size(), rank)) }
	own := part(r.c.Rank())
	if own.Len() > 0 {
		if _, err := p.OutputsOf(dst[own.From*size:own.From*size:own.To*size], samplesOf(batch, own)); err != nil {
			return nil, err
		}
	}
	for rank := range r.parts {
		of := part(rank)
		r.sent[rank], r.parts[rank] = dst[own.From*size:own.To*size], dst[of.From*size:of.To*size]
	}
	r.sent[r.c.Rank()], r.parts[r.c.Rank()] = nil, nil // it is there already, and others read it
	if err := r.c.Exchange(r.sent, r.parts); err != nil {
		return nil, &agree.Lost{Err: err}
	}
	return dst, nil
}

// samplesOf returns the inputs of some samples of a batch.
func samplesOf(b net.Batch, of num.Span) net.Batch {
	some := net.Batch{N: of.Len()}
	if b.X != nil {
		size := len(b.X) / b.N
		some.X = b.X[of.From*size : of.To*size]
		return some
	}
	some.Tokens, some.Starts = op.Runs(b.Tokens, b.Starts, 1, of.From, of.Len())
	if b.Segments != nil {
		some.Segments, _ = op.Runs(b.Segments, b.Starts, 1, of.From, of.Len())
	}
	return some
}

// readOwn has the loader read the samples alone that this rank computes on. Texts are in memory,
// and a step takes them whole.
func (l *loop) readOwn() {
	if !l.ranks.several() || l.loader.Set.IsText() {
		return
	}
	type span struct{ from, to int }
	own := map[int]span{}
	for _, n := range []int{l.loader.Batch, l.loader.Set.Len() % l.loader.Batch} {
		if n > 0 {
			from, to := l.opt.Own(n)
			own[n] = span{from, to}
		}
	}
	l.loader.Own = func(n int) (from, to int) { return own[n].from, own[n].to }
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// sum describes vectors by a checksum.
func sum(vectors ...[]float32) string {
	crc := uint32(0)
	for _, v := range vectors {
		crc = crc32.Update(crc, castagnoli, bytesOf(v))
	}
	return fmt.Sprintf("of checksum %08x", crc)
}

// fingerprinted is how many samples' values a fingerprint has.
const fingerprinted = 64

// fingerprint describes a set by its size and a checksum of its labels and of some samples.
func fingerprint(s *dataset.Set) (string, error) {
	crc := crc32.Update(0, castagnoli, bytesOf(s.Labels))
	for _, part := range [][]byte{bytesOf(s.Targets), bytesOf(s.Tokens), bytesOf(s.Starts), s.Segments} {
		crc = crc32.Update(crc, castagnoli, part)
	}
	if !s.IsText() {
		x := make([]float32, s.Shape.Size())
		n := s.Len()
		for k := range min(n, fingerprinted) {
			if err := s.Read(int(uint64(n)*uint64(k)/uint64(min(n, fingerprinted))), x); err != nil {
				return "", err
			}
			crc = crc32.Update(crc, castagnoli, bytesOf(x))
		}
	}
	return fmt.Sprintf("%d samples of %v, of checksum %08x", s.Len(), s.Shape, crc), nil
}

// bytesOf returns the memory of numbers.
func bytesOf[T float32 | int32 | int](x []T) []byte {
	if len(x) == 0 {
		return nil
	}
	return unsafe.Slice((*byte)(unsafe.Pointer(&x[0])), len(x)*int(unsafe.Sizeof(x[0])))
}

// sent is the part of a State that isn't vectors, as rank 0 sends it.
type sent struct {
	There   bool   `json:"there"` // if there is a state
	Rule    string `json:"rule"`
	Steps   uint64 `json:"steps"`
	Vectors []int  `json:"vectors"` // lengths
	Best    bool   `json:"best"`
	Epoch   int    `json:"epoch"`
	Batch   int    `json:"batch"`
	Kept    kept   `json:"kept"`
}

// share gives all ranks the state that rank 0 has read, nil if there is none: the other ranks may
// not see its files. mine is rank 0's error.
func (r *rankSet) share(state *State, mine error, model *net.Model) (*State, error) {
	if err := r.agree(mine); err != nil || !r.several() {
		return state, err
	}
	var header []byte
	if r.leads() {
		s := sent{There: state != nil}
		if state != nil {
			s.Rule, s.Steps, s.Best, s.Epoch, s.Batch = state.Optimizer.Rule, state.Optimizer.Steps, state.Best != nil, state.Epoch, state.Batch
			for _, v := range state.Optimizer.Vectors {
				s.Vectors = append(s.Vectors, len(v))
			}
			s.Kept = kept{state.id, state.History, state.sums, state.since}
		}
		text, err := json.Marshal(s)
		if err != nil {
			return nil, fmt.Errorf("train: history: %w", err)
		}
		header = text
	}
	all, err := r.c.Gather(header)
	if err != nil {
		return nil, &agree.Lost{Err: err}
	}
	if !r.leads() {
		state, err = received(all[0], model)
	}
	if err := r.agree(err); err != nil || state == nil {
		return nil, err
	}
	vectors := append([][]float32{state.Params.Values, state.Params.State}, state.Optimizer.Vectors...)
	if state.Best != nil {
		vectors = append(vectors, state.Best.Values, state.Best.State)
	}
	for _, v := range vectors {
		if err := r.c.Broadcast(bytesOf(v), 0); err != nil {
			return nil, &agree.Lost{Err: err}
		}
	}
	return state, nil
}

// received returns a state with memory for its vectors, and nil if there is none.
func received(header []byte, model *net.Model) (*State, error) {
	var s sent
	if err := json.Unmarshal(header, &s); err != nil {
		return nil, fmt.Errorf("train: the state from rank 0: %w", err)
	}
	if !s.There {
		return nil, nil
	}
	room := func() *net.Params {
		return &net.Params{Values: make([]float32, model.NumParams()), State: make([]float32, model.NumState())}
	}
	state := &State{
		Params: room(), Optimizer: &optim.State{Rule: s.Rule, Steps: s.Steps}, Epoch: s.Epoch, Batch: s.Batch,
		History: s.Kept.History, sums: s.Kept.Sums, since: s.Kept.Since, id: s.Kept.Run,
	}
	for _, n := range s.Vectors {
		state.Optimizer.Vectors = append(state.Optimizer.Vectors, make([]float32, n))
	}
	if s.Best {
		state.Best = room()
	}
	return state, nil
}
