package evex

import (
	"bytes"
	"debug/elf"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// known is an instruction of the forms of VDPBF16PS that Go's assembler has.
var known = map[string]opcode{"VFMADD231PS": {prefix: 1, byte: 0xb8}}

// combinations returns instructions in Go's syntax, of all registers and forms of memory. Each has
// an operand that only EVEX encodes.
func combinations(r *rand.Rand, name string, of opcode, n int) (lines []string) {
	pick := func(from ...string) string { return from[r.IntN(len(from))] }
	for len(lines) < n {
		length := pick("X", "Y", "Z", "Z")
		number := func() int { return r.IntN(32) }
		half, high := map[string]string{"Z": "Y", "Y": "X", "X": "X"}, length == "Z"
		v := func(length string) string {
			i := number()
			high = high || i > 15
			return length + strconv.Itoa(i)
		}
		source, suffix := "", ""
		if r.IntN(3) == 0 || of.two && length != "Z" {
			source = v(length)
		} else {
			source = "(" + pick(general...) + ")"
			if r.IntN(2) == 0 {
				index := pick(general...)
				for index == "SP" {
					index = pick(general...)
				}
				source += "(" + index + "*" + pick("1", "2", "4", "8") + ")"
			}
			source = pick("", "", "1", "4", "-4", "64", "-64", "32", "16", "128", "508", "512", "-512", "516", "8128", "8192", "-8192", "-8256", "65536", "2147483647", "-2147483648") + source
			if r.IntN(2) == 0 {
				suffix, high = ".BCST", true
			}
		}
		ops := []string{source}
		if !of.two {
			ops = append(ops, v(length))
		}
		if r.IntN(2) == 0 {
			ops = append(ops, fmt.Sprint("K", 1+r.IntN(7)))
			high = true
			if r.IntN(2) == 0 {
				suffix += ".Z"
			}
		}
		destination := v(length)
		if of.halves {
			destination = half[length] + destination[1:]
		}
		if of.halves && length == "X" { // whose destination would be a part of one
			continue
		}
		if high {
			lines = append(lines, name+suffix+" "+strings.Join(append(ops, destination), ", "))
		}
	}
	return lines
}

// But for the opcode and its prefix, instructions are encoded as Go's assembler encodes others.
func TestEncodingIsGos(t *testing.T) {
	lines := combinations(rand.New(rand.NewPCG(1, 2)), "VFMADD231PS", known["VFMADD231PS"], 1000)
	code := assembled(t, lines)
	for _, line := range lines {
		i, err := parse(known, line)
		require.NoError(t, err, line)
		encoded, err := i.encode()
		require.NoError(t, err, line)
		require.LessOrEqual(t, len(encoded), len(code))
		require.Equal(t, code[:len(encoded)], encoded, line)
		code = code[len(encoded):]
	}
	require.Equal(t, byte(0xc3), code[0], "RET, behind all of them")
}

// assembled returns what Go makes of a function of those lines.
func assembled(t *testing.T, lines []string) []byte {
	dir := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  "module p\n\ngo 1.26\n",
		"main.go": "package main\n\nfunc f()\n\nfunc main() { f() }\n",
		"f.s":     "#include \"textflag.h\"\n\nTEXT ·f(SB), NOSPLIT|NOFRAME, $0-0\n\t" + strings.Join(lines, "\n\t") + "\n\tRET\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644))
	}
	build := exec.Command("go", "build", "-o", "program", ".")
	build.Dir = dir
	build.Env = append(os.Environ(), "GOWORK=off", "GOOS=linux", "GOARCH=amd64", "CGO_ENABLED=0")
	output, err := build.CombinedOutput()
	require.NoError(t, err, "%s", output)
	program, err := elf.Open(filepath.Join(dir, "program"))
	require.NoError(t, err)
	defer program.Close()
	symbols, err := program.Symbols()
	require.NoError(t, err)
	for _, s := range symbols {
		if s.Name == "main.f" || s.Name == "main.f.abi0" {
			section := program.Sections[s.Section]
			code := make([]byte, s.Size)
			_, err := section.ReadAt(code, int64(s.Value-section.Addr))
			require.NoError(t, err)
			return code
		}
	}
	t.Fatal("the program has no f")
	return nil
}

// Bytes are what their comments say.
func TestDisassembly(t *testing.T) {
	if _, err := exec.LookPath("objdump"); err != nil {
		t.Skip("there is no objdump: ", err)
	}
	for name, of := range opcodes {
		t.Run(name, func(t *testing.T) {
			var code []byte
			var want []string
			at := map[int]string{}
			for _, line := range combinations(rand.New(rand.NewPCG(3, 4)), name, of, 1000) {
				i, err := parse(opcodes, line)
				require.NoError(t, err, line)
				encoded, err := i.encode()
				require.NoError(t, err, line)
				want = append(want, i.String())
				at[len(code)] = i.String()
				code = append(code, encoded...)
			}
			assert.Equal(t, want, disassembled(t, code))
		})
	}
}

