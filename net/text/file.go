package text

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/steppe-ml/steppe/internal/atomicfile"
)

// Open reads a tokenizer from a tokenizer.json (see [Parse]) or a vocab.txt (see [ReadVocab]),
// which it tells apart by what is in them, or from a folder that has one of these files. Errors
// name the file.
func Open(path string) (Tokenizer, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openFolder(path)
	}
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var tok Tokenizer
	if trimmed := bytes.TrimSpace(content); len(trimmed) > 0 && trimmed[0] == '{' {
		tok, err = Parse(content)
	} else {
		tok, err = parseVocab(content)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return tok, nil
}

// openFolder reads the first of the usual files that a folder has.
func openFolder(dir string) (Tokenizer, error) {
	for _, name := range []string{"tokenizer.json", "vocab.txt"} {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
			return Open(path)
		}
	}
	return nil, fmt.Errorf("%s has neither a tokenizer.json nor a vocab.txt", dir)
}

// ReadVocab reads a vocab.txt of BERT: a token a line, whose ids count from 0. The vocabulary is of
// a cased model if a token other than the special ones has a capital letter; otherwise text is
// turned into small letters without accents. Of a token that is there twice, the last line counts.
// Errors name the file.
func ReadVocab(path string) (*WordPiece, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	w, err := parseVocab(content)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return w, nil
}

// parseVocab reads the content of a vocab.txt.
func parseVocab(content []byte) (*WordPiece, error) {
	if !utf8.Valid(content) {
		line := 1 + bytes.Count(content[:len(content)-len(bytesFromInvalid(content))], []byte("\n"))
		return nil, fmt.Errorf("line %d is not UTF-8, want a BERT vocabulary with a token a line", line)
	}
	text := strings.TrimSuffix(strings.TrimPrefix(string(content), "\ufeff"), "\n")
	tokens := strings.Split(text, "\n")
	cased := false
	for i, token := range tokens {
		tokens[i] = strings.TrimRightFunc(token, unicode.IsSpace)
		bracketed := strings.HasPrefix(token, "[") && strings.HasSuffix(tokens[i], "]")
		cased = cased || !bracketed && strings.ContainsFunc(token, unicode.IsUpper)
	}
	w, err := NewWordPiece(tokens, WordPieceOptions{Cased: cased})
	if err != nil {
		return nil, fmt.Errorf("%w; want a BERT vocabulary with a token a line", err)
	}
	return w, nil
}

// bytesFromInvalid returns what begins with the first byte that isn't UTF-8.
func bytesFromInvalid(content []byte) []byte {
	for len(content) > 0 {
		r, n := utf8.DecodeRune(content)
		if r == utf8.RuneError && n == 1 {
			break
		}
		content = content[n:]
	}
	return content
}

// Save writes a tokenizer as a tokenizer.json. After an error, an existing file of that path is as
// it was.
func Save(path string, tok Tokenizer) error {
	content, err := Marshal(tok)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := json.Indent(&b, content, "", "  "); err != nil {
		return err
	}
	b.WriteByte('\n')
	return atomicfile.Write(path, func(w io.Writer) error {
		_, err := w.Write(b.Bytes())
		return err
	})
}

// Marshal returns the content of a tokenizer.json, from which [Parse] makes the same tokenizer. A
// tokenizer of a type that isn't this package's must be a [json.Marshaler].
func Marshal(tok Tokenizer) ([]byte, error) {
	m, ok := tok.(json.Marshaler)
	if !ok {
		return nil, fmt.Errorf("a tokenizer of type %T can't be written: it has no MarshalJSON", tok)
	}
	return m.MarshalJSON()
}

// Parse makes a tokenizer of the content of a tokenizer.json with a model of type WordPiece or BPE.
// A file that asks for something else, be it a model, a normalizer or a field of one, is an error
// that names it. How the file would cut and pad batches is left out: that is decided where batches
// are made.
func Parse(content []byte) (Tokenizer, error) {
	if !utf8.Valid(content) {
		return nil, errors.New("the tokenizer is not UTF-8, want a tokenizer.json")
	}
	content = bytes.TrimPrefix(content, []byte("\ufeff"))
	var f file
	if err := strict(content, &f); err != nil {
		return nil, fmt.Errorf("want a tokenizer.json: %w", err)
	}
	if f.Version != "1.0" {
		return nil, fmt.Errorf("the tokenizer.json is of version %q, want 1.0", f.Version)
	}
	return f.tokenizer()
}

// MarshalJSON returns the content of a tokenizer.json.
func (w *WordPiece) MarshalJSON() ([]byte, error) {
	f := w.common.file()
	f.PreTokenizer = typed{"BertPreTokenizer"}
	f.Decoder = wordPieceDecoder{"WordPiece", w.prefix, w.cleanup}
	f.Model = wordPieceFile{
		Type: "WordPiece", Unknown: w.tokens[w.unknown], Prefix: w.prefix, Longest: w.longest,
		Vocab: orderedVocab{w.common},
	}
	return marshal(f)
}

// MarshalJSON returns the content of a tokenizer.json.
func (b *BPE) MarshalJSON() ([]byte, error) {
	return marshalByteLevel(&b.common, b.model, b.split)
}

// MarshalJSON returns the content of a tokenizer.json, in which the model is a BPE without merges.
func (b *Bytes) MarshalJSON() ([]byte, error) {
	return marshalByteLevel(&b.common, bpeModel{}, byteLevel{})
}
