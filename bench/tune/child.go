package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/steppe-ml/steppe/internal/tuning"
	"github.com/steppe-ml/steppe/simd"
)

// module is what the packages with measurements are in.
const module = "github.com/steppe-ml/steppe/"

// measure runs a job, each package's part in a process of its own, on the active instruction set,
// and hands over the points as they come.
func measure(ctx context.Context, job tuning.Job, take func(tuning.Point) error) error {
	dir, err := os.MkdirTemp("", "tune")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range tuning.Packages(job.Knobs) {
		if err := measureIn(ctx, name, job, dir, take); err != nil {
			return err
		}
	}
	return nil
}

// measureIn runs the part of a job that one package measures.
func measureIn(ctx context.Context, name string, job tuning.Job, dir string, take func(tuning.Point) error) error {
	test := filepath.Join(dir, name+".test.exe")
	if output, err := exec.CommandContext(ctx, "go", "test", "-c", "-o", test, module+name).CombinedOutput(); err != nil {
		return fmt.Errorf("building the tests of %s: %w\n%s", name, err, bytes.TrimSpace(output))
	}

	text, err := json.Marshal(job)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	child := exec.CommandContext(ctx, test, "-test.run=^TestTune$", "-test.timeout=0")
	child.Env = append(os.Environ(), tuning.EnvVar+"="+string(text), simd.EnvVar+"="+simd.Active().String())
	stdout, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	child.Stderr = child.Stdout
	if err := child.Start(); err != nil {
		return err
	}
	rest, err := read(stdout, take)
	if err != nil {
		stop()
		_ = child.Wait() // it was killed
		return err
	}
	if err := child.Wait(); err != nil {
		return fmt.Errorf("measuring in %s: %w\n%s", name, err, bytes.TrimSpace(rest))
	}
	return nil
}

// read hands over the points among the lines that it reads, and returns the
// others.
func read(r io.Reader, take func(tuning.Point) error) (rest []byte, err error) {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		var p tuning.Point
		if json.Unmarshal(line, &p) == nil {
			if err := take(p); err != nil {
				return rest, err
			}
		} else {
			rest = append(rest, line...)
		}
		if err == io.EOF {
			return rest, nil
		} else if err != nil {
			return rest, err
		}
	}
}
