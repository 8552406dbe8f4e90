// Command steppe is our side. It calls blas.MatMul or, with PEERS_ENTRY=blas in the environment,
// blas.Sgemm and blas.Dgemm. STEPPE_SIMD chooses the instruction set.
package main

import (
	"fmt"
	"os"

	"github.com/steppe-ml/steppe/simd"

	"github.com/steppe-ml/steppe/bench/peers/child"
	"github.com/steppe-ml/steppe/bench/peers/protocol"
)

func main() {
	if err := simd.Err(); err != nil {
		fail(err)
	}
	var l child.Library
	switch entry := os.Getenv(protocol.EntryVar); entry {
	case "", protocol.EntryMatMul:
		l = viaMatMul()
	case protocol.EntryBLAS:
		l = viaBLAS()
	default:
		fail(fmt.Errorf("%s=%s, want %s or %s", protocol.EntryVar, entry, protocol.EntryMatMul, protocol.EntryBLAS))
	}
	l.Version = fmt.Sprintf("steppe (%v kernels)", simd.Active())
	child.Main(l)
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
