package vec

import (
	"math"
	"math/rand/v2"
	"testing"
)

// The streams are the plain loops', normal numbers to some ulps of the radius and logistic ones of themselves, at the words that give the
// ends too.
func TestRandomNumbersAreThePlainLoops(t *testing.T) {
	type draw = func(u []float32, c0, c1, c2, c3, k0, k1 uint32, scale float32)
	plain := For("generic")
	assemblies(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(13, 14))
		for _, d := range []struct {
			name       string
			got, want  draw
			size, ulps float32
		}{
			{"normals", k.Normals, plain.Normals, 6, 4}, {"normal rows", k.NormalRows, plain.NormalRows, 6, 4},
			{"logistics", k.Logistics, plain.Logistics, 0, 4}, {"logistic rows", k.LogisticRows, plain.LogisticRows, 0, 4},
		} {
			for _, n := range []int{0, 1, 2, 300} {
				u := newGuarded(rng, n*UniformsUnit)
				want := u.clone()
				var c [6]uint32
				for i := range c {
					c[i] = rng.Uint32()
				}
				d.got(u.x(), c[0], c[1], c[2], c[3], c[4], c[5], 0.7)
				d.want(want.x(), c[0], c[1], c[2], c[3], c[4], c[5], 0.7)
				u.check(t, d.name)
				for i, w := range want.x() {
					if g := u.x()[i]; !near(g, w, d.size, d.ulps) {
						t.Fatalf("%s of %d: number %d is %.9g, want %.9g", d.name, n, i, g, w)
					}
				}
			}
		}
	})
}

// A word of zeros or of ones at the two ends of the uniform numbers: the least and the greatest logistic number are 25 log 2 away from 0.
func TestLogisticEnds(t *testing.T) {
	for _, isa := range ISAs() {
		k := For(isa)
		for sample, want := range map[uint32]float64{1810158: -1, 5367494: 1} { // see endsOfLogistic of devicetest
			u, most := make([]float32, UniformsUnit), 0.0
			k.Logistics(u, 0, sample, 0, 2, 1, 0, 1)
			for _, v := range u[:4] {
				most = math.Max(most, want*float64(v))
			}
			if end := math.Log(0x1p25 - 1); math.Abs(most-end) > 1e-5 {
				t.Errorf("%s: the end is %g, want %g", isa, most, end)
			}
		}
	}
}
