package blas

import (
	"flag"
	"testing"

	"github.com/stretchr/testify/require"
	"gonum.org/v1/gonum/blas/blas64"
	"gonum.org/v1/gonum/lapack/gonum"
	"gonum.org/v1/gonum/lapack/testlapack"
)

var lapack = flag.Bool("blas.lapack", false, "run gonum's tests of LAPACK on our BLAS, for some minutes")

// gonum's tests of its LAPACK, all that it runs itself, on our BLAS.
func TestGonumsLAPACK(t *testing.T) {
	if testing.Short() || !*lapack {
		t.Skip("takes minutes: go test ./blas -run LAPACK -blas.lapack -timeout 1h")
	}
	former := blas64.Implementation()
	t.Cleanup(func() { blas64.Use(former) })
	blas64.Use(Implementation{})
	for _, routine := range lapackTests {
		t.Run(routine.name, func(t *testing.T) {
			require.Equal(t, Implementation{}, blas64.Implementation())
			routine.test(t, gonum.Implementation{})
		})
	}
}

// lapackTests are those that gonum's lapack/gonum/lapack_test.go runs.
var lapackTests = []struct {
	name string
	test func(t *testing.T, impl gonum.Implementation)
}{
	{"Dbdsqr", func(t *testing.T, impl gonum.Implementation) { testlapack.DbdsqrTest(t, impl) }},
	{"Dhseqr", func(t *testing.T, impl gonum.Implementation) { testlapack.DhseqrTest(t, impl) }},
	{"Dgebak", func(t *testing.T, impl gonum.Implementation) { testlapack.DgebakTest(t, impl) }},
	{"Dgebal", func(t *testing.T, impl gonum.Implementation) { testlapack.DgebalTest(t, impl) }},
	{"Dgebd2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgebd2Test(t, impl) }},
	{"Dgebrd", func(t *testing.T, impl gonum.Implementation) { testlapack.DgebrdTest(t, impl) }},
	{"Dgecon", func(t *testing.T, impl gonum.Implementation) { testlapack.DgeconTest(t, impl) }},
	{"Dgeev", func(t *testing.T, impl gonum.Implementation) { testlapack.DgeevTest(t, impl) }},
	{"Dgehd2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgehd2Test(t, impl) }},
	{"Dgehrd", func(t *testing.T, impl gonum.Implementation) { testlapack.DgehrdTest(t, impl) }},
	{"Dgelqf", func(t *testing.T, impl gonum.Implementation) { testlapack.DgelqfTest(t, impl) }},
	{"Dgelq2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgelq2Test(t, impl) }},
	{"Dgeql2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgeql2Test(t, impl) }},
	{"Dgels", func(t *testing.T, impl gonum.Implementation) { testlapack.DgelsTest(t, impl) }},
	{"Dgerq2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgerq2Test(t, impl) }},
	{"Dgesc2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgesc2Test(t, impl) }},
	{"Dgeqp3", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgeqp3Test(t, impl) }},
	{"Dgeqr2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgeqr2Test(t, impl) }},
	{"Dgeqrf", func(t *testing.T, impl gonum.Implementation) { testlapack.DgeqrfTest(t, impl) }},
	{"Dgerqf", func(t *testing.T, impl gonum.Implementation) { testlapack.DgerqfTest(t, impl) }},
	{"Dgesv", func(t *testing.T, impl gonum.Implementation) { testlapack.DgesvTest(t, impl) }},
	{"Dgesvd", func(t *testing.T, impl gonum.Implementation) { testlapack.DgesvdTest(t, impl, 1e-13) }},
	{"Dgetc2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgetc2Test(t, impl) }},
	{"Dgetri", func(t *testing.T, impl gonum.Implementation) { testlapack.DgetriTest(t, impl) }},
	{"Dgetf2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dgetf2Test(t, impl) }},
	{"Dgetrf", func(t *testing.T, impl gonum.Implementation) { testlapack.DgetrfTest(t, impl) }},
	{"Dgetrs", func(t *testing.T, impl gonum.Implementation) { testlapack.DgetrsTest(t, impl) }},
	{"Dgghrd", func(t *testing.T, impl gonum.Implementation) { testlapack.DgghrdTest(t, impl) }},
	{"Dggsvd3", func(t *testing.T, impl gonum.Implementation) { testlapack.Dggsvd3Test(t, impl) }},
	{"Dggsvp3", func(t *testing.T, impl gonum.Implementation) { testlapack.Dggsvp3Test(t, impl) }},
	{"Dgtsv", func(t *testing.T, impl gonum.Implementation) { testlapack.DgtsvTest(t, impl) }},
	{"Dlabrd", func(t *testing.T, impl gonum.Implementation) { testlapack.DlabrdTest(t, impl) }},
	{"Dlacn2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlacn2Test(t, impl) }},
	{"Dlacpy", func(t *testing.T, impl gonum.Implementation) { testlapack.DlacpyTest(t, impl) }},
	{"Dlae2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlae2Test(t, impl) }},
	{"Dlaev2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlaev2Test(t, impl) }},
	{"Dlaexc", func(t *testing.T, impl gonum.Implementation) { testlapack.DlaexcTest(t, impl) }},
	{"Dlag2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlag2Test(t, impl) }},
	{"Dlags2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlags2Test(t, impl) }},
	{"Dlagtm", func(t *testing.T, impl gonum.Implementation) { testlapack.DlagtmTest(t, impl) }},
	{"Dlahqr", func(t *testing.T, impl gonum.Implementation) { testlapack.DlahqrTest(t, impl) }},
	{"Dlahr2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlahr2Test(t, impl) }},
	{"Dlaln2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlaln2Test(t, impl) }},
	{"Dlangb", func(t *testing.T, impl gonum.Implementation) { testlapack.DlangbTest(t, impl) }},
	{"Dlange", func(t *testing.T, impl gonum.Implementation) { testlapack.DlangeTest(t, impl) }},
	{"Dlangt", func(t *testing.T, impl gonum.Implementation) { testlapack.DlangtTest(t, impl) }},
	{"Dlanhs", func(t *testing.T, impl gonum.Implementation) { testlapack.DlanhsTest(t, impl) }},
	{"Dlapy2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlapy2Test(t, impl) }},
	{"Dlapll", func(t *testing.T, impl gonum.Implementation) { testlapack.DlapllTest(t, impl) }},
	{"Dlapmr", func(t *testing.T, impl gonum.Implementation) { testlapack.DlapmrTest(t, impl) }},
	{"Dlapmt", func(t *testing.T, impl gonum.Implementation) { testlapack.DlapmtTest(t, impl) }},
	{"Dlas2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlas2Test(t, impl) }},
	{"Dlascl", func(t *testing.T, impl gonum.Implementation) { testlapack.DlasclTest(t, impl) }},
	{"Dlaset", func(t *testing.T, impl gonum.Implementation) { testlapack.DlasetTest(t, impl) }},
	{"Dlasrt", func(t *testing.T, impl gonum.Implementation) { testlapack.DlasrtTest(t, impl) }},
	{"Dlassq", func(t *testing.T, impl gonum.Implementation) { testlapack.DlassqTest(t, impl) }},
	{"Dlaswp", func(t *testing.T, impl gonum.Implementation) { testlapack.DlaswpTest(t, impl) }},
	{"Dlasy2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlasy2Test(t, impl) }},
	{"Dlansb", func(t *testing.T, impl gonum.Implementation) { testlapack.DlansbTest(t, impl) }},
	{"Dlanst", func(t *testing.T, impl gonum.Implementation) { testlapack.DlanstTest(t, impl) }},
	{"Dlansy", func(t *testing.T, impl gonum.Implementation) { testlapack.DlansyTest(t, impl) }},
	{"Dlantb", func(t *testing.T, impl gonum.Implementation) { testlapack.DlantbTest(t, impl) }},
	{"Dlantr", func(t *testing.T, impl gonum.Implementation) { testlapack.DlantrTest(t, impl) }},
	{"Dlanv2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlanv2Test(t, impl) }},
	{"Dlaqr04", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlaqr04Test(t, impl) }},
	{"Dlaqp2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlaqp2Test(t, impl) }},
	{"Dlaqps", func(t *testing.T, impl gonum.Implementation) { testlapack.DlaqpsTest(t, impl) }},
	{"Dlaqr1", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlaqr1Test(t, impl) }},
	{"Dlaqr23", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlaqr23Test(t, impl) }},
	{"Dlaqr5", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlaqr5Test(t, impl) }},
	{"Dlarf", func(t *testing.T, impl gonum.Implementation) { testlapack.DlarfTest(t, impl) }},
	{"Dlarfb", func(t *testing.T, impl gonum.Implementation) { testlapack.DlarfbTest(t, impl) }},
	{"Dlarfg", func(t *testing.T, impl gonum.Implementation) { testlapack.DlarfgTest(t, impl) }},
	{"Dlarft", func(t *testing.T, impl gonum.Implementation) { testlapack.DlarftTest(t, impl) }},
	{"Dlarfx", func(t *testing.T, impl gonum.Implementation) { testlapack.DlarfxTest(t, impl) }},
	{"Dlartg", func(t *testing.T, impl gonum.Implementation) { testlapack.DlartgTest(t, impl) }},
	{"Dlasq1", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlasq1Test(t, impl) }},
	{"Dlasq2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlasq2Test(t, impl) }},
	{"Dlasr", func(t *testing.T, impl gonum.Implementation) { testlapack.DlasrTest(t, impl) }},
	{"Dlasv2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlasv2Test(t, impl) }},
	{"Dlatbs", func(t *testing.T, impl gonum.Implementation) { testlapack.DlatbsTest(t, impl) }},
	{"Dlatrd", func(t *testing.T, impl gonum.Implementation) { testlapack.DlatrdTest(t, impl) }},
	{"Dlatrs", func(t *testing.T, impl gonum.Implementation) { testlapack.DlatrsTest(t, impl) }},
	{"Dlauu2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dlauu2Test(t, impl) }},
	{"Dlauum", func(t *testing.T, impl gonum.Implementation) { testlapack.DlauumTest(t, impl) }},
	{"Dorg2r", func(t *testing.T, impl gonum.Implementation) { testlapack.Dorg2rTest(t, impl) }},
	{"Dorgbr", func(t *testing.T, impl gonum.Implementation) { testlapack.DorgbrTest(t, impl) }},
	{"Dorghr", func(t *testing.T, impl gonum.Implementation) { testlapack.DorghrTest(t, impl) }},
	{"Dorg2l", func(t *testing.T, impl gonum.Implementation) { testlapack.Dorg2lTest(t, impl) }},
	{"Dorgl2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dorgl2Test(t, impl) }},
	{"Dorglq", func(t *testing.T, impl gonum.Implementation) { testlapack.DorglqTest(t, impl) }},
	{"Dorgql", func(t *testing.T, impl gonum.Implementation) { testlapack.DorgqlTest(t, impl) }},
	{"Dorgqr", func(t *testing.T, impl gonum.Implementation) { testlapack.DorgqrTest(t, impl) }},
	{"Dorgr2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dorgr2Test(t, impl) }},
	{"Dorgtr", func(t *testing.T, impl gonum.Implementation) { testlapack.DorgtrTest(t, impl) }},
	{"Dormbr", func(t *testing.T, impl gonum.Implementation) { testlapack.DormbrTest(t, impl) }},
	{"Dormhr", func(t *testing.T, impl gonum.Implementation) { testlapack.DormhrTest(t, impl) }},
	{"Dorml2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dorml2Test(t, impl) }},
	{"Dormlq", func(t *testing.T, impl gonum.Implementation) { testlapack.DormlqTest(t, impl) }},
	{"Dormqr", func(t *testing.T, impl gonum.Implementation) { testlapack.DormqrTest(t, impl) }},
	{"Dormr2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dormr2Test(t, impl) }},
	{"Dorm2r", func(t *testing.T, impl gonum.Implementation) { testlapack.Dorm2rTest(t, impl) }},
	{"Dpbcon", func(t *testing.T, impl gonum.Implementation) { testlapack.DpbconTest(t, impl) }},
	{"Dpbtf2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dpbtf2Test(t, impl) }},
	{"Dpbtrf", func(t *testing.T, impl gonum.Implementation) { testlapack.DpbtrfTest(t, impl) }},
	{"Dpbtrs", func(t *testing.T, impl gonum.Implementation) { testlapack.DpbtrsTest(t, impl) }},
	{"Dpocon", func(t *testing.T, impl gonum.Implementation) { testlapack.DpoconTest(t, impl) }},
	{"Dpotf2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dpotf2Test(t, impl) }},
	{"Dpotrf", func(t *testing.T, impl gonum.Implementation) { testlapack.DpotrfTest(t, impl) }},
	{"Dpotri", func(t *testing.T, impl gonum.Implementation) { testlapack.DpotriTest(t, impl) }},
	{"Dpotrs", func(t *testing.T, impl gonum.Implementation) { testlapack.DpotrsTest(t, impl) }},
	{"Dpstf2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dpstf2Test(t, impl) }},
	{"Dpstrf", func(t *testing.T, impl gonum.Implementation) { testlapack.DpstrfTest(t, impl) }},
	{"Dpttrf", func(t *testing.T, impl gonum.Implementation) { testlapack.DpttrfTest(t, impl) }},
	{"Dpttrs", func(t *testing.T, impl gonum.Implementation) { testlapack.DpttrsTest(t, impl) }},
	{"Dptsv", func(t *testing.T, impl gonum.Implementation) { testlapack.DptsvTest(t, impl) }},
	{"Dptcon", func(t *testing.T, impl gonum.Implementation) { testlapack.DptconTest(t, impl) }},
	{"Drscl", func(t *testing.T, impl gonum.Implementation) { testlapack.DrsclTest(t, impl) }},
	{"Dsteqr", func(t *testing.T, impl gonum.Implementation) { testlapack.DsteqrTest(t, impl) }},
	{"Dsterf", func(t *testing.T, impl gonum.Implementation) { testlapack.DsterfTest(t, impl) }},
	{"Dsyev", func(t *testing.T, impl gonum.Implementation) { testlapack.DsyevTest(t, impl) }},
	{"Dsytd2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dsytd2Test(t, impl) }},
	{"Dsytrd", func(t *testing.T, impl gonum.Implementation) { testlapack.DsytrdTest(t, impl) }},
	{"Dtgsja", func(t *testing.T, impl gonum.Implementation) { testlapack.DtgsjaTest(t, impl) }},
	{"Dtbtrs", func(t *testing.T, impl gonum.Implementation) { testlapack.DtbtrsTest(t, impl) }},
	{"Dtrcon", func(t *testing.T, impl gonum.Implementation) { testlapack.DtrconTest(t, impl) }},
	{"Dtrevc3", func(t *testing.T, impl gonum.Implementation) { testlapack.Dtrevc3Test(t, impl) }},
	{"Dtrexc", func(t *testing.T, impl gonum.Implementation) { testlapack.DtrexcTest(t, impl) }},
	{"Dtrti2", func(t *testing.T, impl gonum.Implementation) { testlapack.Dtrti2Test(t, impl) }},
	{"Dtrtri", func(t *testing.T, impl gonum.Implementation) { testlapack.DtrtriTest(t, impl) }},
	{"Dtrtrs", func(t *testing.T, impl gonum.Implementation) { testlapack.DtrtrsTest(t, impl) }},
	{"Iladlc", func(t *testing.T, impl gonum.Implementation) { testlapack.IladlcTest(t, impl) }},
	{"Iladlr", func(t *testing.T, impl gonum.Implementation) { testlapack.IladlrTest(t, impl) }},
}
