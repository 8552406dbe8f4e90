package text

import (
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
)

// Many goroutines use one tokenizer, with the results of one.
func TestConcurrent(t *testing.T) {
	texts := strangeTexts(100)
	for _, tok := range []Tokenizer{smallBPE(t), smallWordPiece(t), must(NewBytes(nil))} {
		var want [][]int32
		for _, s := range texts {
			want = append(want, tok.Encode([]int32{}, s))
		}
		var wg sync.WaitGroup
		for first := range 8 {
			wg.Go(func() {
				for i := range texts {
					i = (i + 13*first) % len(texts)
					assert.Equal(t, want[i], tok.Encode([]int32{}, texts[i]))
				}
			})
		}
		wg.Wait()
	}
}

// raced reports whether the race detector is on, under which a sync.Pool forgets things at random.
func raced() bool {
	info, _ := debug.ReadBuildInfo()
	return slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// In steady state, encoding allocates nothing but room for the ids.
func TestAllocations(t *testing.T) {
	if raced() {
		t.Skip("the race detector allocates")
	}
	text := strings.Join(strangeTexts(50), " ") + strings.Join(smallCorpus(), " ")
	for _, tok := range []Tokenizer{smallBPE(t), smallWordPiece(t), must(NewBytes(nil))} {
		ids := tok.Encode(nil, text)
		segments := make([]uint8, len(ids)+8)
		assert.Less(t, testing.AllocsPerRun(20, func() { ids = tok.Encode(ids[:0], text) }), 1.0, "%T", tok)
		sample := func() { ids, segments, _, _ = Sample(tok, ids[:0], segments[:0], text, text, 100) }
		for range 3 {
			sample() // it takes two pieces of scratch memory, which take turns
		}
		assert.Less(t, testing.AllocsPerRun(20, sample), 1.0, "%T: Sample", tok)
	}
}
