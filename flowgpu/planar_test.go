package flowgpu

import (
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"
)

var bends = map[string]device.Map{
	"tanh": {Func: device.TanhMap}, "softplus": {Func: device.SoftplusMap}, "leakyrelu": {Func: device.LeakyReLUMap, Slope: 0.2},
}

// set gives a parameter its value on a device.
func (p *Param) set(t *testing.T, be device.Backend, v ...float32) {
	t.Helper()
	p.V = alloc(t, be, p.Len())
	be.Upload(p.V, v)
}

// fold is the uh and s of a planar flow on the float64 reference.
func fold(t *testing.T, w, u []float32) (uh []float64, s float64) {
	t.Helper()
	be := devicetest.Float64()
	b := make([]device.Buffer, 4)
	for i, n := range []int{len(w), len(w), len(w), 1} {
		b[i] = alloc(t, be, n)
	}
	be.Upload(b[0], w)
	be.Upload(b[1], u)
	be.PlanarFold(len(w), b[0], b[1], b[2], b[3])
	return be.Values(b[2]), be.Values(b[3])[0]
}

// Whatever w and u are, w.uh = s-1 > -1, and uh differs from u along w alone.
func TestPlanarConstraint(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, length := range []float32{1e-3, 1, 10, 300} {
		w, u := normals(6, 1, r), normals(6, 1, r)
		for i := range u {
			u[i] -= length * w[i] // towards the bound, and far beyond what would be invertible
		}
		uh, s := fold(t, w, u)
		dot, norm := 0.0, 0.0
		for i, v := range uh {
			dot += float64(w[i]) * v
			norm += float64(w[i]) * float64(w[i])
		}
		if !(s > 0 && math.Abs(dot-(s-1)) <= 1e-9*norm*float64(1+length)) {
			t.Errorf("u of -%g w: w.uh = %v with s = %v", length, dot, s)
		}
		along := 0.0
		for i, v := range uh {
			along += (v - float64(u[i])) * float64(w[i]) / norm
		}
		for i, v := range uh {
			if rest := v - float64(u[i]) - along*float64(w[i]); !(math.Abs(rest) <= 1e-9*float64(1+length)) {
				t.Errorf("uh leaves u across w, by %g", rest)
			}
		}
	}
}

// Beyond the bound there is no flow: with w.u = -1.5 three points become one.
func TestBeyondTheBoundPointsMeet(t *testing.T) {
	meet := 1.0
	for range 100 {
		meet = 1.5 * math.Tanh(meet)
	}
	be := devicetest.Float64()
	x, logDet := alloc(t, be, 3), alloc(t, be, 3)
	one, zero, u, s := alloc(t, be, 1), alloc(t, be, 1), alloc(t, be, 1), alloc(t, be, 1)
	be.Fill(one, 1)
	be.Fill(u, -1.5)
	be.Fill(s, 0.5)
	copy(be.Values(x), []float64{-meet, 0, meet})
	be.Planar(1, 3, bends["tanh"], one, zero, u, s, x, logDet)
	for _, y := range be.Values(x) {
		if math.Abs(y) > 1e-12 {
			t.Errorf("y = %v, want 0: the example shows nothing", y)
		}
	}
}

// planarLine is a planar flow of one dimension with w = 1, whose w.u is t.
func planarLine(t *testing.T, be device.Backend, h device.Map, wu float32) *Planar {
	l := NewPlanar(1, h, rand.New(rand.NewPCG(1, 1)))
	l.w.set(t, be, 1)
	l.u.set(t, be, wu)
	l.b.set(t, be, 0.25)
	return l
}

// passScratch is pass of vectors of c dimensions, with memory.
func passScratch(t *testing.T, be device.Backend, c int, run func(*State), x []float32) (y, logDet []float32) {
	t.Helper()
	n := len(x) / c
	y, logDet = pass(t, be, func(s *State) {
		whole := s.LogDet
		s.C, s.N, s.LogDet = c, n, whole.Slice(0, n)
		s.Scratch = device.NewArena(alloc(t, be, 1<<14))
		run(s)
		s.LogDet = whole
	}, x)
	return y, logDet[:n]
}

// The inverse is right to 1e-6 of its terms, from far within what can be inverted to the bound itself: going back and forth gives y
// again, as near as the slope lets such an error of x show, and the two log-determinants cancel.
func TestPlanarInverseAtTheBound(t *testing.T) {
	var y []float32
	for _, v := range []float64{0.25, 1e-6, 1e-3, 0.01, 0.1, 0.5, 1, 2, 5, 20, 100, 1e4, 1e6} {
		y = append(y, float32(v), float32(-v))
	}
	for name, h := range bends {
		for _, wu := range []float32{-200, -80, -20, -5, -1, 0, 1, 20, 200} {
			eachDevice(t, func(t *testing.T, be device.Backend) {
				l := planarLine(t, be, h, wu)
				targets := y
				if name != "tanh" && wu < -5 { // what s shrinks to nothing lies beyond the floats on the way back
					targets = nil
					for _, v := range y {
						targets = append(targets, -float32(math.Abs(float64(v)))-0.5)
					}
				}
				x, back := passScratch(t, be, 1, l.Inverse, targets)
				again, forth := passScratch(t, be, 1, l.Forward, x)
				for i, want := range targets {
					size := (math.Abs(float64(want)) + math.Abs(float64(x[i])) + 0.25) * max(1, math.Exp(float64(forth[i])))
					if got := float64(again[i]); !(math.Abs(got-float64(want)) <= 1e-6*size) {
						t.Errorf("%s, w.u = %v: y = %v came from %v, which goes to %v", name, wu, want, x[i], got)
					}
					if sum := back[i] + forth[i]; !(math.Abs(float64(sum)) <= 2e-5*(1+math.Abs(float64(forth[i])))) && wu > -20 {
						t.Errorf("%s, w.u = %v: log-determinants %v and %v of y = %v", name, wu, back[i], forth[i], want)
					}
				}
			})
		}
	}
}

