package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/zoo"
	"github.com/steppe-ml/steppe/simd"
)

// asCommand is an environment variable that turns the test binary into the command.
const asCommand = "STEPPE_TEST_AS_COMMAND"

// asStubborn is an environment variable that turns the test binary into a program that handles
// signals as the command does, but doesn't end by the first.
const asStubborn = "STEPPE_TEST_STUBBORN"

func stubborn() {
	ctx := withSignals(context.Background())
	fmt.Println("begins")
	<-ctx.Done()
	fmt.Println(context.Cause(ctx))
	select {}
}

// tiny is a model that trains in no time, even in plain Go and under the race detector.
var tiny = zoo.Model{
	Name:  "tiny",
	About: "16 hidden features, for tests",
	Input: net.Shape{4, 4, 1}, Batch: 32,
	Layers: func(_ net.Shape, outputs int) ([]net.Layer, error) {
		return []net.Layer{net.Flatten{}, net.Dense{Out: 16}, net.ReLU{}, net.Dense{Out: outputs}}, nil
	},
}

// tinyNorm is tiny with a normalization over the batch.
var tinyNorm = zoo.Model{
	Name: "tiny-norm", About: "16 hidden features, normalized, for tests",
	Input: net.Shape{4, 4, 1}, Batch: 32,
	Layers: func(_ net.Shape, outputs int) ([]net.Layer, error) {
		return []net.Layer{net.Flatten{}, net.Dense{Out: 16}, net.BatchNorm{}, net.ReLU{}, net.Dense{Out: outputs}}, nil
	},
}

func TestMain(m *testing.M) {
	zoo.Models = append(zoo.Models, tiny, tinyNorm)
	if os.Getenv(asStubborn) != "" {
		stubborn()
	}
	if os.Getenv(asCommand) != "" {
		main()
	}
	if err := simd.Err(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	for _, f := range afterTests {
		f()
	}
	os.Exit(code)
}

// afterTests are called after the last test.
var afterTests []func()

// steppe runs a command line in this process.
func steppe(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return steppeIn(t, context.Background(), args...)
}

func steppeIn(t *testing.T, ctx context.Context, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.String(), errs.String()
}

// startsItself returns why the test binary can't be started as another process.
var startsItself = sync.OnceValue(func() error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	return exec.Command(self, "-test.list=^$").Run()
})

