package asmcheck

import (
	"encoding/hex"
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

// Bytes are amd64's instructions that Go's assembler has no mnemonic for. Go's own disassembler
// doesn't know EVEX, so it takes binutils' to read them.

// Each run of bytes is what its comment says.
func TestBytes(t *testing.T) {
	comments := map[string]string{} // by bytes
	for _, s := range assembly(t) {
		for _, f := range s.functions {
			for _, i := range f.all() {
				if slices.Contains([]string{"BYTE", "LONG", "QUAD"}, i.op) || s.arch == "amd64" && i.op == "WORD" {
					t.Errorf("%s: %s: %v has no comment that says what it is", s.path, f.name, i)
				}
				if i.bytes == "" {
					continue
				}
				if former, ok := comments[i.bytes]; ok {
					assert.Equal(t, former, i.gnu, "%s: %s: what %s is", s.path, f.name, i.bytes)
				}
				comments[i.bytes] = i.gnu
			}
		}
	}
	require.NotEmpty(t, comments)
	for _, wrong := range wrongBytes(t, comments) {
		t.Error(wrong)
	}
}

func TestWrongBytesAreFound(t *testing.T) {
	assert.Equal(t, []string{
		"62f26e585200 is vdpbf16ps (%rax){1to16},%zmm2,%zmm0, not vdpbf16ps (%rax){1to16},%zmm2,%zmm1",
		"62f26e5852007490 is vdpbf16ps (%rax){1to16},%zmm2,%zmm0 and more, not vdpbf16ps (%rax){1to16},%zmm2,%zmm0",
		"62f27e4872c1 is vcvtneps2bf16 %zmm1,%ymm0, not vcvtneps2bf16 %zmm1,%zmm0",
		"62f2ee585200 is vdpbf16p{bad} (%rax){1to8},%zmm2,%zmm0, not vdpbf16ps (%rax){1to16},%zmm2,%zmm0",
	}, wrongBytes(t, map[string]string{
		"62f26e58520c38":   "vdpbf16ps (%rax,%rdi,1){1to16},%zmm2,%zmm1",
		"62b26e4052c9":     "vdpbf16ps %zmm17,%zmm18,%zmm1",
		"62f26e585200":     "vdpbf16ps (%rax){1to16},%zmm2,%zmm1",
		"62f26e5852007490": "vdpbf16ps (%rax){1to16},%zmm2,%zmm0",
		"62f27e4872c1":     "vcvtneps2bf16 %zmm1,%zmm0",
		"62f2ee585200":     "vdpbf16ps (%rax){1to16},%zmm2,%zmm0",
	}))
}

func TestFromGNU(t *testing.T) {
	for gnu, want := range map[string]string{
		"vdpbf16ps %zmm2,%zmm31,%zmm10":                           "VDPBF16PS Z2,Z31,Z10",
		"vdpbf16ps 0x40(%rax,%r15,4){1to16},%zmm1,%zmm0":          "VDPBF16PS.BCST 64(AX)(R15*4),Z1,Z0",
		"vdpbf16ps -0x4(%rsp,%rbp,1),%ymm1,%ymm0{%k3}{z}":         "VDPBF16PS.Z -4(SP)(BP*1),Y1,K3,Y0",
		"vcvtneps2bf16 0x0(%rbp),%ymm0{%k1}":                      "VCVTNEPS2BF16 (BP),K1,Y0",
		"vcvtneps2bf16 %xmm7,%xmm0":                               "VCVTNEPS2BF16 X7,X0",
		"vcvtne2ps2bf16 (%rsi,%r9,8){1to4},%xmm16,%xmm17{%k2}{z}": "VCVTNE2PS2BF16.BCST.Z (SI)(R9*8),X16,K2,X17",
		"vcvtne2ps2bf16 0xffff(%r13),%zmm16,%zmm17":               "VCVTNE2PS2BF16 65535(R13),Z16,Z17",
	} {
		op, operands := fromGNU(gnu)
		assert.Equal(t, want, op+" "+operands, gnu)
	}
}

// apart is the bytes between the beginnings of runs of bytes, more than an instruction has.
const apart = 32

var binutils = regexp.MustCompile(`(?m)^\s*([0-9a-f]+):\t(\S+(?: +\S+)?)`)

// wrongBytes says which bytes aren't what their comments say, in the order of the bytes.
func wrongBytes(t *testing.T, comments map[string]string) (wrong []string) {
	t.Helper()
	if _, err := exec.LookPath("objdump"); err != nil {
		t.Skip("binutils' objdump isn't installed: ", err)
	}
	runs := slices.Sorted(maps.Keys(comments))
	var code []byte
	for _, run := range runs {
		b, err := hex.DecodeString(run)
		require.NoError(t, err)
		require.Less(t, len(b), apart)
		nops := slices.Repeat([]byte{0x90}, apart-len(b))
		code = append(append(code, b...), nops...)
	}
	file := filepath.Join(t.TempDir(), "code")
	require.NoError(t, os.WriteFile(file, code, 0o600))
	output, err := exec.Command("objdump", "-D", "-z", "-b", "binary", "-m", "i386:x86-64", "--no-show-raw-insn", file).CombinedOutput()
	require.NoError(t, err, "%s", output)
	instructions := map[int]string{} // by where they begin
	for _, m := range binutils.FindAllStringSubmatch(string(output), -1) {
		at, err := strconv.ParseInt(m[1], 16, 64)
		require.NoError(t, err)
		instructions[int(at)] = strings.Join(strings.Fields(m[2]), " ")
	}
	for n, run := range runs {
		is := instructions[n*apart]
		if !alone(instructions, n*apart, len(run)/2) {
			is += " and more"
		}
		if is != comments[run] {
			wrong = append(wrong, fmt.Sprintf("%s is %s, not %s", run, is, comments[run]))
		}
	}
	return wrong
}

// alone reports whether the instruction at from has just so many bytes.
func alone(instructions map[int]string, from, bytes int) bool {
	for at := from + 1; at < from+bytes; at++ {
		if _, more := instructions[at]; more {
			return false
		}
	}
	_, ends := instructions[from+bytes]
	return ends
}
