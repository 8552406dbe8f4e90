package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/simd"
)

// envEmulate is the environment variable that makes tests build this program for arm64 and run it
// under an emulator. That takes a minute.
const envEmulate = "STEPPE_TEST_INSTRUCTIONS"

// A training step of LeNet executes far fewer instructions on NEON than in plain Go.
func TestStepsOfLeNet(t *testing.T) {
	if os.Getenv(envEmulate) == "" {
		t.Skip(envEmulate + " isn't set")
	}
	e, err := newEmulator(t.Context())
	require.NoError(t, err)
	defer func() { assert.NoError(t, e.Close()) }()
	for _, work := range []string{"lenet/sgd", "lenet/msam"} {
		plain, err := e.count(t.Context(), work, 1, simd.Generic)
		require.NoError(t, err)
		neon, err := e.count(t.Context(), work, 1, simd.NEON)
		require.NoError(t, err)
		assert.Greater(t, plain.total(), 4*neon.total(), work)
		assert.Contains(t, neon.largest(3), "NEON", work)
		t.Logf("%s: %d, on NEON %d", work, plain.total(), neon.total())
	}
	_, err = e.count(t.Context(), "lenet", 1, simd.NEON)
	assert.ErrorContains(t, err, `no work is called "lenet"`)
}

// Each piece of work can be done, here as well as under the emulator.
func TestWork(t *testing.T) {
	for _, w := range works {
		if slow := w.name == "vit-tiny/sgd" || w.name == "sgemm/512"; slow && (testing.Short() || simd.Active() == simd.Generic) {
			continue
		}
		assert.NoError(t, w.do(1), w.name)
	}
}

func TestCounts(t *testing.T) {
	path := filepath.Join(t.TempDir(), "counts")
	for content, want := range map[string]counts{
		"":                                 {},
		"12 main.main\n":                   {"main.main": 12},
		"12 f\n3 g[struct { x int }]\n8 f": {"f": 20, "g[struct { x int }]": 3},
	} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		got, err := read(path)
		require.NoError(t, err, content)
		assert.Equal(t, want, got, content)
	}
	for _, content := range []string{"12\n", "f 12\n", "1 f\n\n"} {
		require.NoError(t, os.WriteFile(path, []byte(content), 0o600))
		_, err := read(path)
		assert.ErrorContains(t, err, "want a count and a function", "%q", content)
	}
	_, err := read(path + "s")
	assert.ErrorIs(t, err, os.ErrNotExist)

	c := counts{"b": 1000, "a": 1000, "c": 6000, "d": 1}
	assert.EqualValues(t, 8001, c.total())
	assert.Equal(t, "           6,000  75.0%  c\n           1,000  12.5%  a\n", c.largest(2))
	assert.Equal(t, 4, strings.Count(c.largest(9), "\n"))
}

func TestFlags(t *testing.T) {
	for args, want := range map[string]string{
		"--work (":       "--work: error parsing regexp",
		"--isa avx2":     "--isa: arm64 has no avx2, want generic or neon",
		"--isa sse":      `--isa: simd: unknown instruction set "sse"`,
		"--isa=":         "--isa: none is named",
		"--repeat 0":     "--repeat: 0, want at least 1",
		"--top -1":       "--top: -1, want 0 or more",
		"lenet":          `unknown command "lenet"`,
		"emulated sgemm": "accepts 2 arg(s), received 1",
	} {
		cmd := newCommand()
		cmd.AddCommand(newEmulated())
		cmd.SetArgs(strings.Fields(args))
		assert.ErrorContains(t, cmd.ExecuteContext(t.Context()), want, args)
	}
	var help bytes.Buffer
	cmd := newCommand()
	cmd.SetArgs([]string{"--help"})
	cmd.SetOut(&help)
	require.NoError(t, cmd.Execute())
	for line := range strings.Lines(help.String()) {
		assert.LessOrEqual(t, len(strings.TrimRight(line, "\n")), 80, line)
	}
}
