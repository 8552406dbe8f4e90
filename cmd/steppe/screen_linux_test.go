package main

import (
	"fmt"
	"os"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

// pseudoTerminal returns a terminal that nobody sees.
func pseudoTerminal(t *testing.T) *os.File {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Skip("there are no pseudo-terminals: ", err)
	}
	t.Cleanup(func() { master.Close() })
	require.NoError(t, unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0))
	n, err := unix.IoctlGetInt(int(master.Fd()), unix.TIOCGPTN)
	require.NoError(t, err)
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	require.NoError(t, err)
	t.Cleanup(func() { terminal.Close() })
	return terminal
}

// A terminal that is named dumb, or not at all, gets plain lines. Others get a live line, as wide as
// the terminal is at the moment.
func TestScreenOfTerminal(t *testing.T) {
	terminal := pseudoTerminal(t)
	for name, want := range map[string]screenKind{"dumb": plainScreen, "": plainScreen, "xterm-256color": liveScreen, "tmux": liveScreen} {
		t.Setenv("TERM", name)
		assert.Equal(t, want, screenOf(terminal).kind, "TERM=%s", name)
	}
	t.Setenv("TERM", "xterm")
	s := screenOf(terminal)
	for _, columns := range []uint16{120, 31} {
		require.NoError(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 24, Col: columns}))
		assert.Equal(t, int(columns), s.width())
	}
	require.NoError(t, unix.IoctlSetWinsize(int(terminal.Fd()), unix.TIOCSWINSZ, &unix.Winsize{}))
	assert.Equal(t, usualWidth, s.width(), "a terminal that doesn't tell")
	assert.Equal(t, noScreen, screenOf(quietWriter{terminal}).kind)
}
