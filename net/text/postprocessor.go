package text

import (
	"encoding/json"
	"fmt"
	"strings"
)

// The post-processors of a tokenizer.json that put special tokens around texts.
type (
	bertProcessing struct {
		Type string     `json:"type"`
		Sep  namedToken `json:"sep"`
		Cls  namedToken `json:"cls"`
	}
	robertaProcessing struct {
		Type           string     `json:"type"`
		Sep            namedToken `json:"sep"`
		Cls            namedToken `json:"cls"`
		TrimOffsets    bool       `json:"trim_offsets"`
		AddPrefixSpace bool       `json:"add_prefix_space"`
	}
	templateProcessing struct {
		Type    string                   `json:"type"`
		Single  []templatePart           `json:"single"`
		Pair    []templatePart           `json:"pair"`
		Special map[string]templateToken `json:"special_tokens"`
	}
	templatePart struct {
		Special  *templateRef `json:"SpecialToken,omitempty"`
		Sequence *templateRef `json:"Sequence,omitempty"`
	}
	templateRef struct {
		ID   string `json:"id"`
		Type int    `json:"type_id"`
	}
	templateToken struct {
		ID     string   `json:"id"`
		IDs    []int32  `json:"ids"`
		Tokens []string `json:"tokens"`
	}
)

// namedToken is ["[SEP]", 102].
type namedToken struct {
	token string
	id    int32
}

// UnmarshalJSON reads the two elements.
func (n *namedToken) UnmarshalJSON(content []byte) error {
	var both []json.RawMessage
	if err := json.Unmarshal(content, &both); err != nil {
		return err
	}
	if len(both) != 2 || json.Unmarshal(both[0], &n.token) != nil || json.Unmarshal(both[1], &n.id) != nil {
		return fmt.Errorf("%s is not a token and its id", content)
	}
	return nil
}

// template returns how the file puts special tokens around texts; the zero value if it doesn't.
func (f *file) template(v vocabulary) (template, error) {
	processors, err := parts(f.PostProcessor, "post_processor", "processors")
	if err != nil {
		return template{}, err
	}
	known := func(id int32) bool {
		if id >= 0 && int(id) < len(v.tokens) && v.tokens[id] != "" {
			return true
		}
		for _, t := range f.AddedTokens {
			if t.ID == id {
				return true
			}
		}
		return false
	}
	var t template
	for _, raw := range processors {
		kind, err := typeOf(raw)
		if err == nil && kind == "ByteLevel" {
			err = strict(raw, &byteLevelFile{}) // it is about offsets
		} else if err == nil && !t.empty() {
			err = fmt.Errorf("two processors put special tokens around texts, want one")
		} else if err == nil {
			t, err = parseTemplate(kind, raw)
		}
		if err != nil {
			return template{}, fmt.Errorf("post_processor: %w", err)
		}
	}
	for _, p := range append(t.single[:len(t.single):len(t.single)], t.pair...) {
		for _, id := range p.ids {
			if !known(id) {
				return template{}, fmt.Errorf("post_processor: the vocabulary has no token %d", id)
			}
		}
	}
	return t, nil
}

// parseTemplate reads a post-processor that adds special tokens.
func parseTemplate(kind string, raw json.RawMessage) (template, error) {
	switch kind {
	case "BertProcessing":
		var b bertProcessing
		if err := strict(raw, &b); err != nil {
			return template{}, err
		}
		return bracket(b.Cls.id, b.Sep.id), nil
	case "RobertaProcessing": // two tokens between the texts, and one segment
		r := robertaProcessing{}
		if err := strict(raw, &r); err != nil {
			return template{}, err
		}
		cls, sep := part{ids: []int32{r.Cls.id}}, part{ids: []int32{r.Sep.id}}
		return template{
			single: []part{cls, {text: 1}, sep},
			pair:   []part{cls, {text: 1}, sep, sep, {text: 2}, sep},
		}, nil
	case "TemplateProcessing":
		var f templateProcessing
		if err := strict(raw, &f); err != nil {
			return template{}, err
		}
		single, err := f.parts("single", f.Single, 1)
		if err != nil {
			return template{}, err
		}
		pair, err := f.parts("pair", f.Pair, 2)
		return template{single, pair}, err
	}
	return template{}, unsupported(kind, "TemplateProcessing, BertProcessing, RobertaProcessing or ByteLevel")
}

// parts reads the parts of a template of some number of texts.
func (f *templateProcessing) parts(name string, parts []templatePart, texts int) ([]part, error) {
	var read []part
	var seen [3]int
	for i, p := range parts {
		if (p.Special == nil) == (p.Sequence == nil) {
			return nil, fmt.Errorf("%s: part %d is neither a SpecialToken nor a Sequence", name, i+1)
		}
		ref := p.Special
		if ref == nil {
			ref = p.Sequence
		}
		if ref.Type != 0 && ref.Type != 1 {
			return nil, fmt.Errorf("%s: part %d has type_id %d, want 0 or 1", name, i+1, ref.Type)
		}
		one := part{segment: uint8(ref.Type)}
		if p.Special != nil {
			token, ok := f.Special[ref.ID]
			if !ok || len(token.IDs) == 0 {
				return nil, fmt.Errorf("%s: special_tokens has no %q", name, ref.ID)
			}
			one.ids = token.IDs
		} else {
			one.text = 1 + strings.Index("AB", ref.ID)
			if len(ref.ID) != 1 || one.text < 1 || one.text > texts {
				return nil, fmt.Errorf("%s: there is no sequence %q", name, ref.ID)
			}
			seen[one.text]++
		}
		read = append(read, one)
	}
	if seen[1] != 1 || texts == 2 && seen[2] != 1 {
		return nil, fmt.Errorf("%s: want each text once", name)
	}
	return read, nil
}

// file returns the template as a TemplateProcessing.
func (t template) file(tokens []string) templateProcessing {
	f := templateProcessing{Type: "TemplateProcessing", Special: map[string]templateToken{}}
	write := func(parts []part) []templatePart {
		written := []templatePart{}
		for _, p := range parts {
			switch p.text {
			case 1:
				written = append(written, templatePart{Sequence: &templateRef{"A", int(p.segment)}})
			case 2:
				written = append(written, templatePart{Sequence: &templateRef{"B", int(p.segment)}})
			}
			for _, id := range p.ids {
				name := tokens[id]
				f.Special[name] = templateToken{name, []int32{id}, []string{name}}
				written = append(written, templatePart{Special: &templateRef{name, int(p.segment)}})
			}
		}
		return written
	}
	f.Single, f.Pair = write(t.single), write(t.pair)
	return f
}
