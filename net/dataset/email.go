package dataset

import (
	"bytes"
	"encoding/base64"
	"html"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/encoding/charmap"
	"golang.org/x/text/encoding/htmlindex"
)

// parseEmail returns the subject and the text of a message as it came by mail. Mail of old, and
// that of spammers even more so, breaks every rule, so what can't be decoded stays as it is, and
// nothing is an error. Of a message with several parts, the first one in plain text counts, or else
// the first one in HTML, without its tags.
func parseEmail(message []byte) (subject, body string) {
	header, content := splitHeader(message)
	decoder := mime.WordDecoder{CharsetReader: func(charset string, r io.Reader) (io.Reader, error) {
		text, err := io.ReadAll(r)
		return strings.NewReader(toUTF8(text, charset)), err
	}}
	subject = toUTF8([]byte(header["subject"]), "")
	if decoded, err := decoder.DecodeHeader(subject); err == nil {
		subject = strings.ToValidUTF8(decoded, "\ufffd")
	}
	plain, markup := textParts(header, content, 0)
	if body = tidy(plain); body == "" {
		body = tidy(htmlText(markup))
	}
	return strings.Join(strings.Fields(subject), " "), body
}

// splitHeader returns the fields of a message's header by their names in lower case, of equal ones
// the first, and what is behind the header. A line of a mailbox file may come before it.
func splitHeader(message []byte) (header map[string]string, content []byte) {
	header = map[string]string{}
	last := ""
	for first := true; len(message) > 0; first = false {
		var line []byte
		line, message, _ = bytes.Cut(message, []byte("\n"))
		line = bytes.TrimRight(line, "\r")
		if len(line) == 0 {
			break
		}
		if (line[0] == ' ' || line[0] == '\t') && last != "" {
			header[last] += " " + string(bytes.TrimSpace(line))
			continue
		}
		name, value, ok := strings.Cut(string(line), ":")
		if first && strings.HasPrefix(name, "From ") || !ok {
			continue
		}
		if name = strings.ToLower(strings.TrimSpace(name)); header[name] == "" {
			header[name], last = strings.TrimSpace(value), name
		} else {
			last = ""
		}
	}
	return header, message
}

// maxNested bounds parts within parts.
const maxNested = 8

// textParts returns the first plain text of a part of a message, and the first HTML.
func textParts(header map[string]string, content []byte, depth int) (plain, markup string) {
	kind, parameters, err := mime.ParseMediaType(header["content-type"])
	if err != nil {
		kind, _, _ = strings.Cut(header["content-type"], ";")
		kind = strings.ToLower(strings.TrimSpace(kind))
	}
	switch {
	case strings.HasPrefix(kind, "multipart/") && parameters["boundary"] != "" && depth < maxNested:
		parts := multipart.NewReader(bytes.NewReader(content), parameters["boundary"])
		for plain == "" {
			part, err := parts.NextRawPart()
			if err != nil {
				break
			}
			inside, _ := io.ReadAll(part) // of a part that breaks off, what is there
			fields := map[string]string{}
			for name := range part.Header {
				fields[strings.ToLower(name)] = part.Header.Get(name)
			}
			one, other := textParts(fields, inside, depth+1)
			if plain = one; markup == "" {
				markup = other
			}
		}
		return plain, markup
	case kind == "message/rfc822" && depth < maxNested:
		inner, inside := splitHeader(content)
		return textParts(inner, inside, depth+1)
	case kind == "text/html":
		return "", toUTF8(transferred(content, header["content-transfer-encoding"]), parameters["charset"])
	case kind == "" || strings.HasPrefix(kind, "text/") || strings.HasPrefix(kind, "multipart/"):
		return toUTF8(transferred(content, header["content-transfer-encoding"]), parameters["charset"]), ""
	}
	return "", "" // a picture, say
}

// transferred undoes the encoding in which a text was sent. Of one that breaks off it returns what
// is there.
func transferred(content []byte, encoding string) []byte {
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "quoted-printable":
		text, _ := io.ReadAll(quotedprintable.NewReader(bytes.NewReader(content)))
		return text
	case "base64":
		content, _, _ = bytes.Cut(content, []byte("\n\n")) // a list's footer may be behind it
		text, _ := io.ReadAll(base64.NewDecoder(base64.StdEncoding, bytes.NewReader(content)))
		return text
	}
	return content
}

// toUTF8 decodes a text. One that has no charset, or an unknown one, is UTF-8 if it can be, and
// otherwise Windows-1252.
func toUTF8(text []byte, charset string) string {
	if encoding, err := htmlindex.Get(strings.TrimSpace(charset)); err == nil {
		if decoded, err := encoding.NewDecoder().Bytes(text); err == nil && utf8.Valid(decoded) {
			return string(decoded)
		}
	}
	if utf8.Valid(text) {
		return string(text)
	}
	decoded, err := charmap.Windows1252.NewDecoder().Bytes(text)
	if err != nil {
		decoded = text
	}
	return strings.ToValidUTF8(string(decoded), "\ufffd")
}

// tidy takes superfluous spaces and empty lines out of a text.
func tidy(text string) string {
	var lines []string
	for line := range strings.Lines(text) {
		if words := strings.Fields(line); len(words) > 0 {
			lines = append(lines, strings.Join(words, " "))
		}
	}
	return strings.Join(lines, "\n")
}

// htmlText returns what a reader of HTML sees of it, by and large: without tags, comments, scripts
// and styles, and with line feeds between blocks.
func htmlText(markup string) string {
	var b strings.Builder
	unclosed := map[string]bool{} // tags whose end was looked for in vain
	for {
		text, rest, found := strings.Cut(markup, "<")
		b.WriteString(html.UnescapeString(text))
		if !found {
			return b.String()
		}
		if after, ok := strings.CutPrefix(rest, "!--"); ok {
			_, markup, _ = strings.Cut(after, "-->")
			continue
		}
		tag, after, _ := strings.Cut(rest, ">")
		markup = after
		name := strings.ToLower(tag)
		if i := strings.IndexAny(name, " \t\r\n"); i >= 0 {
			name = name[:i]
		}
		switch strings.Trim(name, "/") {
		case "br", "p", "div", "tr", "table", "li", "ul", "ol", "h1", "h2", "h3", "h4", "hr", "title", "center", "blockquote", "body":
			b.WriteByte('\n')
		case "td", "th", "option", "img":
			b.WriteByte(' ')
		case "script", "style":
			if name[0] == '/' || unclosed[name] {
				continue
			}
			if end := indexFold(markup, "</"+name); end >= 0 {
				markup = markup[end:]
			} else {
				unclosed[name] = true
			}
		}
	}
}

// indexFold is strings.Index for any mixture of small and capital letters.
func indexFold(s, part string) int {
	for i := 0; i+len(part) <= len(s); i++ {
		if s[i] == part[0] && strings.EqualFold(s[i:][:len(part)], part) {
			return i
		}
	}
	return -1
}
