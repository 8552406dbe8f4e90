// Command gonum times products and factorizations of gonum's mat on gonum's own BLAS and on
// Steppe's. One line switches between them: blas.Use().
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"os"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/mat"

	"github.com/steppe-ml/steppe/blas"
)

func main() {
	n := flag.Int("n", 1000, "rows and columns of the matrices")
	rounds := flag.Int("rounds", 3, "times that each is measured; the fastest counts")
	flag.Parse()
	if err := run(os.Stdout, *n, *rounds); err != nil {
		log.Fatal(err)
	}
}

// run prints the table for matrices of n x n.
func run(out io.Writer, n, rounds int) error {
	if n < 1 || rounds < 1 {
		return fmt.Errorf("n is %d and rounds %d, want at least 1", n, rounds)
	}
	t := table.NewWriter()
	t.SetOutputMirror(out)
	t.SetStyle(table.StyleLight)
	t.Style().Format.Header = text.FormatDefault
	t.AppendHeader(table.Row{fmt.Sprintf("%d x %d", n, n), "gonum", "with Steppe", "faster"})
	t.SetColumnConfigs([]table.ColumnConfig{{Number: 2, Align: text.AlignRight}, {Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight}})
	for _, w := range works(n) {
		before, after := time.Duration(1<<62), time.Duration(1<<62)
		for range rounds { // alternate, so that a busy machine slows both
			blas64.Use(gonum.Implementation{})
			before = min(before, elapsed(w.do))
			blas.Use() // the one line
			after = min(after, elapsed(w.do))
		}
		t.AppendRow(table.Row{w.name, milliseconds(before), milliseconds(after), fmt.Sprintf("%.1fx", before.Seconds()/after.Seconds())})
	}
	t.Render()
	return nil
}

type work struct {
	name string
	do   func()
}

// works returns operations of mat on random matrices of n x n.
func works(n int) []work {
	r := rand.New(rand.NewPCG(1, 2))
	a, b := mat.NewDense(n, n, nil), mat.NewDense(n, n, nil)
	for _, m := range []*mat.Dense{a, b} {
		m.Apply(func(int, int, float64) float64 { return r.NormFloat64() }, m)
	}
	var positive mat.SymDense // A*A' + n*I
	positive.SymOuterK(1, a)
	for i := range n {
		positive.SetSym(i, i, positive.At(i, i)+float64(n))
	}
	return []work{
		{"Dense.Mul", func() { new(mat.Dense).Mul(a, b) }},
		{"LU", func() { new(mat.LU).Factorize(a) }},
		{"QR", func() { new(mat.QR).Factorize(a) }},
		{"Cholesky", func() { must(new(mat.Cholesky).Factorize(&positive)) }},
		{"Solve", func() { must(new(mat.Dense).Solve(a, b) == nil) }},
		{"singular values", func() { must(new(mat.SVD).Factorize(a, mat.SVDNone)) }},
		{"eigenvalues, symmetric", func() { must(new(mat.EigenSym).Factorize(&positive, false)) }},
		{"eigenvalues", func() { must(new(mat.Eigen).Factorize(a, mat.EigenNone)) }},
	}
}

// must ends the program if a factorization failed, since its time would mean nothing.
func must(succeeded bool) {
	if !succeeded {
		log.Fatal("a factorization of a random matrix failed")
	}
}

func elapsed(do func()) time.Duration {
	begin := time.Now()
	do()
	return time.Since(begin)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.1f ms", d.Seconds()*1e3) }
