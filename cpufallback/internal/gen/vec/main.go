// Command vec writes the assembly of package cpufallback/internal/vec with avo. gen.sh runs it for every instruction set.
package main

import (
	"flag"
	"log"

	. "github.com/mmcloughlin/avo/build"
)

var isa = flag.String("isa", "avx512", "instruction set: avx2 or avx512")

func main() {
	flag.Parse()
	ConstraintExpr("amd64,!noasm")
	m := machines[*isa]
	if m == nil {
		log.Fatalf("vec: -isa=%s: there are avx2 and avx512", *isa)
	}
	m.simple()
	m.sums()
	m.couplings()
	m.actNorm()
	m.optimisers()
	m.shape()
	m.noise()
	m.images()
	m.splines()
	Generate()
}