var dump = regexp.MustCompile(`(?m)^\s*[0-9a-f]+:\t(\S+) +(\S+)`)

// disassembled returns the instructions of some code.
func disassembled(t *testing.T, code []byte) (instructions []string) {
	file := filepath.Join(t.TempDir(), "code")
	require.NoError(t, os.WriteFile(file, code, 0o644))
	output, err := exec.Command("objdump", "-D", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", file).CombinedOutput()
	require.NoError(t, err, "%s", output)
	for _, m := range dump.FindAllSubmatch(output, -1) {
		instructions = append(instructions, string(m[1])+" "+string(m[2]))
	}
	return instructions
}

func TestAssembly(t *testing.T) {
	const before = "TEXT ·f(SB), NOSPLIT, $0-0\n\tVMOVUPS (AX), Z1\n\tVDPBF16PS.BCST 4(CX)(DX*2), Z24, Z0\n\tDECQ DX\n"
	const after = "TEXT ·f(SB), NOSPLIT, $0-0\n\tVMOVUPS (AX), Z1\n" +
		"\tBYTE $0x62; BYTE $0xf2; BYTE $0x3e; BYTE $0x50; BYTE $0x52; BYTE $0x44; BYTE $0x51; BYTE $0x01 // vdpbf16ps 0x4(%rcx,%rdx,2){1to16},%zmm24,%zmm0\n" +
		"\tDECQ DX\n"
	got, err := Assembly([]byte(before))
	require.NoError(t, err)
	assert.Equal(t, after, string(got))
	again, err := Assembly(bytes.Clone(got))
	require.NoError(t, err)
	assert.Equal(t, after, string(again))
}

func TestRefused(t *testing.T) {
	for line, want := range map[string]string{
		"VDPBF16PS":                        "no instruction with operands",
		"VDPBF16PS Z1, Z2":                 "2 operands besides an opmask, want 3",
		"VDPBF16PS Z0, Z1, K1, Z2, Z3":     "5 operands besides an opmask, want 3",
		"VDPBF16PS Z1, Z2, Y3":             "vectors of 64 and 32 bytes",
		"VDPBF16PS Y1, Z2, Z3":             "a source of 32 bytes, want 64",
		"VDPBF16PS Z32, Z2, Z3":            "operand Z32: there are 32 vector registers",
		"VDPBF16PS Z1, K2, Z3":             "2 operands besides an opmask, want 3",
		"VDPBF16PS Z1, Z2, K0, Z3":         "opmask K0, want K1 to K7",
		"VDPBF16PS Z1, Z2, K8, Z3":         "opmask K8, want K1 to K7",
		"VDPBF16PS Z1, Z2, AX":             "operand AX, want a vector register",
		"VDPBF16PS.Z Z1, Z2, Z3":           "zeroing without an opmask",
		"VDPBF16PS.RN_SAE Z1, Z2, Z3":      "no instruction with operands",
		"VDPBF16PS.SAE Z1, Z2, Z3":         "suffix SAE, want BCST or Z, once",
		"VDPBF16PS.BCST Z1, Z2, Z3":        "a broadcast of register Z1",
		"VDPBF16PS a+8(FP), Z2, Z3":        "operand a+8(FP), want memory at displacement(base)(index*scale)",
		"VDPBF16PS mask<>(SB), Z2, Z3":     "operand mask<>(SB), want memory at displacement(base)(index*scale)",
		"VDPBF16PS 8(FP), Z2, Z3":          "operand 8(FP): base FP, want a general register",
		"VDPBF16PS (AX)(SP*1), Z2, Z3":     "the stack pointer as an index",
		"VDPBF16PS (AX)(Z1*1), Z2, Z3":     "operand (AX)(Z1*1): index Z1, want a general register",
		"VDPBF16PS (AX)(BX*3), Z2, Z3":     "operand (AX)(BX*3), want memory at displacement(base)(index*scale)",
		"VDPBF16PS 2147483648(AX), Z2, Z3": "operand 2147483648(AX): strconv.ParseInt",
		"VCVTNEPS2BF16 Z1, Z2":             "a destination of 64 bytes",
		"VCVTNEPS2BF16 (AX), X2":           "memory as the source of half a vector of 16 bytes",
		"VCVTNEPS2BF16 Z1, Z2, Y3":         "3 operands besides an opmask, want 2",
		"VCVTNE2PS2BF16 Z1, Y2, Z3":        "vectors of 32 and 64 bytes",
	} {
		_, err := Assembly([]byte("RET\n\t" + line + "\n"))
		assert.ErrorContains(t, err, fmt.Sprintf("evex: line 2, %q: ", line))
		assert.ErrorContains(t, err, want)
	}
}
