package asmcheck

import (
	"cmp"
	"flag"
	"fmt"
	"math"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// tally is what a loop of arm64 code is made of, by what parts of a core it keeps busy.
type tally struct {
	fmas     int // vectors multiplied and added
	quads    int // loads of whole vectors, two of a pair
	elements int // loads of less than a vector
	stores   int // of vectors and elements
	vector   int // other work on vectors and floats
	general  int // addresses, counts, jumps, prefetches
	updates  int // of an address, by a load or a store that moves on
}

var (
	multiplies = regexp.MustCompile(`^(VFML[AS]|fml[as]|FN?M(ADD|SUB)[SD])$`)
	memory     = regexp.MustCompile(`^(F(MOV|LDP|STP)[SDQ]|VLD[1-4]R?|VST[1-4])(\.[PW])?$|^(ld|st)([rp]|ur|[1-4]r?)$`)
	gnuQuad    = regexp.MustCompile(`^q\d+$`)
	inMemory   = regexp.MustCompile(`\)$`)
)

// tallyOf counts the instructions of some code. Loads of n vectors are n loads, as cores execute
// them.
func tallyOf(code []instruction) (t tally) {
	for _, i := range code {
		switch {
		case multiplies.MatchString(i.op):
			t.fmas++
		case memory.MatchString(i.op) && i.touchesMemory():
			t.add(i)
		case i.word != "" || strings.HasPrefix(i.op, "V") || strings.HasPrefix(i.op, "F"):
			t.vector++
		default:
			t.general++
		}
	}
	return t
}

// touchesMemory reports whether a move isn't one between registers.
func (i instruction) touchesMemory() bool {
	return i.word != "" || slices.ContainsFunc(i.operands, inMemory.MatchString)
}

// add counts a load or a store.
func (t *tally) add(i instruction) {
	name, _, moves := strings.Cut(i.op, ".")
	if moves {
		t.updates++
	}
	registers, last := i.operands[0], i.operands[len(i.operands)-1]
	if !strings.HasPrefix(name, "VST") && !strings.HasPrefix(name, "FST") && inMemory.MatchString(registers) && i.word == "" {
		registers = last // of a load in Go's order
	}
	vectors := 1
	if list, ok := strings.CutPrefix(registers, "["); ok {
		vectors = len(strings.Split(list, ","))
	} else if strings.HasPrefix(name, "FLDP") || strings.HasPrefix(name, "FSTP") || name == "ldp" || name == "stp" {
		vectors = 2
	}
	switch {
	case strings.HasPrefix(name, "VST"), strings.HasPrefix(name, "FST"), strings.HasPrefix(name, "st"),
		strings.HasPrefix(name, "FMOV") && registers != last && inMemory.MatchString(last):
		t.stores += vectors
	case strings.HasSuffix(name, "Q"), gnuQuad.MatchString(registers),
		name == "VLD1" && strings.HasPrefix(registers, "[") && !strings.Contains(registers, "S2") && !strings.Contains(registers, "D1"):
		t.quads += vectors
	default:
		t.elements += vectors
	}
}

func (t tally) instructions() int {
	return t.fmas + t.quads + t.elements + t.stores + t.vector + t.general
}

// core is what a kind of core does in a cycle at most.
type core struct {
	pipes    int // vector instructions
	loads    int // loads
	memory   int // loads and stores
	stores   int // stores
	dispatch int // all instructions; an address that is moved on counts as one more
	latency  int // cycles from an FMA to the next one with the same accumulator
}

// The two kinds of cores, by Arm's optimization guides for Neoverse N1, V1 and V2. Apple's cores
// are like V2.
var (
	twoPipes  = core{pipes: 2, loads: 2, memory: 2, stores: 1, dispatch: 4, latency: 4}
	fourPipes = core{pipes: 4, loads: 3, memory: 3, stores: 2, dispatch: 8, latency: 4}
)

// peak is the fraction of a core's FMAs that a loop reaches, each of whose accumulators it adds to so
// many times, if nothing limits it but the core's parts and the accumulators' chains.
func (c core) peak(t tally, accumulators int) float64 {
	over := func(work, units int) float64 { return float64(work) / float64(units) }
	loads := t.quads + t.elements
	cycles := max(
		over(t.fmas+t.vector, c.pipes),
		over(loads, c.loads),
		over(t.stores, c.stores),
		over(loads+t.stores, c.memory),
		over(t.instructions()+t.updates, c.dispatch),
		over(t.fmas*c.latency, accumulators),
	)
	return over(t.fmas, c.pipes) / cycles
}

func TestTally(t *testing.T) {
	for code, want := range map[string]tally{
		"VLD1.P (R14)(R11), [V24.S4, V25.S4]":                      {quads: 2, updates: 1},
		"VLD1.P (R14)(R11), [V24.S2]":                              {elements: 1, updates: 1},
		"VLD1.P (R14)(R11), V24.D[1]":                              {elements: 1, updates: 1},
		"VLD1R  (R14), [V24.S4]":                                   {elements: 1},
		"VST1.P [V24.S4, V25.S4, V26.S4], (R14)(R11)":              {stores: 3, updates: 1},
		"VST1   V2.S[2], (R15)":                                    {stores: 1},
		"FMOVQ  16(R2), F2":                                        {quads: 1},
		"FMOVQ  F2, 16(R2)":                                        {stores: 1},
		"FMOVS  (R1)(R9<<2), F27":                                  {elements: 1},
		"FMOVS.P 4(R5), F17":                                       {elements: 1, updates: 1},
		"FMOVS  alpha+88(FP), F27":                                 {elements: 1},
		"FMOVS  F1, F2":                                            {vector: 1},
		"FMOVS  F1, R2":                                            {vector: 1},
		"FLDPQ  32(R3), (F1, F2)":                                  {quads: 2},
		"FSTPQ  (F1, F2), 32(R3)":                                  {stores: 2},
		"FLDPS  8(R3), (F1, F2)":                                   {elements: 2},
		"WORD   $0x3ce9683b // ldr q27, [x1,x9]":                   {quads: 1},
		"WORD   $0x3ca9683b // str q27, [x1,x9]":                   {stores: 1},
		"WORD   $0x4f9b1300 // fmla v0.4s, v24.4s, v27.s[0]":       {fmas: 1},
		"WORD   $0x4e38d400 // fadd v0.4s, v0.4s, v24.4s":          {vector: 1},
		"VFMLS  V24.S4, V27.S4, V0.S4":                             {fmas: 1},
		"FMADDS F0, F1, F31, F1":                                   {fmas: 1},
		"VMOV   V7.B16, V1.B16":                                    {vector: 1},
		"SUBS   $4, R9, R9":                                        {general: 1},
		"BGE    loop":                                              {general: 1},
		"PRFM   (R13), PLDL1KEEP":                                  {general: 1},
		"MOVD   (R22), R12":                                        {general: 1},
		"VLD1.P (R1)(R2), [V4.D2]\n\tFMOVD (R1), F1\n\tADD $8, R1": {quads: 1, elements: 1, general: 1, updates: 1},
	} {
		s := parse("f_neon_arm64.s", "TEXT ·fNEON(SB), NOSPLIT, $0-0\n\t"+code+"\n")
		assert.Equal(t, want, tallyOf(s.functions[0].all()), code)
	}
}

func TestPeak(t *testing.T) {
	whole := tally{fmas: 24, quads: 5, updates: 3}
	assert.InDelta(t, 1, twoPipes.peak(whole, 24), 1e-9)
	assert.InDelta(t, 1, fourPipes.peak(whole, 24), 1e-9)
	assert.InDelta(t, 0.75, fourPipes.peak(whole, 12), 1e-9, "12 accumulators, for 16 FMAs under way")
	assert.InDelta(t, 0.75, twoPipes.peak(tally{fmas: 9, quads: 12}, 12), 1e-9, "loads")
	assert.InDelta(t, 0.5, fourPipes.peak(tally{fmas: 8, vector: 8}, 24), 1e-9, "other vector instructions")
	assert.InDelta(t, 0.5, twoPipes.peak(tally{fmas: 4, stores: 4}, 24), 1e-9, "stores")
	assert.InDelta(t, 8.0/4/(24.0/4), fourPipes.peak(tally{fmas: 8, general: 36, updates: 4}, 24), 1e-9, "all instructions")
}

var update = flag.Bool("update", false, "write the tables of counts into docs/KERNELS.md")

const docs = "../../docs/KERNELS.md"

// The tables of docs/KERNELS.md are what the files hold.
func TestCountsInDocs(t *testing.T) {
	text, err := os.ReadFile(docs)
	require.NoError(t, err)
	want := string(text)
	for name, table := range map[string]string{"tiles": tilesTable(t), "vectors": vectorsTable(t)} {
		begin, end := fmt.Sprintf("<!-- counts: %s -->\n", name), "<!-- end of counts -->"
		before, rest, ok := strings.Cut(want, begin)
		require.True(t, ok, "%s in %s", begin, docs)
		_, after, ok := strings.Cut(rest, end)
		require.True(t, ok, "%s behind %s", end, begin)
		want = before + begin + table + end + after
	}
	if *update && want != string(text) {
		require.NoError(t, os.WriteFile(docs, []byte(want), 0o644))
		return
	}
	assert.Equal(t, want, string(text), "go test ./internal/asmcheck -run CountsInDocs -update writes the counts")
}

// neon returns the files of arm64.
func neon(t *testing.T) []*source {
	t.Helper()
	return slices.DeleteFunc(slices.Clone(assembly(t)), func(s *source) bool { return s.arch != "arm64" })
}

// Whole tiles take all registers for sums: of 24 accumulators each, loads are fewest where A's
// columns lie one behind the other, as packing makes them.
func TestWholeTilesOfNEON(t *testing.T) {
	for kernel, quads := range map[string]int{"sgemm8x12": 5, "tile8x12": 5, "dgemm8x6": 7} {
		best := math.Inf(1)
		for _, s := range neon(t) {
			for _, f := range s.functions {
				if f.name != kernel+"NEON" {
					continue
				}
				for _, loop := range f.innermost() {
					l, c := countK(loop, sets["NEON"]), tallyOf(loop.code)
					assert.Empty(t, l.wrong, f.name)
					if len(l.accumulators) == 24 {
						best = min(best, float64(c.quads+c.elements)/float64(c.fmas))
					}
				}
			}
		}
		assert.LessOrEqual(t, best, float64(quads)/24, "%s: loads for an FMA", kernel)
	}
}

var ofColumns = regexp.MustCompile(`^columns(\d+)`)

// tilesTable has the loops of the highest tile of each panel, for all of its columns. Kernels that
// have the same loops share rows.
func tilesTable(t *testing.T) string {
	t.Helper()
	var order []string // loops in the order of the files
	kernels := map[string][]string{}
	for _, s := range neon(t) {
		for _, f := range highest(s) {
			k, _ := gemm(s, f.name)
			var loops strings.Builder
			for _, loop := range f.innermost() {
				l := countK(loop, k.set)
				if m := ofColumns.FindStringSubmatch(loop.label); l.prefetches || m != nil && m[1] != strconv.Itoa(k.columns) {
					continue
				}
				c, sums := tallyOf(loop.code), len(l.accumulators)
				fmt.Fprintf(&loops, "%s | %d | %d | %d | %d | %s | %s |\n", strings.TrimLeft(loop.label, "abcdefghijklmnopqrstuvwxyz0123456789"),
					c.fmas, c.quads, c.elements, c.general, percent(twoPipes.peak(c, sums)), percent(fourPipes.peak(c, sums)))
			}
			if kernels[loops.String()] == nil {
				order = append(order, loops.String())
			}
			kernels[loops.String()] = append(kernels[loops.String()], "`"+strings.TrimSuffix(f.name, "NEON")+"`")
		}
	}
	var rows strings.Builder
	rows.WriteString("| kernel | loop | FMAs | quad loads | other loads | general | two pipes | four pipes |\n|---|---|---|---|---|---|---|---|\n")
	for _, loops := range order {
		name := strings.Join(kernels[loops], ", ")
		for loop := range strings.Lines(loops) {
			fmt.Fprintf(&rows, "| %s | %s", name, loop)
			name = ""
		}
	}
	return rows.String()
}

// percent rounds down, so that 100% is just that.
func percent(fraction float64) string { return fmt.Sprintf("%.0f%%", math.Floor(100*fraction)) }

// highest returns the kernels for the tiles with most rows of each panel, and those of wide tiles.
func highest(s *source) (kernels []function) {
	rows := map[int]int{} // by columns
	for _, f := range s.functions {
		if k, ok := gemm(s, f.name); ok && !k.wide {
			rows[k.columns] = max(rows[k.columns], k.rows)
		}
	}
	for _, f := range s.functions {
		if k, ok := gemm(s, f.name); ok && (k.wide || k.rows == rows[k.columns]) {
			kernels = append(kernels, f)
		}
	}
	return kernels
}

// vectorsTable has the main loop of each other kernel: the one with most work on vectors. Kernels of
// float64 that have the counts of float32 share rows with them.
func vectorsTable(t *testing.T) string {
	t.Helper()
	type row struct {
		names []string
		tally
	}
	var rows []*row
	for _, s := range neon(t) {
		for _, f := range s.functions {
			if _, ok := gemm(s, f.name); ok {
				continue
			}
			loops := f.innermost()
			require.NotEmpty(t, loops, "%s: inner loops of %s", s.path, f.name)
			main := slices.MaxFunc(loops, func(a, b block) int {
				x, y := tallyOf(a.code), tallyOf(b.code)
				return cmp.Or(cmp.Compare(x.fmas+x.vector, y.fmas+y.vector), cmp.Compare(x.quads, y.quads), cmp.Compare(y.general, x.general))
			})
			rows = append(rows, &row{[]string{strings.TrimSuffix(f.name, "NEON")}, tallyOf(main.code)})
		}
	}
	single := map[string]*row{} // by what the name would be of float32
	for _, r := range rows {
		single[r.names[0]] = r
	}
	var table strings.Builder
	table.WriteString("| kernel | FMAs | other vector | quad loads | other loads | stores | general |\n|---|---|---|---|---|---|---|\n")
	for _, r := range rows {
		of32 := float32Name.ReplaceAllString(r.names[0], "s$1")
		of32 = strings.Replace(of32, "64", "32", 1)
		if twin := single[of32]; twin != nil && twin != r && twin.tally == r.tally {
			twin.names = append(twin.names, r.names[0])
			r.names = nil
		}
	}
	for _, r := range rows {
		if r.names != nil {
			fmt.Fprintf(&table, "| `%s` | %d | %d | %d | %d | %d | %d |\n", strings.Join(r.names, "`, `"), r.fmas, r.vector, r.quads, r.elements, r.stores, r.general)
		}
	}
	return table.String()
}

// float32Name matches the names of kernels of the BLAS for float64.
var float32Name = regexp.MustCompile(`^d((?:axpy|scal|swap|rot|dot|asum|iamax|rank|dotAxpy).*)$`)
