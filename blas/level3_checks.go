package blas

import (
	"gonum.org/v1/gonum/blas"
)

func isLeft(s blas.Side) bool {
	switch s {
	case blas.Left:
		return true
	case blas.Right:
		return false
	}
	panic("blas: illegal side")
}

func isLower(ul blas.Uplo) bool {
	switch ul {
	case blas.Lower:
		return true
	case blas.Upper:
		return false
	}
	panic("blas: illegal triangle")
}

func isUnit(d blas.Diag) bool {
	switch d {
	case blas.Unit:
		return true
	case blas.NonUnit:
		return false
	}
	panic("blas: illegal diagonal")
}
