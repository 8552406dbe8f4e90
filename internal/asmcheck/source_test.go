package asmcheck

import (
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// source is a file of assembly, as far as the checks look into it.
type source struct {
	path      string
	op        string // of the name, <op>_<isa>_<arch>.s; empty if that's not its form
	isa       string // as function names have it, in capitals
	arch      string
	lines     []string
	functions []function
}

// function is one TEXT, cut at its labels.
type function struct {
	name   string
	flags  string
	frame  string // bytes of frame and arguments, <frame>-<arguments>
	blocks []block
}

// block is the instructions from a label to the next one.
type block struct {
	label string // empty for the first
	code  []instruction
}

// instruction is a mnemonic with its operands, the destination last. One that
// the assembler does not know, and that is given as a word or as bytes, is what its
// comment says: for a word, with the destination first.
type instruction struct {
	op       string
	operands []string
	word     string // 8 hexadecimal digits, of a word with a comment
	bytes    string // hexadecimal digits, of bytes with a comment
	gnu      string // their comment
}

var (
	fileName = regexp.MustCompile(`^(\w+)_(avx2|avx512|bf16|neon)_(amd64|arm64)\.s$`)
	text     = regexp.MustCompile(`^TEXT\s+·(\w+)\(SB\),\s*(.*),\s*\$(\S+)$`)
	label    = regexp.MustCompile(`^(\w+):$`)
	word     = regexp.MustCompile(`^WORD\s+\$0x([0-9a-f]{8}) // (\S+) (.*)$`)
	encoded  = regexp.MustCompile(`^(BYTE \$0x[0-9a-f]{2}(?:; BYTE \$0x[0-9a-f]{2})*) // (\S+ \S+)$`)
	code     = regexp.MustCompile(`^(\S+)\s*(.*?)\s*(?://.*)?$`)
	// Commas within parentheses or brackets don't separate operands.
	operand = regexp.MustCompile(`(?:\[[^\]]*\]|\([^)]*\)|[^,\[(])+`)
)

// parse reads the content of a file. The name decides what is expected of it.
func parse(path, content string) *source {
	s := &source{path: path, lines: strings.Split(content, "\n")}
	if m := fileName.FindStringSubmatch(filepath.Base(path)); m != nil {
		s.op, s.isa, s.arch = m[1], strings.ToUpper(m[2]), m[3]
	}
	var f *function
	for _, line := range s.lines {
		line = strings.TrimSpace(line)
		if m := text.FindStringSubmatch(line); m != nil {
			s.functions = append(s.functions, function{name: m[1], flags: m[2], frame: m[3], blocks: make([]block, 1)})
			f = &s.functions[len(s.functions)-1]
			continue
		}
		if f == nil || line == "" || strings.HasPrefix(line, "//") || strings.HasPrefix(line, "DATA") || strings.HasPrefix(line, "GLOBL") {
			continue
		}
		if m := label.FindStringSubmatch(line); m != nil {
			f.blocks = append(f.blocks, block{label: m[1]})
			continue
		}
		last := &f.blocks[len(f.blocks)-1]
		var i instruction
		var operands string
		if m := word.FindStringSubmatch(line); m != nil {
			i.word, i.op, operands = m[1], m[2], m[3]
		} else if m := encoded.FindStringSubmatch(line); m != nil {
			i.bytes, i.gnu = strings.NewReplacer("BYTE $0x", "", "; ", "").Replace(m[1]), m[2]
			i.op, operands = fromGNU(m[2])
		} else {
			m = code.FindStringSubmatch(line)
			i.op, operands = m[1], m[2]
		}
		for _, o := range operand.FindAllString(operands, -1) {
			i.operands = append(i.operands, strings.TrimSpace(o))
		}
		last.code = append(last.code, i)
	}
	return s
}

var (
	gnuVector  = regexp.MustCompile(`%([xyz])mm(\d+)`)
	gnuMask    = regexp.MustCompile(`,([^,]+)\{%k(\d)\}`)
	gnuAddress = regexp.MustCompile(`(-?)(?:0x([0-9a-f]+))?\(%(\w+)(?:,%(\w+),(\d))?\)`)
	gnuTo      = regexp.MustCompile(`\{1to\d+\}`)
)

// fromGNU returns amd64's instruction in Go's syntax, for what the GNU assembler's has of EVEX.
func fromGNU(gnu string) (op, operands string) {
	op, operands, _ = strings.Cut(gnu, " ")
	op = strings.ToUpper(op)
	if gnuTo.MatchString(operands) {
		op, operands = op+".BCST", gnuTo.ReplaceAllString(operands, "")
	}
	if unzeroed, zeroes := strings.CutSuffix(operands, "{z}"); zeroes {
		op, operands = op+".Z", unzeroed
	}
	operands = gnuMask.ReplaceAllString(operands, ",K$2,$1")
	operands = gnuVector.ReplaceAllStringFunc(operands, func(r string) string {
		return strings.ToUpper(r[1:2]) + r[len("%zmm"):]
	})
	operands = gnuAddress.ReplaceAllStringFunc(operands, func(a string) string {
		m := gnuAddress.FindStringSubmatch(a)
		displacement := ""
		if n, err := strconv.ParseUint(m[2], 16, 32); err == nil && n > 0 {
			displacement = m[1] + strconv.FormatUint(n, 10)
		}
		address := displacement + "(" + general(m[3]) + ")"
		if m[4] != "" {
			address += "(" + general(m[4]) + "*" + m[5] + ")"
		}
		return address
	})
	return op, operands
}

// general returns Go's name of a general register of amd64: rax is AX.
func general(gnu string) string {
	if len(gnu) == 3 && gnu[2] >= 'a' || gnu == "rsp" {
		gnu = gnu[1:]
	}
	return strings.ToUpper(gnu)
}

func (i instruction) String() string { return i.op + " " + strings.Join(i.operands, ", ") }

// local returns the bytes of f's frame.
func (f function) local() int {
	bytes, _, _ := strings.Cut(f.frame, "-")
	n, err := strconv.Atoi(bytes)
	if err != nil {
		return math.MaxInt
	}
	return n
}

// all returns the instructions of f in order.
func (f function) all() (all []instruction) {
	for _, b := range f.blocks {
		all = append(all, b.code...)
	}
	return all
}

// names reports whether any operand of f matches re.
func (f function) names(re *regexp.Regexp) (where string, found bool) {
	for _, i := range f.all() {
		if re.MatchString(strings.Join(i.operands, ", ")) {
			return i.String(), true
		}
	}
	return "", false
}

// innermost returns the loops of f without loops in them, up to the jump back. Those of several
// blocks have all of their branches.
func (f function) innermost() (loops []block) {
	headers := map[string]int{}
	end := map[int][2]int{} // by the first block: the last block, and its instruction that jumps back
	for n, b := range f.blocks {
		if b.label != "" {
			headers[b.label] = n
		}
		for at, i := range b.code {
			if len(i.operands) == 0 {
				continue
			}
			if header, ok := headers[i.operands[len(i.operands)-1]]; ok {
				end[header] = [2]int{n, at}
			}
		}
	}
	for header := range f.blocks {
		last, ok := end[header]
		if !ok {
			continue
		}
		nested := false
		loop := block{label: f.blocks[header].label}
		for n := header; n <= last[0]; n++ {
			if _, ok := end[n]; ok && n > header {
				nested = true
			}
			if n < last[0] {
				loop.code = append(loop.code, f.blocks[n].code...)
			}
		}
		if !nested {
			loop.code = append(loop.code, f.blocks[last[0]].code[:last[1]+1]...)
			loops = append(loops, loop)
		}
	}
	return loops
}