// child returns a command line that runs in its own process.
func child(t *testing.T, args ...string) *exec.Cmd {
	self, err := os.Executable()
	require.NoError(t, err)
	var emulated *fs.PathError
	if errors.As(startsItself(), &emulated) {
		t.Skip("under emulation no process can be started: ", emulated)
	}
	cmd := exec.CommandContext(t.Context(), self, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// countdown is a context that is done after a number of calls of Err. Commands call it once a
// step, or from several workers.
type countdown struct {
	context.Context
	steps *atomic.Int64
}

func interruptedAfter(steps int) context.Context {
	c := countdown{context.Background(), new(atomic.Int64)}
	c.steps.Store(int64(steps))
	return c
}

func (c countdown) Err() error {
	if c.steps.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

// halves makes a folder of 64 training and 32 test images of 4x4 pixels. The label says whether the
// left or the right half is bright. If blank is true, all pixels are dark, and nothing can be
// learned.
func halves(t *testing.T, blank bool) string {
	dir := filepath.Join(t.TempDir(), "halves")
	require.NoError(t, os.Mkdir(dir, 0o777))
	for name, n := range map[string]int{"train": 64, "t10k": 32} {
		images := header(3, n, 4, 4)
		labels := header(1, n)
		for i := range n {
			label := i % 2
			labels = append(labels, byte(label))
			for pixel := range 16 {
				bright := pixel%4/2 == label && !blank
				images = append(images, map[bool]byte{true: 200, false: 0}[bright])
			}
		}
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-images-idx3-ubyte"), images, 0o666))
		require.NoError(t, os.WriteFile(filepath.Join(dir, name+"-labels-idx1-ubyte"), labels, 0o666))
	}
	return dir
}

func header(rank byte, dims ...int) []byte {
	h := []byte{0, 0, 8, rank}
	for _, d := range dims {
		h = binary.BigEndian.AppendUint32(h, uint32(d))
	}
	return h
}

func read(t *testing.T, path string) string {
	content, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(content)
}

// names returns the names of a folder's files.
func names(t *testing.T, dir string) (names []string) {
	entries, err := os.ReadDir(dir)
	require.NoError(t, err)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

func TestErrors(t *testing.T) {
	data := halves(t, false)
	for _, test := range []struct{ line, want string }{
		{"frob", `unknown command "frob" for "steppe"`},
		{"bench --frob", "unknown flag: --frob (steppe bench --help lists the flags)"},
		{"bench frob", `steppe bench takes flags only, got "frob"`},
		{"train frob", `steppe train takes flags only, got "frob"`},
		{"eval", "steppe eval: want the folder of a run or a model file, as in `steppe eval runs/first`"},
		{"eval a b", `steppe eval takes one folder or file, got "b", too`},
		{"info frob", `steppe info takes flags only, got "frob"`},

		{"bench --model mlp,frob", `unknown model "frob", want one of mlp, `},
		{"bench --methods sgd,frob", `unknown method "frob", want one of sgd, sam, msam`},
		{"bench --methods=", `--model ["mlp"] and --methods [], want at least one of each`},
		{"bench --methods msam --shards 1", "--methods msam with --shards 1 leaves nothing to time: that is sam"},
		{"bench --model frob", `unknown model "frob", want one of mlp, `},
		{"train --model frob", `unknown model "frob", want one of mlp, `},
		{"train --method frob", `unknown method "frob", want one of sgd, sam, msam`},
		{"bench --data frob", `"frob" is neither a known data set nor a folder or file, expected one of digits, mnist, `},
		{"train --data frob", `"frob" is neither a known data set nor a folder or file, expected one of digits, mnist, `},

		{"bench --batch 0", "--batch is 0, want at least 1"},
		{"bench --batch 1439", "--batch 1439 is more than the 1,438 training samples of digits"},
		{"train --batch 65 --data " + data, "--batch 65 is more than the 58 training samples of halves (--valid 0.1 holds back 6)"},
		{"bench --shards 2,300", "--shards has 300, which fits none of the batches of mlp"},
		{"train --shards 65", "--shards 65 are more than --batch 64 has samples"},
		{"bench --shards 0", "--shards has 0, want at least 1"},
		{"train --shards -1", "--shards is -1, want at least 1"},
		{"bench --model mlp,resnet20 --shards 2,200", "--shards has 200, which fits none of the batches of resnet20"},
		{"bench --model mlp,lenet --data synthetic:16", "net: layer 0, Conv2D{Out:32 Kernel:3 Padding:-1}: input 16: "},
		{"bench --plot cost.gif", `"cost.gif": the name must end in one of .png, .svg`},
		{"bench --plot " + filepath.Join(data, "none", "cost.png"), "none"},
		{"bench --plot cost.png --methods msam", "--plot draws costs relative to SAM: --methods msam needs sam, and a method to compare with it"},
		{"bench --plot cost.png --methods sam,sgd", "--plot draws costs relative to SAM: --methods sam,sgd needs sam, and a method to compare with it"},
		{"bench --workers 0", "--workers is 0, want at least 1"},
		{"bench --rounds -1", "--rounds is -1, want at least 1, or 0 for the default"},
		{"bench --rho 0", "--rho is 0, want a positive radius: without one all methods are SGD"},
		{"bench --rho nan", "--rho is NaN, want a positive radius: without one all methods are SGD"},

		{"train --method sgd --shards 8", "--shards 8 with --method sgd, which has 1 shard"},
		{"train --method sam --shards 2", "--shards 2 with --method sam, which has 1 shard"},
		{"train --method sgd --rho 0.1", "--rho 0.1 with --method sgd, which perturbs nothing"},
		{"train --rho -1", "--rho is -1, want a finite number that isn't negative"},
		{"train --eta 0.1", "--eta 0.1 with --method msam, which doesn't scale its perturbation"},
		{"train --method asam --eta 0", "--eta is 0, want a positive number"},
		{"train --ascent-fraction 0", "--ascent-fraction is 0, want more than 0, and 1 at the most"},
		{"train --ascent-fraction nan", "--ascent-fraction is NaN, want more than 0, and 1 at the most"},
		{"train --ascent-every 0", "--ascent-every is 0, want at least 1"},
		{"train --method sgd --ascent-every 2", "sam: Ascent.Every is 2, and Rho is 0, which perturbs nothing"},
		{"train --method sgd --rho-schedule linear", "sam: RhoSchedule is set, and Rho is 0, which perturbs nothing"},
		{"train --rho-schedule frob", `unknown schedule of rho "frob", want one of constant, linear, cosine`},
		{"train --save=", "--save is empty, want a path"},
		{"train --out=", "--out is empty, want a path"},
		{"train --resume=", "--resume is empty, want a path"},
		{"train --rho nan", "--rho is NaN, want a finite number that isn't negative"},
		{"train --weight-decay nan", "--weight-decay is NaN, want "},
		{"train --save " + data, data + ": the file exists; --force replaces it"},
		{"train --force --save " + data, data + " is not a regular file"},
		{"train --epochs 0", "--epochs is 0, want at least 1"},
		{"train --lr -1", "--lr is -1, want a positive number"},
		{"train --lr 0", "--lr is 0, want a positive number"},
		{"train --lr 1e39", "--lr is 1e+39, want a positive number"},
		{"train --lr nan --optimizer adamw", "--lr is NaN, want a positive number"},
		{"train --optimizer frob", `unknown optimizer "frob", want one of sgd, adamw`},
		{"train --optimizer adamw --momentum 0.9", "--momentum with --optimizer adamw, which has none"},
		{"train --beta1 0.8", "--beta1 with --optimizer sgd, which has none"},
		{"train --optimizer adamw --beta1 1", "--beta1 is 1, want more than 0, and less than 1"},
		{"train --optimizer adamw --beta2 -1", "--beta2 is -1, want more than 0, and less than 1"},
		{"train --optimizer adamw --epsilon 0", "--epsilon is 0, want a positive number"},
		{"train --clip -1", "--clip is -1, want a finite number that isn't negative"},
		{"train --warmup 20", "--warmup is 20, want 0 or more and less than the 20 epochs"},
		{"train --warmup nan", "--warmup is NaN, want 0 or more and less than the 20 epochs"},
		{"train --momentum 1", "--momentum is 1, want 0 or more, and less than 1"},
		{"train --momentum 0.99999999999", "--momentum is 0.99999999999, want 0 or more, and less than 1"},

		{"compare frob", `steppe compare takes flags only, got "frob"`},
		{"compare --model frob", `unknown model "frob", want one of mlp, `},
		{"compare --methods frob", `unknown method "frob", want one of sgd, sam, msam`},
		{"compare --methods=", "--methods has no value, want at least 1"},
		{"compare --methods sam-on", "--methods has one that perturbs normalizations only, and the model has none"},
		{"compare --shards 65", "65 shards are more than --batch 64 has samples"},
		{"compare --rhos 0.1,0", "--rhos has 0, want positive numbers"},
		{"compare --rhos nan", "--rhos has NaN, want positive numbers"},
		{"compare --rhos=", `invalid argument "" for "--rhos" flag: "" is not a number`},
		{"compare --lrs 0.1,0", "--lrs has 0, want positive numbers"},
		{"compare --lrs 0.1,inf", "--lrs has +Inf, want positive numbers"},
		{"compare --lrs 0.1,0.2 --methods sam", "--methods lacks sgd, which chooses the learning rate for all methods"},
		{"compare --tune-lr frob", `--tune-lr is "frob", want sgd or all`},
		{"compare --label-noise 0,1.5", "--label-noise has 1.5, want fractions from 0 to 1"},
		{"train --seed -1", `invalid argument "-1" for "--seed" flag: want a whole number from 0 to 18446744073709551615`},
		{"train --seed 1.5", `invalid argument "1.5" for "--seed" flag: want a whole number from 0 to 18446744073709551615`},
		{"compare --seeds 0", "--seeds is 0, want at least 1"},
		{"compare --selection-seeds 0", "--selection-seeds is 0, want at least 1"},
		{"compare --validation nan", "--validation is NaN, want more than 0 and less than 1"},
		{"compare --subset -1", "--subset is -1, want at least 1, or 0 for all samples"},
		{"compare --subset 1439", "--subset 1439 is more than the 1,438 training samples of digits"},
		{"compare --batch 1300", "--batch is 1300, want at most the 1150 samples that are left without the validation samples"},
		{"compare --epochs 0", "--epochs is 0, want at least 1"},
		{"compare --warmup 20", "--warmup is 20, want 0 or more and less than the 20 epochs"},
		{"compare --momentum 1", "--momentum is 1, want at least 0 and less than 1"},
		{"compare --weight-decay nan", "--weight-decay is NaN, want 0 or a positive float32"},
		{"compare --batch 1 --methods msam", "--methods has msam, and --batch 1 has room for one shard only"},
		{"bench --methods sam-on", "--methods has one that perturbs normalizations only, and the model has none"},
		{"train --method sam-on", "--method sam-on perturbs normalizations only, and the model has none"},
		{"train --method momentum-sam --momentum 0", "--method momentum-sam perturbs by the base optimizer's momentum, and --momentum is 0"},
		{"train --method sgd --descent-look 0.5", "--descent-look 0.5 with --method sgd, which doesn't use it; looksam and mlooksam do"},
		{"train --method looksam --ascent-every 1", "--ascent-every is 1, want at least 2 with looksam"},
		{"train --method wsam --descent-weight 0", "--descent-weight is 0, want more than 0 and less than 1"},
		{"compare --workers 2 --jobs 3", "--jobs is 3, want 1 to 2, the workers"},
		{"compare --plot a.gif", `"a.gif": the name must end in one of .png, .svg`},
		{"compare --plot-rho a.gif", `"a.gif": the name must end in one of .png, .svg`},
		{"compare --json " + filepath.Join(data, "none", "study.json"), "none"},
	} {
		t.Run(test.line, func(t *testing.T) {
			code, stdout, stderr := steppe(t, strings.Fields(test.line)...)
			assert.Equal(t, 1, code)
			assert.Empty(t, stdout)
			assert.True(t, strings.HasPrefix(stderr, "steppe: "), stderr)
			assert.Contains(t, stderr, test.want)
			assert.Equal(t, 1, strings.Count(stderr, "\n"), "one line: %s", stderr)
		})
	}
}

func TestMisspelledCommandGetsSuggestion(t *testing.T) {
	code, _, stderr := steppe(t, "bnech")
	assert.Equal(t, 1, code)
	assert.Contains(t, stderr, "Did you mean this?\n\tbench")
}

// Every command fails if STEPPE_SIMD names an unknown instruction set.
func TestBadISA(t *testing.T) {
	for _, name := range []string{"info", "bench", "train", "eval file"} {
		t.Run(name, func(t *testing.T) {
			cmd := child(t, strings.Fields(name)...)
			cmd.Env = append(cmd.Env, simd.EnvVar+"=mmx")
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Run(), &exit)
			assert.Equal(t, 1, exit.ExitCode())
			assert.Empty(t, stdout.String())
			assert.Equal(t, `steppe: STEPPE_SIMD=mmx: simd: unknown instruction set "mmx", want one of generic, avx2, avx512, avx512-halves, neon`+"\n", stderr.String())
		})
	}
}

// Ctrl-C ends a process that runs on its own.
func TestInterrupt(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process can't send another one an interrupt")
	}
	for _, line := range [][]string{
		{"bench", "--model", "tiny", "--rounds", "1000000000"},
		{"train", "--model", "tiny", "--epochs", "1000000000"},
	} {
		t.Run(line[0], func(t *testing.T) {
			cmd := child(t, line...)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			require.NoError(t, cmd.Start())
			lines := bufio.NewScanner(stdout)
			require.True(t, lines.Scan(), "the header")
			require.NoError(t, cmd.Process.Signal(os.Interrupt))
			for lines.Scan() {
			}
			var exit *exec.ExitError
			require.ErrorAs(t, cmd.Wait(), &exit)
			assert.Equal(t, 130, exit.ExitCode())
			assert.True(t, strings.HasPrefix(stderr.String(), "steppe: interrupted\n"), stderr.String())
		})
	}
}

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errors.New("no space left") }

func TestOutputFails(t *testing.T) {
	var stderr bytes.Buffer
	assert.Equal(t, 1, run(t.Context(), []string{"info"}, fullDisk{}, &stderr))
	assert.Equal(t, "steppe: no space left\n", stderr.String())
}
