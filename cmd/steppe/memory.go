package main

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/dustin/go-humanize"
	"github.com/spf13/pflag"

	machinememory "github.com/steppe-ml/steppe/internal/memory"
	"github.com/steppe-ml/steppe/net"
	"github.com/steppe-ml/steppe/net/dataset"
	"github.com/steppe-ml/steppe/net/optim"
	"github.com/steppe-ml/steppe/sam"
)

// memoryLimit is the flag value of --max-memory: bytes, or 0 for what is available.
type memoryLimit uint64

func (m *memoryLimit) String() string {
	if *m == 0 {
		return ""
	}
	return size(uint64(*m))
}

func (m *memoryLimit) Set(text string) error {
	bytes, err := humanize.ParseBytes(text)
	if err != nil || bytes == 0 || bytes > math.MaxInt {
		return errors.New("want a size such as 4GiB or 500MB")
	}
	*m = memoryLimit(bytes)
	return nil
}

func (m *memoryLimit) Type() string { return "size" }

func (m *memoryLimit) addFlag(flags *pflag.FlagSet) {
	flags.Var(m, "max-memory", "most memory to take, such as 4GiB (default what there is)")
}

// margin is the part of the available memory that is left alone: other programs want some, and the
// Go runtime takes some that no plan counts.
const margin = 1.0 / 16

// limit returns the most bytes to take, and whether the flag says so; 0 if nobody knows.
func (m memoryLimit) limit() (bytes uint64, given bool) {
	if m > 0 {
		return uint64(m), true
	}
	return uint64(float64(machinememory.Available()) * (1 - margin)), false
}

// memoryPart is what one part of a run takes.
type memoryPart struct {
	name  string
	bytes uint64
	taken bool // already; it isn't part of what is still available
}

// check returns an error if the parts are more than the limit.
func (m memoryLimit) check(parts ...memoryPart) error {
	return m.checkOr("a smaller --batch or --model", parts...)
}

// checkOr is check, with what the user can take to need less.
func (m memoryLimit) checkOr(less string, parts ...memoryPart) error {
	limit, given := m.limit()
	if limit == 0 {
		return nil
	}
	var needs, available uint64 = 0, limit
	var list []string
	for _, p := range parts {
		needs += p.bytes
		if p.taken && !given {
			available += p.bytes
		}
		list = append(list, fmt.Sprintf("%s %s", p.name, size(p.bytes)))
	}
	if needs <= available {
		return nil
	}
	has := fmt.Sprintf("%s are available: %s, or --max-memory %s if you know better",
		size(available), less, strings.ReplaceAll(size(needs+needs/10), " ", ""))
	if given {
		has = fmt.Sprintf("--max-memory is %s: raise it, or take %s", size(limit), less)
	}
	return fmt.Errorf("this run needs %s (%s), and %s", size(needs), strings.Join(list, ", "), has)
}

// checkStep is check for the steps of configurations that are there at the same time, with data
// that has been read. It plans the steps, and allocates nothing.
func (m memoryLimit) checkStep(model *net.Model, data []*dataset.Set, steps ...sam.Config) error {
	var step, params uint64
	for _, cfg := range steps {
		cfg.MaxMemory = 0
		plan, err := sam.NewPlan(model, cfg)
		if err != nil {
			return err
		}
		step += uint64(plan.Bytes)
		params += paramBytes(model, cfg.Base)
	}
	return m.check(memoryPart{"step", step, false}, memoryPart{"data", dataBytes(data), true}, memoryPart{"parameters", params, false})
}

// paramBytes is what a model's parameters take in training, with the vectors of the base optimizer
// and a copy of the best.
func paramBytes(model *net.Model, rule optim.Rule) uint64 {
	return 4 * uint64(model.NumParams()+model.NumState()) * uint64(2+rule.StateVectors())
}

// dataBytes is what sets have in memory.
func dataBytes(sets []*dataset.Set) (bytes uint64) {
	for _, s := range sets {
		if s != nil {
			bytes += 4*uint64(len(s.X)+len(s.Labels)+len(s.Targets)+len(s.Tokens)) + uint64(len(s.Segments)) + 8*uint64(len(s.Starts))
		}
	}
	return bytes
}

// size formats bytes with one decimal: 31.2 GiB.
func size(bytes uint64) string {
	const kib = 1 << 10
	if bytes < kib {
		return fmt.Sprintf("%d B", bytes)
	}
	x, unit := float64(bytes)/kib, 0
	for x >= 1023.95 && unit < 5 {
		x, unit = x/kib, unit+1
	}
	return fmt.Sprintf("%.1f %ciB", x, "KMGTPE"[unit])
}
