package text

import "strings"

// learner learns merges from words and their counts. A word is a run of symbols in one long slice;
// merging a pair makes the run shorter.
type learner struct {
	prefix string // of symbols that continue a word, which is dropped when they are merged
	tokens []string
	ids    map[string]int32
	merges [][2]string

	symbols []int32 // of all words
	words   []learnerWord
	pairs   []learnerPair
	places  map[uint64]int32 // of pairs
	queue   []candidate      // a heap, whose counts may be too high
	raised  []int32          // the pairs that got more frequent by the last merge
}

type learnerWord struct {
	begin, end int // in symbols
	count      int
}

type learnerPair struct {
	left, right int32
	count       int
	words       []int32 // where it occurs, or did; in the order of words, with repetitions
	merged      bool
	raised      bool // is in learner.raised
}

// candidate is a pair in the queue.
type candidate struct {
	count int
	pair  int32
}

func newLearner(prefix string) *learner {
	return &learner{prefix: prefix, ids: map[string]int32{}, places: map[uint64]int32{}}
}

// token returns the id of a token, which is new or not.
func (l *learner) token(token string) int32 {
	id, ok := l.ids[token]
	if !ok {
		id = int32(len(l.tokens))
		l.ids[token] = id
		l.tokens = append(l.tokens, token)
	}
	return id
}

// begin begins a word that occurs count times.
func (l *learner) begin(count int) {
	l.words = append(l.words, learnerWord{len(l.symbols), len(l.symbols), count})
}

// add adds a symbol to the word.
func (l *learner) add(symbol int32) {
	l.symbols = append(l.symbols, symbol)
	l.words[len(l.words)-1].end++
}

// learn merges pairs until there are as many tokens as asked for.
func (l *learner) learn(vocabulary int) {
	for i, w := range l.words {
		for at := w.begin; at+1 < w.end; at++ {
			l.change(l.symbols[at], l.symbols[at+1], w.count, int32(i))
		}
	}
	l.queueRaised()
	for len(l.tokens) < vocabulary && len(l.queue) > 0 {
		top := l.pop()
		p := &l.pairs[top.pair]
		if p.count < leastPairs {
			continue
		}
		if p.count != top.count {
			l.push(candidate{p.count, top.pair})
			continue
		}
		l.merge(top.pair)
		l.queueRaised()
	}
}

// queueRaised queues the pairs whose counts have grown.
func (l *learner) queueRaised() {
	for _, i := range l.raised {
		l.pairs[i].raised = false
		l.push(candidate{l.pairs[i].count, i})
	}
	l.raised = l.raised[:0]
}

// merge makes a token of a pair, wherever it stands.
func (l *learner) merge(pair int32) {
	p := &l.pairs[pair]
	left, right, words := p.left, p.right, p.words
	a, b := l.tokens[left], l.tokens[right]
	token := l.token(a + strings.TrimPrefix(b, l.prefix))
	// A pair whose tokens come about in two ways can be met again after it was merged.
	if !p.merged {
		l.merges = append(l.merges, [2]string{a, b})
		p.merged = true
	}
	for _, i := range words {
		l.mergeIn(i, left, right, token)
	}
	p = &l.pairs[pair]
	p.count, p.words = 0, nil
}

// mergeIn merges a pair in a word.
func (l *learner) mergeIn(word, left, right, token int32) {
	w := &l.words[word]
	s := l.symbols[w.begin:w.end]
	to := 0
	for at := 0; at < len(s); at++ {
		if s[at] != left || at+1 == len(s) || s[at+1] != right {
			s[to] = s[at]
			to++
			continue
		}
		if to > 0 {
			l.change(s[to-1], left, -w.count, word)
			l.change(s[to-1], token, w.count, word)
		}
		if at+2 < len(s) {
			l.change(right, s[at+2], -w.count, word)
			l.change(token, s[at+2], w.count, word)
		}
		s[to] = token
		to++
		at++
	}
	w.end = w.begin + to
}

// change adds to the count of a pair, and notes the word where it now occurs.
func (l *learner) change(left, right int32, count int, word int32) {
	key := pairOf(left, right)
	i, ok := l.places[key]
	if !ok {
		i = int32(len(l.pairs))
		l.places[key] = i
		l.pairs = append(l.pairs, learnerPair{left: left, right: right})
	}
	p := &l.pairs[i]
	p.count += count
	if count < 0 {
		return
	}
	if len(p.words) == 0 || p.words[len(p.words)-1] != word {
		p.words = append(p.words, word)
	}
	if !p.raised {
		p.raised = true
		l.raised = append(l.raised, i)
	}
}

// before reports whether a is merged before b.
func (l *learner) before(a, b candidate) bool {
	if a.count != b.count {
		return a.count > b.count
	}
	p, q := &l.pairs[a.pair], &l.pairs[b.pair]
	if p.left != q.left {
		return p.left < q.left
	}
	return p.right < q.right
}

// push puts a candidate into the queue.
func (l *learner) push(c candidate) {
	l.queue = append(l.queue, c)
	q := l.queue
	for i := len(q) - 1; i > 0; {
		parent := (i - 1) / 2
		if !l.before(q[i], q[parent]) {
			break
		}
		q[parent], q[i] = q[i], q[parent]
		i = parent
	}
}

// pop takes the candidate with the largest count.
func (l *learner) pop() candidate {
	q := l.queue
	top, last := q[0], len(q)-1
	q[0] = q[last]
	q = q[:last]
	for i := 0; ; {
		child := 2*i + 1
		if child >= last {
			break
		}
		if child+1 < last && l.before(q[child+1], q[child]) {
			child++
		}
		if !l.before(q[child], q[i]) {
			break
		}
		q[child], q[i] = q[i], q[child]
		i = child
	}
	l.queue = q
	return top
}
