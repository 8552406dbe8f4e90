package tabletest

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
)

// table has one function of each kind. Those of sync/atomic are assembly.
type table struct {
	size   int
	add    func(*int32, int32) int32
	swap   func(*int32, int32) int32
	load   func(*int32) int32
	panels []panel
	wide   [][]panel
	broad  panel
	pairs  [][2]func()
}

type panel struct {
	columns int
	tile    []func(*int32, int32) int32
}

func goAdd(p *int32, n int32) int32 { return *p + n }

func example() *table {
	return &table{
		size:   8,
		add:    atomic.AddInt32,
		swap:   goAdd,
		load:   nil,
		panels: []panel{{4, []func(*int32, int32) int32{atomic.AddInt32}}, {8, []func(*int32, int32) int32{atomic.SwapInt32, goAdd}}},
		wide:   nil,
		broad:  panel{8, []func(*int32, int32) int32{atomic.SwapInt32}},
		pairs:  [][2]func(){},
	}
}

func TestMissing(t *testing.T) {
	const inGo = "github.com/steppe-ml/steppe/internal/tabletest.goAdd"
	assert.Equal(t, map[string]string{
		"swap": inGo, "load": "none", "panels.tile": inGo, "wide.tile": "none", "pairs": "none",
	}, Missing(example()))
}

func TestCheck(t *testing.T) {
	list := func(fields ...string) map[string]string {
		without := map[string]string{}
		for _, f := range fields {
			without[f] = "a reason"
		}
		return without
	}
	for _, c := range []struct {
		without map[string]string
		want    []string
	}{
		{list("swap", "load", "panels.tile", "wide.tile", "pairs"), nil},
		{list("load", "panels.tile", "wide.tile", "pairs"),
			[]string{"swap is github.com/steppe-ml/steppe/internal/tabletest.goAdd: write it in assembly, or give a reason"}},
		{list("swap", "panels.tile", "wide.tile", "pairs"), []string{"load is none: write it in assembly, or give a reason"}},
		{list("swap", "load", "panels.tile", "wide.tile", "pairs", "add"),
			[]string{"add is assembly, or no function at all: take its reason off the list (a reason)"}},
		{list("swap", "load", "panels.tile", "wide.tile", "pairs", "size"),
			[]string{"size is assembly, or no function at all: take its reason off the list (a reason)"}},
	} {
		failures := &recorder{}
		Check(failures, example(), c.without)
		assert.Len(t, failures.said, len(c.want))
		for i, want := range c.want {
			assert.Contains(t, failures.said[i], want)
		}
	}
}

// recorder keeps what a test would have failed with.
type recorder struct{ said []string }

func (r *recorder) Errorf(format string, args ...any) {
	r.said = append(r.said, fmt.Sprintf(format, args...))
}
