package main

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/steppe-ml/steppe/net/dataset"
)

// textFacts is what a data set of texts has besides.
type textFacts struct {
	Vocabulary int     `json:"vocabulary"`
	Tokens     int     `json:"tokens"`      // of all training samples
	MeanTokens float64 `json:"mean_tokens"` // of a training sample
	Longest    int     `json:"longest"`     // tokens of the longest one
	Cut        int     `json:"cut"`         // training texts that were too long
	CutTokens  int     `json:"cut_tokens"`  // that they lost
}

func textFactsOf(s *dataset.Set) *textFacts {
	if !s.IsText() {
		return nil
	}
	f := &textFacts{Vocabulary: s.Vocabulary, Tokens: len(s.Tokens), MeanTokens: float64(len(s.Tokens)) / float64(max(1, s.Len()))}
	for i := range s.Len() {
		f.Longest = max(f.Longest, s.Starts[i+1]-s.Starts[i])
	}
	f.Cut, f.CutTokens = s.Cut()
	return f
}

const (
	shownTexts = 5 // samples of a set of texts that are shown
	textLines  = 3 // lines of a text, and of its tokens
)

// textsOf returns a sample of each of the first classes, or the first samples if there are no
// classes: as text, and as the tokens that a model sees.
func textsOf(s *dataset.Set) string {
	var b strings.Builder
	samples := slices.Concat(byClass(s, 1)...)
	if s.Labels == nil {
		samples = byClass(s, shownTexts)[0]
	}
	for _, i := range samples[:min(len(samples), shownTexts)] {
		fmt.Fprintf(&b, "sample %d, %s%s\n", i, meaningOf(s, i), plural(s.Starts[i+1]-s.Starts[i], "token"))
		texts, tokens, err := wordsOf(s, i)
		if err != nil {
			fmt.Fprintf(&b, "  can't be read: %v\n", err)
			continue
		}
		for _, text := range append(texts, tokens) {
			b.WriteString(indented(text))
		}
	}
	return b.String()
}

// meaningOf is meaning, with a comma behind it if there is any.
func meaningOf(s *dataset.Set, i int) string {
	if s.Labels == nil && s.Targets == nil {
		return ""
	}
	return meaning(s, i) + ", "
}

// wordsOf returns the texts of a sample, and its tokens with bars between them.
func wordsOf(s *dataset.Set, i int) (texts []string, tokens string, err error) {
	a, b, err := s.Text(i)
	if err != nil {
		return nil, "", err
	}
	texts = append(texts, a)
	if b != "" {
		texts = append(texts, b)
	}
	tokenizer, err := s.Input.Text.Open()
	if err != nil {
		return nil, "", err
	}
	var list []string
	for _, id := range s.Tokens[s.Starts[i]:s.Starts[i+1]] {
		list = append(list, tokenizer.Decode([]int32{id}))
	}
	return texts, strings.Join(list, "|"), nil
}

// indented returns the first lines of a text that may have any characters.
func indented(text string) string {
	const indent = "  "
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	lines := strings.Split(wrap(text, screenWidth-len(indent)), "\n")
	if len(lines) > textLines {
		lines = append(lines[:textLines-1], cut(lines[textLines-1], screenWidth-len(indent)-4)+" ...")
	}
	return indent + strings.Join(lines, "\n"+indent) + "\n"
}