// A planar flow never turns round: near the bound too, where s is 1e-11, y rises with x.
func TestPlanarRises(t *testing.T) {
	for name, h := range bends {
		for _, wu := range []float32{-25, -10, -3, 50} {
			be := devicetest.Float64()
			l := planarLine(t, be, h, wu)
			s := &State{Backend: be, N: 4001, C: 1, H: 1, W: 1, x: alloc(t, be, 4001), LogDet: alloc(t, be, 4001), Scratch: device.NewArena(alloc(t, be, 64))}
			for i := range be.Values(s.x) {
				be.Values(s.x)[i] = 0.005 * float64(i-2000)
			}
			l.Forward(s)
			y := be.Values(s.x)
			for i := range y[1:] {
				if y[i+1] < y[i] {
					t.Fatalf("%s, w.u = %v: y falls from %v to %v", name, wu, y[i], y[i+1])
				}
			}
			for _, ld := range be.Values(s.LogDet) {
				if math.IsNaN(ld) || math.IsInf(ld, 0) {
					t.Fatalf("%s, w.u = %v: log-determinant %v", name, wu, ld)
				}
			}
		}
	}
}

// A radial flow at its bound, where beta + al is e^-80, far within, and far out.
func TestRadialInverseAtTheBound(t *testing.T) {
	y := []float32{1e-6, 1e-3, 0.1, 1, 10, 1e4, 0, -1e-6, 1e-3, 0.5, -2, 7, 3e4, 0} // two channels of seven samples
	for _, beta := range []float32{-80, -20, -1, 0, 3, 80} {
		for _, loga := range []float32{-5, 0, 5} {
			eachDevice(t, func(t *testing.T, be device.Backend) {
				l := NewRadial(2, rand.New(rand.NewPCG(1, 1)))
				l.x0.set(t, be, 0, 0)
				l.loga.set(t, be, loga)
				l.beta.set(t, be, beta)
				x, _ := passScratch(t, be, 2, l.Inverse, y)
				again, logDet := passScratch(t, be, 2, l.Forward, x)
				for i, want := range y {
					size := math.Abs(float64(want)) + math.Abs(float64(y[(i+7)%14]))
					if got := float64(again[i]); !(math.Abs(got-float64(want)) <= 1e-6*size) {
						t.Errorf("beta %v, log al %v: y = %v came from %v, which goes to %v", beta, loga, want, x[i], got)
					}
				}
				for _, ld := range logDet {
					if v := float64(ld); math.IsNaN(v) || math.IsInf(v, 0) {
						t.Errorf("beta %v, log al %v: log-determinant %v", beta, loga, v)
					}
				}
			})
		}
	}
}

// A Sylvester flow along one direction is a planar flow: w = r2*q, uh = r1*q.
func TestOneDirectionIsPlanar(t *testing.T) {
	be := devicetest.Float64()
	const c, n = 3, 5
	r := rand.New(rand.NewPCG(8, 8))
	l := NewSylvester(c, 1, bends["tanh"], r)
	for _, p := range l.Params() {
		p.set(t, be, normals(p.Len(), 1, r)...)
	}
	x := normals(c*n, 1, r)
	y, logDet := passScratch(t, be, c, l.Forward, x)

	q, uh, s, w, r1, r2 := alloc(t, be, c), alloc(t, be, c), alloc(t, be, 1), alloc(t, be, c), alloc(t, be, 1), alloc(t, be, 1)
	be.Householder(1, c, 1, l.v.V, q)
	be.SylvesterFold(1, l.u1.V, l.u2.V, l.tau.V, l.rho.V, r1, r2, s)
	for i, v := range be.Values(q) {
		be.Values(w)[i], be.Values(uh)[i] = be.Values(r2)[0]*v, be.Values(r1)[0]*v
	}
	want, wantDet := passScratch(t, be, c, func(st *State) {
		st.Planar(c, n, bends["tanh"], w, l.b.V, uh, s, st.X(), st.LogDet)
	}, x)
	closeTo(t, "y", y, want, 1e-6)
	closeTo(t, "logDet", logDet, wantDet, 1e-6)
}

// Sylvester flows at the bound and beyond what a tanh on the diagonals would reach: y comes back.
func TestSylvesterInverseAtTheBound(t *testing.T) {
	const c, m, n = 4, 3, 9
	for name, h := range bends {
		for _, tau := range []float32{-80, -3, 2, 30} {
			if name != "tanh" && tau < -3 {
				continue // see TestPlanarInverseAtTheBound
			}
			eachDevice(t, func(t *testing.T, be device.Backend) {
				r := rand.New(rand.NewPCG(9, 9))
				l := NewSylvester(c, m, h, r)
				for _, p := range l.Params() {
					p.set(t, be, normals(p.Len(), 0.5, r)...)
				}
				be.Fill(l.tau.V, tau)
				y := normals(c*n, 2, r)
				x, _ := passScratch(t, be, c, l.Inverse, y)
				again, _ := passScratch(t, be, c, l.Forward, x)
				for i, want := range y {
					if got := again[i]; !(math.Abs(float64(got-want)) <= 2e-6*max(4, float64(tau))*(1+math.Abs(float64(x[i])))) { // s is near tau, and stretches x's last digits
						t.Errorf("%s, tau %v: y = %v came from %v, which goes to %v", name, tau, want, x[i], got)
					}
				}
			})
		}
	}
}
