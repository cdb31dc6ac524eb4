package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
)

// mix multiplies columns of c rows by a matrix, in place: all of a vector of columns is read before any of it is written.
func (m *machine) mix(c int) {
	m.function(fmt.Sprintf("mix%d", c), "(a, bias, x []float32, row, vecs int)", fmt.Sprintf("mixes %d channels.", c))
	a, bias, row, vecs := GP64(), GP64(), GP64(), GP64()
	Load(Param("a").Base(), a)
	Load(Param("bias").Base(), bias)
	Load(Param("row"), row)
	Load(Param("vecs"), vecs)
	SHLQ(U8(2), row)
	x := newRows(c, row)
	Load(Param("x").Base(), x.p[0])
	if c > 8 {
		LEAQ(Mem{Base: x.p[0], Index: row, Scale: 8}, x.p[1])
	}
	Label("vector")
	column := make([]vec, c)
	for i := range column {
		column[i] = m.vec()
		VMOVUPS(x.at(i), column[i])
	}
	const together = 4 // sums that do not wait for each other
	for i := 0; i < c; i += together {
		sums := make([]vec, min(together, c-i))
		for r := range sums {
			sums[r] = m.vec()
			VBROADCASTSS(Mem{Base: bias, Disp: 4 * (i + r)}, sums[r])
		}
		for j, v := range column {
			for r, sum := range sums {
				at := Mem{Base: a, Disp: 4 * ((i+r)*c + j)}
				if m.wide {
					VFMADD231PS_BCST(at, v, sum)
					continue
				}
				w := m.vec()
				VBROADCASTSS(at, w)
				m.multiplyAdd(v, w, sum)
			}
		}
		for r, sum := range sums {
			VMOVUPS(sum, x.at(i+r))
		}
	}
	x.step(U8(m.bytes()))
	DECQ(vecs)
	JNZ(LabelRef("vector"))
	end()
}
