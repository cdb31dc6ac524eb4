package vec

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/device"
)

// curveCases are one of every kind that assembly has passes of, and every domain.
func curveCases(k *Kernels) (cs []device.Curve) {
	for of := range k.Curves {
		if k.Curves[of].Forward == nil {
			continue
		}
		for _, on := range []device.Domain{device.Tails, device.Circle, device.Interval} {
			for _, bins := range []int{2, 8, device.MaxBins} {
				cs = append(cs, device.Curve{Of: device.CurveKind(of), K: bins, On: on, B: 3, Scale: 1})
			}
		}
	}
	return cs
}

func (p *CurvePasses) all() map[string]CurvePass {
	return map[string]CurvePass{"forward": p.Forward, "inverse": p.Inverse, "backward": p.Backward, "inverse backward": p.InverseBackward}
}

// A column's results depend neither on its neighbours nor on its place, and columns beyond the last stay as they are.
func TestCurvesTakeColumnsOneByOne(t *testing.T) {
	assemblies(t, func(t *testing.T, k *Kernels) {
		rng := rand.New(rand.NewPCG(11, 12))
		for _, c := range curveCases(k) {
			for name, pass := range k.Curves[c.Of].all() {
				const stride = 80
				what := fmt.Sprintf("%s of %+v", name, c)
				params, x, d := newGuarded(rng, c.Params()*stride), newGuarded(rng, stride), newGuarded(rng, stride)
				var curve Curve
				curve.Set(c, stride, 0.7)
				single := [3]guarded{params.clone(), x.clone(), d.clone()}
				for i := range stride {
					pass(&curve, single[0].x()[i:], single[1].x()[i:i+1], single[2].x()[i:i+1])
				}
				for _, n := range []int{0, 1, 7, 8, 15, 16, 17, 31, 32, 33, 47, 64, 75, 80} {
					some := [3]guarded{params.clone(), x.clone(), d.clone()}
					pass(&curve, some[0].x(), some[1].x()[:n], some[2].x()[:n])
					for a, before := range []guarded{params, x, d} {
						some[a].check(t, what)
						for i, v := range some[a].x() {
							want := before.x()[i]
							if i%stride < n {
								want = single[a].x()[i]
							}
							if math.Float32bits(v) != math.Float32bits(want) {
								t.Fatalf("%s, array %d of %d columns: element %d is %g, want %g", what, a, n, i, v, want)
							}
						}
					}
				}
			}
		}
	})
}

func BenchmarkCurves(b *testing.B) {
	const n = 512
	for _, isa := range ISAs() {
		k := For(isa)
		for _, c := range curveCases(k) {
			if c.K != 8 || c.On != device.Tails {
				continue
			}
			for name, pass := range k.Curves[c.Of].all() {
				b.Run(fmt.Sprintf("%s/kind %d/%s", isa, c.Of, name), func(b *testing.B) {
					rng := rand.New(rand.NewPCG(1, 1))
					params, keep := make([]float32, c.Params()*n), newGuarded(rng, c.Params()*n).x()
					x, d := make([]float32, n), make([]float32, n)
					var curve Curve
					curve.Set(c, n, 1)
					copy(params, keep)
					for b.Loop() { // what is left in params are numbers as good as any
						copy(x, keep)
						copy(d, keep)
						pass(&curve, params, x, d)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/n/float64(b.N), "ns/elem")
				})
			}
		}
	}
}
