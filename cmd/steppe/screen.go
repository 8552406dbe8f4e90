package main

import (
	"io"
	"os"
	"runtime"
	"strings"
	"unicode"

	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"
)

// screen is where progress is shown. On a terminal it has one live line, below all that is printed.
// A pipe, a file or a dumb terminal gets plain lines instead, and few of them.
type screen struct {
	w     io.Writer
	kind  screenKind
	width func() int // columns of the terminal now; it may have been resized
	ascii bool       // the locale has no characters but ASCII's
	drawn bool       // the live line is on the terminal
}

type screenKind uint8

const (
	noScreen    screenKind = iota // nothing is shown
	plainScreen                   // plain lines, without escape codes
	liveScreen                    // one line, drawn again and again
)

// usualWidth is the width of terminals that don't tell theirs, such as serial lines.
const usualWidth = 80

// screenOf returns the screen of a command's stderr.
func screenOf(w io.Writer) screen {
	s := screen{w: w, kind: plainScreen, width: func() int { return usualWidth }, ascii: !utf8Locale()}
	if w == nil || isQuiet(w) {
		s.kind = noScreen
	} else if file := terminal(w); file != nil && knowsEscapes(file) {
		s.kind = liveScreen
		s.width = func() int {
			if columns, _, err := term.GetSize(int(file.Fd())); err == nil && columns > 0 {
				return columns
			}
			return usualWidth
		}
	}
	return s
}

// terminal returns the terminal that w writes to, or nil. It looks through writers that have a
// method Unwrap.
func terminal(w io.Writer) *os.File {
	for {
		switch v := w.(type) {
		case *os.File:
			if v != nil && term.IsTerminal(int(v.Fd())) {
				return v
			}
			return nil
		case interface{ Unwrap() io.Writer }:
			w = v.Unwrap()
		default:
			return nil
		}
	}
}

// knowsEscapes reports whether a terminal understands the escape codes of draw. Terminals without a
// name, and those named dumb, such as Emacs' shell, show them as junk.
func knowsEscapes(file *os.File) bool {
	name := os.Getenv("TERM")
	if name == "dumb" || name == "" && runtime.GOOS != "windows" {
		return false
	}
	return enableEscapes(file)
}

// utf8Locale reports whether the locale has the characters that bars are made of.
func utf8Locale() bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if value := os.Getenv(name); value != "" {
			value = strings.ToLower(value)
			return strings.Contains(value, "utf-8") || strings.Contains(value, "utf8")
		}
	}
	return runtime.GOOS == "windows" || runtime.GOOS == "darwin"
}

const (
	toLineStart = "\r"
	eraseLine   = "\x1b[2K"
	eraseBelow  = "\x1b[J"   // from the cursor to the end of the terminal
	wrapOff     = "\x1b[?7l" // cuts lines at the last column
	wrapOn      = "\x1b[?7h"
)

// draw shows a line in place of the one before. It leaves the cursor at the beginning of the line.
// A terminal that has become narrower breaks a long line into several, and the cursor is then at
// the beginning of the first: all of them are below it, and erased. Without wrapping, a line stays
// one if the terminal becomes narrower between the question for its width and the answer's use.
//
// The lines below are erased last, with the cursor behind the line: tmux takes erasing a window
// from its very first place on for the end of a page, and keeps that in its history. eraseLine
// makes it forget that a line went on in the next one.
func (s *screen) draw(line string) {
	line = cut(line, s.width()-1)
	io.WriteString(s.w, toLineStart+wrapOff+eraseLine+line+eraseBelow+wrapOn+toLineStart)
	s.drawn = true
}

// clear removes the live line, so that others can print.
func (s *screen) clear() {
	if s.drawn {
		io.WriteString(s.w, toLineStart+eraseLine+" "+eraseBelow+toLineStart)
		s.drawn = false
	}
}

// print prints a plain line.
func (s *screen) print(line string) { io.WriteString(s.w, printable(line)+"\n") }

// cut returns as much of a line as fits into some columns. A line that reached the last column
// would move the cursor to the next line.
func cut(line string, columns int) string { return text.Trim(printable(line), max(0, columns)) }

// printable replaces control characters: the name of a file can have any.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
