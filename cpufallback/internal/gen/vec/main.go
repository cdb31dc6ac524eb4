// Command vec writes the assembly of packages cpufallback/internal/vec and nn with avo. gen.sh runs it for every instruction set.
package main

import (
	"flag"
	"log"

	"cuflow/cpufallback/internal/gen/neon"

	. "github.com/mmcloughlin/avo/build"
	"github.com/mmcloughlin/avo/pass"
)

var isa = flag.String("isa", "avx512", "instruction set: avx2, avx512 or neon")
var set = flag.String("set", "vec", "kernels of package vec or of package nn")

func main() {
	flag.Parse()
	m := machines[*isa]
	if m == nil {
		log.Fatalf("vec: -isa=%s: there are avx2, avx512 and neon", *isa)
	}
	ConstraintExpr(m.arch() + ",!noasm")
	if m.arm {
		pass.Compile = neon.Compile(*set + m.suffix)
	}
	if *set == "nn" {
		m.nn()
		Generate()
		return
	}
	if *set == "smooth" {
		m.smooth()
		Generate()
		return
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
	m.linear()
	m.rational()
	m.mixture()
	m.affineCurve()
	Generate()
}
