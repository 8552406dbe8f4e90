package text

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// mostTokens bounds the ids of a vocabulary, so that a damaged file can't ask for all memory. The
// largest published ones have some 900,000.
const mostTokens = 1 << 20

// vocabulary has tokens by their ids, and ids by their tokens.
type vocabulary struct {
	tokens []string // "" where an id has no token
	ids    map[string]int32
}

// newVocabulary makes a vocabulary of the tokens of ids 0, 1, 2, and so on. A token that stands
// there twice has the later id when text is encoded. Empty tokens take an id and match nothing.
func newVocabulary(tokens []string) (vocabulary, error) {
	if len(tokens) > mostTokens {
		return vocabulary{}, fmt.Errorf("the vocabulary has %d tokens, want at most %d", len(tokens), mostTokens)
	}
	v := vocabulary{tokens: slices.Clone(tokens), ids: make(map[string]int32, len(tokens))}
	for id, token := range tokens {
		if token != "" {
			v.ids[token] = int32(id)
		}
	}
	return v, nil
}

// vocabularyOf makes a vocabulary of ids by token. Ids may have gaps.
func vocabularyOf(ids map[string]int32) (vocabulary, error) {
	if len(ids) == 0 {
		return vocabulary{}, errors.New("the vocabulary is empty")
	}
	v := vocabulary{ids: make(map[string]int32, len(ids))}
	for _, token := range slices.Sorted(maps.Keys(ids)) {
		if err := v.put(token, ids[token]); err != nil {
			return vocabulary{}, err
		}
	}
	return v, nil
}

// add puts added tokens into the vocabulary, which may have them already. It returns the ids of
// those that are new.
func (v *vocabulary) add(added []addedToken) (outside map[int32]bool, err error) {
	outside = map[int32]bool{}
	seen := map[string]bool{}
	for _, t := range added {
		if t.Content == "" {
			return nil, fmt.Errorf("added token %d is empty", t.ID)
		}
		if seen[t.Content] {
			return nil, fmt.Errorf("%q is an added token twice", t.Content)
		}
		seen[t.Content] = true
		if id, ok := v.ids[t.Content]; ok && id != t.ID {
			return nil, fmt.Errorf("the added token %q has id %d, but %d in the vocabulary", t.Content, t.ID, id)
		} else if ok {
			continue
		}
		if err := v.put(t.Content, t.ID); err != nil {
			return nil, err
		}
		outside[t.ID] = true
	}
	return outside, nil
}

// put gives a token an id that no other has.
func (v *vocabulary) put(token string, id int32) error {
	if id < 0 || id >= mostTokens {
		return fmt.Errorf("the token %q has id %d, want 0 to %d", token, id, mostTokens-1)
	}
	for int(id) >= len(v.tokens) {
		v.tokens = append(v.tokens, "")
	}
	if other := v.tokens[id]; other != "" {
		return fmt.Errorf("the tokens %q and %q have the same id %d", other, token, id)
	}
	v.tokens[id] = token
	if token != "" {
		v.ids[token] = id
	}
	return nil
}

// first returns the id of the first of some tokens that the vocabulary has, -1 if it has none.
func (v *vocabulary) first(tokens []string) int32 {
	for _, token := range tokens {
		if id, ok := v.ids[token]; ok {
			return id
		}
	}
	return -1
}
