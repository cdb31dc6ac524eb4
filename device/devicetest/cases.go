// Package devicetest is the truth table of device.Backend: one list of cases, a naive float64 reference as the oracle, and
// runners that hold any backend against it. Conformance, reproducibility, allocations and benchmarks all read the same
// rows.
package devicetest

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"

	"cuflow/device"
)

// Case is one call of one Backend method.
type Case struct {
	Method   string // of device.Backend
	Name     string // what is particular to this row: its shape and its variant
	Operands []Operand
	Call     func(be device.Backend, o []device.Buffer) // o[i] holds Operands[i]
	Tol      Tol                                        // of every output that has none of its own
	Flops    int64                                      // 0 where memory traffic is what counts
	Bench    bool                                       // a size that models have: a row of the benchmarks
	wanes    bool                                       // values fade when the op is repeated in place for long
}

// String names the case for subtests and benchmarks.
func (c Case) String() string { return c.Method + "/" + c.Name }

// Bytes is the traffic that no implementation avoids: every operand read is read once, every operand written once.
func (c Case) Bytes() (n int64) {
	for _, o := range c.Operands {
		n += 4 * int64(o.Len)
		if o.role == inPlace {
			n += 4 * int64(o.Len)
		}
	}
	return n
}

// Operand is one Buffer of a call.
type Operand struct {
	Name string
	Len  int // 0 for an optional operand that is not given
	role role
	make maker
	free bool // any length is right, so that no length can be wrong
	tol  *Tol
}

type role int

const (
	readOnly  role = iota // must come back bit for bit
	writeOnly             // poisoned before the call: the op may not read it and must write all of it
	inPlace               // read and written
	between               // written by one op of a call and read by another, in an order that the backend chooses; poisoned before
)

func in(name string, n int, mk maker) Operand {
	return Operand{Name: name, Len: n, role: readOnly, make: mk}
}
func both(name string, n int, mk maker) Operand {
	return Operand{Name: name, Len: n, role: inPlace, make: mk}
}
func out(name string, n int) Operand    { return Operand{Name: name, Len: n, role: writeOnly} }
func hidden(name string, n int) Operand { return Operand{Name: name, Len: n, role: between} }
func absent(name string) Operand        { return Operand{Name: name} }

// result says whether a case is held to what the op leaves in the operand.
func (o Operand) result() bool { return o.role == writeOnly || o.role == inPlace }

// anyLength marks an operand whose length is the op's only measure of size.
func (o Operand) anyLength() Operand { o.free = true; return o }

// within gives an output a tolerance of its own.
func (o Operand) within(t Tol) Operand { o.tol = &t; return o }

// tolOf is the tolerance of one output.
func (c Case) tolOf(o Operand) Tol {
	if o.tol != nil {
		return *o.tol
	}
	return c.Tol
}

// seed depends on the case's name alone, so that a new row changes no other.
func (c Case) seed() uint64 {
	h := fnv.New64a()
	h.Write([]byte(c.String()))
	return h.Sum64()
}

// Tol bounds the error of each output element: |got - want| <= Rel*|want| + RMS*rms(want) + Abs, rms over the output.
// Rel alone suits what is computed element by element without cancellation. Rounding errors of sums go with the terms and
// not with the result: RMS takes their scale from the whole output, Abs is for terms of known scale, mostly 1. All zero
// means the same value. The reference itself is rounded to float32, which is half a unit in the last place.
type Tol struct {
	Rel, RMS, Abs float64
	Why           string
}

// ulp is the spacing of float32s just above 1.
const ulp = 0x1p-23

var exact = Tol{Why: "moves or constants: nothing is rounded"}

// few is for n roundings per element, of terms near 1.
func few(n float64, why string) Tol {
	return Tol{Rel: n * ulp, RMS: n * ulp / 2, Abs: n * ulp / 2, Why: why}
}

// sumOf is for sums of n products near 1, or scaled to a result near 1.
func sumOf(n int) Tol {
	e := (8 + 2*math.Sqrt(float64(n))) * ulp
	return Tol{Rel: e, RMS: e, Abs: e, Why: fmt.Sprintf("the roundings of a sum of %d float32 products in any order walk at "+
		"random: 2 sqrt(n) ulps of the output's scale are many standard deviations, and one product lost or doubled is "+
		"1/sqrt(n) of it", n)}
}

// maker fills an operand before the call.
type maker func(r *rand.Rand, x []float32)

func each(f func(r *rand.Rand) float64) maker {
	return func(r *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(f(r))
		}
	}
}

func normal(mean, std float64) maker {
	return each(func(r *rand.Rand) float64 { return mean + std*r.NormFloat64() })
}

func uniform(lo, hi float64) maker {
	return each(func(r *rand.Rand) float64 { return lo + (hi-lo)*r.Float64() })
}

// rectified is what a ReLU leaves: half of it zeros.
func rectified() maker { return each(func(r *rand.Rand) float64 { return max(0, r.NormFloat64()) }) }

// wholes are whole numbers 0 .. n-1.
func wholes(n int) maker { return each(func(r *rand.Rand) float64 { return float64(r.IntN(n)) }) }

func signs() maker { return each(func(r *rand.Rand) float64 { return float64(2*r.IntN(2) - 1) }) }

func permutation(r *rand.Rand, x []float32) {
	for i, p := range r.Perm(len(x)) {
		x[i] = float32(p)
	}
}

// values repeats a list.
func values(list ...float64) maker {
	return func(_ *rand.Rand, x []float32) {
		for i := range x {
			x[i] = float32(list[i%len(list)])
		}
	}
}

// with puts one special value into the middle of what another maker makes.
func with(special float64, mk maker) maker {
	return func(r *rand.Rand, x []float32) {
		mk(r, x)
		x[len(x)/2] = float32(special)
	}
}

// signed gives the numbers of another maker the signs of a list, which it repeats: so terms can be kept from cancelling.
func signed(mk maker, list ...float64) maker {
	return func(r *rand.Rand, x []float32) {
		mk(r, x)
		for i := range x {
			x[i] = float32(math.Copysign(float64(x[i]), list[i%len(list)]))
		}
	}
}

// sizes are the lengths of elementwise cases: nothing, one, around a vector register's width, and a tail.
var sizes = [...]int{0, 1, 31, 32, 33, 1000}

// Cases is the whole table.
func Cases() []Case {
	var all []Case
	for _, family := range []func() []Case{
		memoryCases, convCases, stackCases, rowScaleCases, mixCases, luCases,
		couplingCases, actNormCases, shapeCases, priorCases, noiseCases, trainCases,
		normCases, checkerCases, flattenCases, logitCases, logisticCases, classCases,
		mixtureCases,
		mapCases, planarCases, radialCases, projectCases, householderCases, sylvesterCases,
		cdfCases, betaCases,
		curveCases, maskedCases,
		odeCases, maskedNetCases,
		dropoutCases, gateCases, circleCases,
		attentionCases, layerNormCases, geluCases, tokenCases,
	} {
		all = append(all, family()...)
	}
	return all
}
