package blas

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/blas/gonum"
	"gonum.org/v1/gonum/blas/testblas"

	"github.com/steppe-ml/steppe/internal/simdtest"
)

// gonum's own tests of its interface, which there are for float64.
func TestGonumsLevel3(t *testing.T) {
	impl := Implementation{}
	for name, test := range map[string]func(*testing.T){
		"Dgemm":  func(t *testing.T) { testblas.TestDgemm(t, impl) },
		"Dsymm":  func(t *testing.T) { testblas.DsymmTest(t, impl) },
		"Dsyrk":  func(t *testing.T) { testblas.DsyrkTest(t, impl) },
		"Dsyr2k": func(t *testing.T) { testblas.Dsyr2kTest(t, impl) },
		"Dtrmm":  func(t *testing.T) { testblas.DtrmmTest(t, impl) },
		"Dtrsm":  func(t *testing.T) { testblas.DtrsmTest(t, impl) },
	} {
		t.Run(name, func(t *testing.T) { simdtest.EachISA(t, test) })
	}
}

// level3Call is what a routine of level 3 is called with; a, b and c are lengths.
type level3Call[T Float] struct {
	s              blas.Side
	ul             blas.Uplo
	t              Transpose
	d              blas.Diag
	m, n, k        int
	a, lda, b, ldb int
	c, ldc         int
	alpha, beta    T
}

// byName are the routines, by names without the letter of their type.
func (r routines[T]) byName() map[string]func(c level3Call[T], a, b, cc []T) {
	return map[string]func(c level3Call[T], a, b, cc []T){
		"symm": func(c level3Call[T], a, b, cc []T) {
			r.symm(c.s, c.ul, c.m, c.n, c.alpha, a, c.lda, b, c.ldb, c.beta, cc, c.ldc)
		},
		"syrk": func(c level3Call[T], a, b, cc []T) { r.syrk(c.ul, c.t, c.n, c.k, c.alpha, a, c.lda, c.beta, cc, c.ldc) },
		"syr2k": func(c level3Call[T], a, b, cc []T) {
			r.syr2k(c.ul, c.t, c.n, c.k, c.alpha, a, c.lda, b, c.ldb, c.beta, cc, c.ldc)
		},
		"trmm": func(c level3Call[T], a, b, cc []T) {
			r.trmm(c.s, c.ul, c.t, c.d, c.m, c.n, c.alpha, a, c.lda, b, c.ldb)
		},
		"trsm": func(c level3Call[T], a, b, cc []T) {
			r.trsm(c.s, c.ul, c.t, c.d, c.m, c.n, c.alpha, a, c.lda, b, c.ldb)
		},
	}
}

func TestLevel3PanicsLikeGonum(t *testing.T) {
	t.Run("float32", func(t *testing.T) { testLevel3Panics(t, routines32(gonum.Implementation{})) })
	t.Run("float64", func(t *testing.T) { testLevel3Panics(t, routines64(gonum.Implementation{})) })
}

// Calls with two things wrong tell the order of the checks.
func testLevel3Panics[T Float](t *testing.T, gonums routines[T]) {
	type call = level3Call[T]
	good := call{s: blas.Left, ul: blas.Upper, t: NoTrans, d: blas.NonUnit, m: 4, n: 4, k: 4, a: 16, lda: 4, b: 16, ldb: 4, c: 16, ldc: 4, alpha: 1}
	changes := map[string]func(*call){
		"good":         func(c *call) {},
		"side":         func(c *call) { c.s, c.ul = 'X', 'X' },
		"triangle":     func(c *call) { c.ul, c.t, c.m, c.n = 'X', 'X', -1, -1 },
		"transpose":    func(c *call) { c.t, c.d, c.n = 'X', 'X', -1 },
		"diagonal":     func(c *call) { c.d, c.m = 'X', -1 },
		"m":            func(c *call) { c.m, c.n = -1, -1 },
		"n":            func(c *call) { c.n, c.k, c.lda = -1, -1, 0 },
		"k":            func(c *call) { c.k, c.lda = -1, 0 },
		"lda":          func(c *call) { c.lda, c.ldb = 3, 3 },
		"lda right":    func(c *call) { c.s, c.n, c.ldb, c.ldc, c.c, c.b = blas.Right, 5, 5, 5, 20, 20 },
		"lda left":     func(c *call) { c.m = 5 },
		"lda k":        func(c *call) { c.k = 5 },
		"lda trans":    func(c *call) { c.t, c.n, c.ldc, c.ldb = Trans, 5, 5, 5 },
		"ldb":          func(c *call) { c.ldb, c.ldc = 3, 3 },
		"ldc":          func(c *call) { c.ldc, c.a = 3, 0 },
		"short a":      func(c *call) { c.a, c.b = 15, 15 },
		"short b":      func(c *call) { c.b, c.c = 15, 15 },
		"short c":      func(c *call) { c.c = 15 },
		"short aT":     func(c *call) { c.t, c.k, c.a = ConjTrans, 2, 7 },
		"exact aT":     func(c *call) { c.t, c.k, c.a, c.b = ConjTrans, 2, 8, 8 },
		"m zero":       func(c *call) { c.m, c.a, c.b, c.c = 0, 0, 0, 0 },
		"n zero":       func(c *call) { c.n, c.a, c.b, c.c = 0, 0, 0, 0 },
		"k zero":       func(c *call) { c.k, c.a, c.b = 0, 12, 12 },
		"k zero, none": func(c *call) { c.k, c.a, c.b = 0, 0, 0 },
		"k zero trans": func(c *call) { c.t, c.k, c.a, c.b = Trans, 0, 0, 0 },
		"alpha zero":   func(c *call) { c.alpha, c.a = 0, 3 },
		"nothing":      func(c *call) { c.alpha, c.beta, c.c = 0, 1, 0 },
	}
	result := func(routine func(c call, a, b, cc []T), c call) (r any) {
		defer func() { r = recover() }()
		routine(c, make([]T, c.a), make([]T, c.b), make([]T, c.c))
		return nil
	}
	ours, panics := ourRoutines[T]().byName(), 0
	for name, routine := range gonums.byName() {
		for what, change := range changes {
			c := good
			change(&c)
			want := result(routine, c)
			assert.Equal(t, want, result(ours[name], c), "%s, %s", name, what)
			if want != nil {
				panics++
			}
		}
	}
	assert.Greater(t, panics, 60)
}

// What this package has is what gonum computes by, once it is told to.
func TestUse(t *testing.T) {
	formerly32, formerly64 := blas32.Implementation(), blas64.Implementation()
	defer func() { blas32.Use(formerly32); blas64.Use(formerly64) }()
	Use()
	assert.Equal(t, Implementation{}, blas32.Implementation())
	assert.Equal(t, Implementation{}, blas64.Implementation())
}
