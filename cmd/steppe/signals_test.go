//go:build unix

package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	ossignal "os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net/checkpoint"
	"github.com/steppe-ml/steppe/sam/train"
)

// watched is a process of the test's with its output.
type watched struct {
	*exec.Cmd
	lines  *bufio.Scanner
	pipe   io.Closer
	stderr bytes.Buffer
}

// watch starts a process and reads its first line.
func watch(t *testing.T, cmd *exec.Cmd) (w *watched, first string) {
	t.Helper()
	w = &watched{Cmd: cmd}
	cmd.Stderr = &w.stderr
	pipe, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	w.lines, w.pipe = bufio.NewScanner(pipe), pipe
	require.True(t, w.lines.Scan(), "the first line: %v", &w.stderr)
	return w, w.lines.Text()
}

// end reads the rest of the output, and waits for the process. It returns the exit code; -1 if a
// signal has ended the process.
func (w *watched) end(t *testing.T) (code int, rest []string) {
	t.Helper()
	for w.lines.Scan() {
		rest = append(rest, w.lines.Text())
	}
	_ = w.Wait() // which also returns the exit code
	return w.ProcessState.ExitCode(), rest
}

// endless is a run that doesn't end by itself.
func endless(t *testing.T, flags ...string) []string {
	line := []string{"train", "--model", "tiny", "--data", halves(t, false), "--batch", "16", "--epochs", "1000000"}
	return append(line, flags...)
}

// Each signal ends a run after the step under way. The exit code says which it was, and the message
// how to go on; that works.
func TestSignals(t *testing.T) {
	for signal, want := range map[syscall.Signal]struct {
		code int
		says string
	}{
		syscall.SIGINT:  {130, "steppe: interrupted\n"},
		syscall.SIGTERM: {143, "steppe: terminated\n"},
		syscall.SIGHUP:  {129, "steppe: the terminal has closed\n"},
	} {
		t.Run(signal.String(), func(t *testing.T) {
			skipIgnored(t, signal)
			dir := filepath.Join(t.TempDir(), "run")
			w, _ := watch(t, child(t, endless(t, "--out", dir)...))
			for !strings.HasPrefix(w.lines.Text(), "    1 ") {
				require.True(t, w.lines.Scan(), "the first epoch")
			}
			require.NoError(t, w.Process.Signal(signal))
			code, _ := w.end(t)
			assert.Equal(t, want.code, code)
			assert.Equal(t, want.says+"`steppe train --resume "+dir+"` goes on from here\n", w.stderr.String())
			assertWhole(t, dir)
			code, stdout, stderr := steppeIn(t, interruptedAfter(5), "train", "--resume", dir)
			assert.Equal(t, 130, code, stderr)
			assert.Contains(t, stdout, "\ngoing on ")
		})
	}
}

// skipIgnored skips a test of a signal that the tests were started to ignore, as nohup does it: a
// child ignores it, too.
func skipIgnored(t *testing.T, s os.Signal) {
	t.Helper()
	if ossignal.Ignored(s) {
		t.Skipf("the tests ignore the signal %v", s)
	}
}

// assertWhole asserts that a run's folder has the files of one, and nothing else.
func assertWhole(t *testing.T, dir string) {
	t.Helper()
	left := names(t, dir)
	for _, name := range []string{"config.json", "last.safetensors", "metrics.jsonl"} {
		assert.Contains(t, left, name)
	}
	for _, name := range left {
		assert.NotEqual(t, byte('.'), name[0], name)
	}
}

// A second signal ends the process at once, and each of the three does. Those right after the first
// belong to it: whoever closes a terminal sends two.
func TestSecondSignal(t *testing.T) {
	for _, second := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		if ossignal.Ignored(second) {
			continue // in children, too, as under nohup
		}
		cmd := child(t)
		cmd.Env = append(cmd.Env, asStubborn+"=1")
		w, _ := watch(t, cmd)
		require.NoError(t, w.Process.Signal(syscall.SIGTERM))
		require.NoError(t, w.Process.Signal(second))
		require.True(t, w.lines.Scan(), "it ended with the first signals")
		first := w.lines.Text()
		assert.Contains(t, []string{signaled{syscall.SIGTERM}.Error(), signaled{second}.Error()}, first)
		for begin := time.Now(); w.Process.Signal(second) == nil; time.Sleep(oneEnd / 5) {
			var status syscall.WaitStatus
			if pid, err := syscall.Wait4(w.Process.Pid, &status, syscall.WNOHANG, nil); err != nil || pid == w.Process.Pid {
				assert.Equal(t, second, status.Signal())
				break
			}
			require.Less(t, time.Since(begin), time.Minute)
		}
	}
}

// Under nohup, a closed terminal ends nothing.
func TestNohup(t *testing.T) {
	if _, err := exec.LookPath("sh"); err != nil {
		t.Skip(err)
	}
	cmd := child(t)
	cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$@"`, "sh", cmd.Path}, endless(t)...)
	cmd.Path, _ = exec.LookPath("sh")
	w, _ := watch(t, cmd)
	require.NoError(t, w.Process.Signal(syscall.SIGHUP))
	require.NoError(t, w.Process.Signal(syscall.SIGTERM))
	code, _ := w.end(t)
	assert.Equal(t, 143, code)
	assert.True(t, strings.HasPrefix(w.stderr.String(), "steppe: terminated\n"), w.stderr.String())
}

