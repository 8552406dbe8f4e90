package asmcheck

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Words are the instructions that Go's assembler has no mnemonic for. Go's own disassembler knows
// them, and prints them in GNU syntax, as comments do, and in Go's.

// Each word is what its comment says, and is none that Go's assembler could have written.
func TestWords(t *testing.T) {
	comments := map[string]string{} // by word
	for _, s := range assembly(t) {
		for _, f := range s.functions {
			for _, i := range f.all() {
				if i.op == "WORD" {
					t.Errorf("%s: %s: %v has no comment that says what it is", s.path, f.name, i)
				}
				if i.word == "" {
					continue
				}
				if former, ok := comments[i.word]; ok {
					assert.Equal(t, former, i.String(), "%s: %s: what $0x%s is", s.path, f.name, i.word)
				}
				comments[i.word] = i.String()
			}
		}
	}
	require.NotEmpty(t, comments)
	for _, wrong := range wrongWords(t, comments) {
		t.Error(wrong)
	}
}

func TestWrongWordsAreFound(t *testing.T) {
	assert.ElementsMatch(t, []string{
		"$0x4f9b1301 is fmla v1.4s, v24.4s, v27.s[0], not fmla v0.4s, v24.4s, v27.s[0]",
		"$0x3ca37841 is str q1, [x2,x3,lsl #4], not ldr q1, [x2, x3, lsl #4]",
		"$0xffffffff is no instruction, not fadd v0.4s, v1.4s, v2.4s",
		"$0x4e23cc41, fmla v1.4s, v2.4s, v3.4s, is VFMLA V3.S4, V2.S4, V1.S4 in Go",
		"$0x6e731c41, bsl v1.16b, v2.16b, v19.16b, is VBSL V19.B16, V2.B16, V1.B16 in Go",
		"$0x1e232841, fadd s1, s2, s3, is FADDS F3, F2, F1 in Go",
		"$0xad410861, ldp q1, q2, [x3, #32], is FLDPQ 32(R3), (F1, F2) in Go",
	}, wrongWords(t, map[string]string{
		// Right, and of each way in which Go refuses what it doesn't have.
		"4e23d441": "fadd v1.4s, v2.4s, v3.4s",
		"4f9b1300": "fmla v0.4s, v24.4s, v27.s[0]",
		"4ea0c841": "fcmgt v1.4s, v2.4s, #0.0",
		"3ce37841": "ldr q1, [x2, x3, lsl #4]",
		"4f03f601": "fmov v1.4s, #1.000000000000000000e+00",
		// Something else than their comments.
		"4f9b1301": "fmla v0.4s, v24.4s, v27.s[0]",
		"3ca37841": "ldr q1, [x2, x3, lsl #4]",
		"ffffffff": "fadd v0.4s, v1.4s, v2.4s",
		// What Go has.
		"4e23cc41": "fmla v1.4s, v2.4s, v3.4s",
		"6e731c41": "bsl v1.16b, v2.16b, v19.16b",
		"1e232841": "fadd s1, s2, s3",
		"ad410861": "ldp q1, q2, [x3, #32]",
	}))
}

// wrongWords says which words aren't what their comments say, and which are instructions that Go's
// assembler knows.
func wrongWords(t *testing.T, comments map[string]string) (wrong []string) {
	t.Helper()
	words := slices.Sorted(maps.Keys(comments))
	lines := make([]string, len(words))
	for i, w := range words {
		lines[i] = "WORD $0x" + w
	}
	_, object := assemble(t, lines)
	decoded := disassemble(t, object, len(lines))
	var named []string // words in Go's syntax
	for i, w := range words {
		if d := decoded[i]; !sameGNU(d.gnu, comments[w]) {
			wrong = append(wrong, fmt.Sprintf("$0x%s is %s, not %s", w, d.gnu, comments[w]))
		} else {
			named = append(named, d.plan9)
		}
	}

	// The parser refuses names that it doesn't know before the back end sees the operands of those
	// that it does, so it takes more than one run to be left with what Go has.
	refused, object := assemble(t, named)
	for len(refused) > 0 {
		named = slices.DeleteFunc(named, func(name string) bool { return refused[name] })
		refused, object = assemble(t, named)
	}
	for _, d := range disassemble(t, object, len(named)) {
		if comment, ok := comments[d.word]; ok {
			wrong = append(wrong, fmt.Sprintf("$0x%s, %s, is %s in Go", d.word, comment, d.plan9))
		}
	}
	return wrong
}

// sameGNU compares two instructions in GNU syntax. Disassemblers differ in blanks, and in how they
// write the zero of a comparison.
func sameGNU(a, b string) bool {
	same := strings.NewReplacer(" ", "", "#0.0", "#0")
	return same.Replace(a) == same.Replace(b)
}

var refusal = regexp.MustCompile(`\.s:(\d+)[):]`)

// assemble assembles a function of those lines for arm64. It returns the object file, or the lines
// that are refused.
func assemble(t *testing.T, lines []string) (refused map[string]bool, object string) {
	t.Helper()
	source := filepath.Join(t.TempDir(), "f.s")
	require.NoError(t, os.WriteFile(source, []byte("TEXT ·f(SB), 4, $0-0\n"+strings.Join(lines, "\n")+"\nRET\n"), 0o600))
	object = strings.TrimSuffix(source, "s") + "o"
	output, err := tool("asm", "-e", "-p", "p", "-o", object, source)
	if err == nil {
		return nil, object
	}
	refused = map[string]bool{}
	for _, m := range refusal.FindAllStringSubmatch(output, -1) {
		n, _ := strconv.Atoi(m[1]) // they are digits
		refused[lines[n-2]] = true
	}
	require.NotEmpty(t, refused, "%v\n%s", err, output)
	return refused, object
}

// decoded is an instruction as the disassembler prints it.
type decoded struct{ word, plan9, gnu string }

var dump = regexp.MustCompile(`(?m)^\s+f\.s:(\d+)\t+0x[0-9a-f]+\t+([0-9a-f]{8})\t+(.*?)\s*(?://\s*(.*?)\s*)?$`)

// disassemble returns the instructions of the first lines of a function, those with one alone.
func disassemble(t *testing.T, object string, lines int) []decoded {
	t.Helper()
	output, err := tool("objdump", "-gnu", object)
	require.NoError(t, err, output)
	instructions := make([]decoded, lines)
	for _, m := range dump.FindAllStringSubmatch(output, -1) {
		n, _ := strconv.Atoi(m[1]) // they are digits
		if n -= 2; n < lines {
			d := decoded{word: m[2], plan9: m[3], gnu: m[4]}
			if d.gnu == "" {
				d.gnu = "no instruction"
			}
			instructions[n] = d
		}
	}
	for i, d := range instructions {
		require.NotEmpty(t, d.word, "line %d of\n%s", i, output)
	}
	return instructions
}

// tool runs a tool of Go for arm64.
func tool(args ...string) (output string, err error) {
	cmd := exec.Command("go", append([]string{"tool"}, args...)...)
	cmd.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64")
	combined, err := cmd.CombinedOutput()
	return string(combined), err
}
