package text

import "fmt"

// template says how special tokens stand around one text, and around two. The zero value has none.
type template struct {
	single, pair []part
}

// part is a part of a template.
type part struct {
	text    int     // 1 for the first text, 2 for the second, 0 for special tokens
	ids     []int32 // the special tokens
	segment uint8
}

// bracket is the template of BERT: [CLS] a [SEP] b [SEP], where -1 stands for a token that isn't
// there.
func bracket(begin, end int32) template {
	special := func(id int32, segment uint8) []part {
		if id < 0 {
			return nil
		}
		return []part{{ids: []int32{id}, segment: segment}}
	}
	single := append(special(begin, 0), part{text: 1})
	single = append(single, special(end, 0)...)
	pair := append(single[:len(single):len(single)], part{text: 2, segment: 1})
	return template{single, append(pair, special(end, 1)...)}
}

// empty reports whether the template adds nothing.
func (t template) empty() bool { return overhead(t.single) == 0 && overhead(t.pair) == 0 }

// begin returns the special token that a single text begins with, end that it ends with; -1 for
// none.
func (t template) begin() int32 {
	if len(t.single) == 0 || t.single[0].text != 0 {
		return -1
	}
	return t.single[0].ids[0]
}

func (t template) end() int32 {
	if len(t.single) == 0 || t.single[len(t.single)-1].text != 0 {
		return -1
	}
	ids := t.single[len(t.single)-1].ids
	return ids[len(ids)-1]
}

// overhead returns the number of special tokens.
func overhead(parts []part) int {
	n := 0
	for _, p := range parts {
		n += len(p.ids)
	}
	return n
}

// templateOf returns the template by which Sample works.
func templateOf(tok Tokenizer) template {
	if t, ok := tok.(interface{ sampleTemplate() template }); ok {
		return t.sampleTemplate()
	}
	special := tok.Special()
	return bracket(special.Begin, special.End)
}

// sampleTemplate is the file's template, or that of BERT if the file has none.
func (c *common) sampleTemplate() template {
	if c.template.empty() {
		return bracket(c.special.Begin, c.special.End)
	}
	return c.template
}

// Overhead returns how many special tokens [Sample] puts around one text, or around two.
func Overhead(tok Tokenizer, pair bool) int {
	if t := templateOf(tok); pair {
		return overhead(t.pair)
	} else {
		return overhead(t.single)
	}
}

// Sample appends the ids of a sample to dst and the segments of its tokens, 0 or 1, to segments,
// and returns both. The sample is [CLS] a [SEP], or with a second text b, which isn't empty, that
// of [SamplePair]. A tokenizer.json that says it otherwise, as RoBERTa's does, is followed; one
// that puts nothing around texts, as GPT-2's, gets its Begin and End around them.
//
// Texts are cut at their ends so that the sample has at most most tokens; cut is the number of
// tokens that were left out. A sample of at most fewer tokens than [Overhead] is an error, which
// leaves dst and segments as they were.
func Sample(tok Tokenizer, dst []int32, segments []uint8, a, b string, most int) (ids []int32, segs []uint8, cut int, err error) {
	if b != "" {
		return SamplePair(tok, dst, segments, a, b, most)
	}
	return sample(tok, dst, segments, templateOf(tok).single, "a text", a, "", most)
}

// SamplePair does the same for two texts, each of which may be empty: [CLS] a [SEP] b [SEP], with
// the segment 1 for what follows the first [SEP]. The longer text is cut until both have one
// length, and then both are: "longest_first" of Hugging Face's tokenizers.
func SamplePair(tok Tokenizer, dst []int32, segments []uint8, a, b string, most int) (ids []int32, segs []uint8, cut int, err error) {
	return sample(tok, dst, segments, templateOf(tok).pair, "two texts", a, b, most)
}

// sample makes a sample by a template.
func sample(tok Tokenizer, dst []int32, segments []uint8, parts []part, texts, a, b string, most int) ([]int32, []uint8, int, error) {
	room := most - overhead(parts)
	if room < 0 {
		return dst, segments, 0, fmt.Errorf("a sample of at most %d tokens has no room for the %d special tokens around %s",
			most, overhead(parts), texts)
	}
	s := newScratch("")
	defer s.release()
	s.a, s.b = tok.Encode(s.a[:0], a), tok.Encode(s.b[:0], b)
	first, second := share(len(s.a), len(s.b), room)
	for _, p := range parts {
		ids := p.ids
		switch p.text {
		case 1:
			ids = s.a[:first]
		case 2:
			ids = s.b[:second]
		}
		dst = append(dst, ids...)
		for range ids {
			segments = append(segments, p.segment)
		}
	}
	return dst, segments, len(s.a) - first + len(s.b) - second, nil
}

// share returns how many tokens of two texts of lengths a and b fit into room. With an odd room,
// the text that was longer has one more, or the second if both were equally long.
func share(a, b, room int) (first, second int) {
	if a+b <= room {
		return a, b
	}
	shorter := min(a, b)
	if 2*shorter > room {
		shorter = room / 2
	}
	if a > b {
		return room - shorter, shorter
	}
	return shorter, room - shorter
}