// A closed pipe, as of `| head -1`, ends a run as a signal does. Without a folder it says nothing.
func TestClosedPipe(t *testing.T) {
	for _, json := range []bool{false, true} {
		t.Run(fmt.Sprintf("json %v", json), func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "run")
			var flags []string
			if json {
				flags = append(flags, "--json")
			}
			w, _ := watch(t, child(t, endless(t, append(flags, "--out", dir)...)...))
			require.NoError(t, w.pipe.Close())
			code, _ := w.end(t)
			assert.Equal(t, 141, code)
			assert.Equal(t, "steppe: the output was closed\n`steppe train --resume "+dir+"` goes on from here\n", w.stderr.String())
			assertWhole(t, dir)

			w, _ = watch(t, child(t, endless(t, flags...)...))
			require.NoError(t, w.pipe.Close())
			code, _ = w.end(t)
			assert.Equal(t, 141, code)
			assert.Empty(t, w.stderr.String())
		})
	}
	t.Run("save", func(t *testing.T) { // of a run that is longer than what is read of it
		model := filepath.Join(t.TempDir(), "model.safetensors")
		w, _ := watch(t, child(t, endless(t, "--save", model)...))
		for !strings.HasPrefix(w.lines.Text(), "    1 ") {
			require.True(t, w.lines.Scan(), "the first epoch")
		}
		require.NoError(t, w.pipe.Close())
		code, _ := w.end(t)
		assert.Equal(t, 141, code)
		assert.FileExists(t, model)
	})
	code, _, stderr := steppe(t, "info")
	require.Zero(t, code, stderr)
	read, write := io.Pipe()
	require.NoError(t, read.Close())
	var errs bytes.Buffer
	assert.Equal(t, 141, run(t.Context(), []string{"info"}, write, &errs))
	assert.Empty(t, errs.String())
}

// A run whose output can't be written for another reason ends, too, and says why.
func TestOutputFailsInRun(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	var stderr bytes.Buffer
	code := run(t.Context(), endless(t, "--out", dir), fullDisk{}, &stderr)
	assert.Equal(t, 1, code)
	assert.Equal(t, "steppe: no space left\n`steppe train --resume "+dir+"` goes on from here\n", stderr.String())
	assertWhole(t, dir)
}

// A run whose folder vanishes ends with that error. It is also what counts for a run that a signal
// has ended: the state isn't saved.
func TestUnsaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "run")
	w, _ := watch(t, child(t, endless(t, "--out", dir)...))
	require.NoError(t, os.Rename(dir, dir+" elsewhere")) // at once, while the run writes files there
	code, _ := w.end(t)
	assert.Equal(t, 1, code)
	assert.Contains(t, w.stderr.String(), "the run's folder "+dir+" is gone")

	var stderr bytes.Buffer
	ended := fmt.Errorf("%w: %w; then: %w", context.Canceled, signaled{syscall.SIGTERM}, &train.SaveError{Dir: t.TempDir(), Err: errors.New("no space left")})
	assert.Equal(t, 1, reportError(ended, nil, signaled{syscall.SIGTERM}, &stderr))
	assert.Equal(t, "steppe: context canceled: terminated; then: no space left\n", stderr.String())

	// The advice speaks of what is there.
	command := &trainCommand{out: t.TempDir()}
	assert.Equal(t, ended.Error(), command.hint(ended).Error())
	require.NoError(t, os.WriteFile(train.LastFile(command.out), nil, 0o644))
	assert.Equal(t, ended.Error()+"\n"+command.out+" has the last state that was saved whole: `steppe train --resume "+
		command.out+"` goes on from there", command.hint(ended).Error())
}

// A run that keeps no folder, but saves its model, saves the one of its best epoch however it ends. If
// it can't, that is what it says, and not how it was ended.
func TestEndedRunSaves(t *testing.T) {
	terminate := func(t *testing.T, w *watched) { require.NoError(t, w.Process.Signal(syscall.SIGTERM)) }
	closePipe := func(t *testing.T, w *watched) { require.NoError(t, w.pipe.Close()) }
	for name, test := range map[string]struct {
		end  func(t *testing.T, w *watched)
		code int
		says string
		gone string
	}{
		"signal":      {terminate, 143, "steppe: terminated\n", "terminated; then the model couldn't be saved: "},
		"closed pipe": {closePipe, 141, "", "the output was closed"},
	} {
		t.Run(name, func(t *testing.T) {
			for _, gone := range []bool{false, true} {
				dir := filepath.Join(t.TempDir(), "models")
				require.NoError(t, os.Mkdir(dir, 0o755))
				path := filepath.Join(dir, "tiny.safetensors")
				w, _ := watch(t, child(t, endless(t, "--save", path)...))
				for !strings.HasPrefix(w.lines.Text(), "    1 ") {
					require.True(t, w.lines.Scan(), "the first epoch")
				}
				if gone {
					require.NoError(t, os.Rename(dir, dir+" elsewhere"))
				}
				test.end(t, w)
				code, _ := w.end(t)
				if gone {
					assert.Equal(t, 1, code)
					assert.Contains(t, w.stderr.String(), test.gone)
					assert.Contains(t, w.stderr.String(), "then the model couldn't be saved: checkpoint: can't write "+path)
					assert.Equal(t, 1, strings.Count(w.stderr.String(), "\n"), &w.stderr)
					assert.Empty(t, names(t, dir+" elsewhere"))
					continue
				}
				assert.Equal(t, test.code, code)
				assert.Equal(t, test.says, w.stderr.String())
				assert.Equal(t, []string{"tiny.safetensors"}, names(t, dir))
				meta, err := checkpoint.ReadMeta(path)
				require.NoError(t, err)
				assert.Equal(t, "tiny", meta.Model)
			}
		})
	}
}
