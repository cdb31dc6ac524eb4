package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/device"
	"cuflow/device/devicetest"

	"gonum.org/v1/gonum/mat"
)

// linearLayers are the affine flows of c dimensions.
func linearLayers(c int) []layerCase {
	return []layerCase{
		{"lu", c, 1, 1, func(r *rand.Rand) Layer { return NewLUAffine(c, r) }},
		{"qr", c, 1, 1, func(r *rand.Rand) Layer { return NewQRAffine(c, c, r) }},
		{"upper", c, 1, 1, func(r *rand.Rand) Layer { return NewTriangular(c, true, r) }},
		{"lower", c, 1, 1, func(r *rand.Rand) Layer { return NewTriangular(c, false, r) }},
		{"diagonal", c, 1, 1, func(*rand.Rand) Layer { return NewAffine(c) }},
		{"householder", c, 1, 1, func(r *rand.Rand) Layer { return NewHouseholder(c, c-1, r) }},
	}
}

// probe finds the A and b of a layer that is affine, from what it makes of 0 and of the unit vectors.
func probe(t *testing.T, g *rig, be *devicetest.Wide) (a *mat.Dense, b []float64) {
	t.Helper()
	at := func(i int) []float64 {
		g.reset()
		x := be.Values(g.s.x)
		clear(x)
		if i >= 0 {
			x[i] = 1
		}
		g.layer.Forward(g.s)
		return append([]float64(nil), be.Values(g.s.x)...)
	}
	b = at(-1)
	a = mat.NewDense(g.c, g.c, nil)
	for j := range g.c {
		for i, v := range at(j) {
			a.Set(i, j, v-b[i])
		}
	}
	return a, b
}

// A chain of affine flows is one affine flow: y = A x + b for any x, with the A and b that 0 and the unit vectors tell, and with
// gonum's determinant of A, in whatever precision it runs.
func TestAffineChainIsOneAffineFlow(t *testing.T) {
	const c = 5
	for _, lc := range append(linearLayers(c), layerCase{"all of them", c, 1, 1, func(r *rand.Rand) Layer {
		var all Chain
		for _, lc := range append(linearLayers(c), linearLayers(c)...) {
			all = append(all, lc.build(r))
		}
		return append(all, NewReverse(c), NewInvConv(c, r))
	}}) {
		wide := devicetest.Float64()
		a, b := probe(t, newRig(t, wide, lc, 1, false), wide)
		det, _ := mat.LogDet(a)
		check := func(t *testing.T, be device.Backend, tol float64) {
			g := newRig(t, be, lc, 7, false)
			g.layer.Forward(g.s)
			y, logDet := g.read(g.s.x), g.read(g.s.LogDet)
			for n := range g.n {
				for i := range c {
					want, size := b[i], math.Abs(b[i])
					for j := range c {
						term := a.At(i, j) * float64(g.x0[j*g.n+n])
						want += term
						size += math.Abs(term)
					}
					if got := float64(y[i*g.n+n]); !(math.Abs(got-want) <= tol*(1+size)) {
						t.Fatalf("y[%d] of sample %d is %v, want %v", i, n, got, want)
					}
				}
				if got := float64(logDet[n]); !(math.Abs(got-det) <= tol*(1+math.Abs(det))) {
					t.Fatalf("log-determinant %v, want %v", got, det)
				}
			}
		}
		t.Run(lc.name+"/float64", func(t *testing.T) { check(t, devicetest.Float64(), 1e-7) }) // read back as float32
		t.Run(lc.name, func(t *testing.T) {
			eachDevice(t, func(t *testing.T, be device.Backend) { check(t, be, 2e-5) })
		})
	}
}

// What the matrices are called, they are: triangular with a positive diagonal, orthogonal.
func TestMatricesKeepTheirShape(t *testing.T) {
	const c = 6
	for _, lc := range linearLayers(c) {
		be := devicetest.Float64()
		a, _ := probe(t, newRig(t, be, lc, 1, false), be)
		for i := range c {
			for j := range c {
				v := a.At(i, j)
				switch {
				case lc.name == "upper" && j < i, lc.name == "lower" && j > i, lc.name == "diagonal" && i != j:
					if v != 0 {
						t.Errorf("%s: A[%d,%d] is %v", lc.name, i, j, v)
					}
				case i == j && lc.name != "lu" && lc.name != "qr" && lc.name != "householder" && !(v > 0):
					t.Errorf("%s: the diagonal holds %v", lc.name, v)
				}
			}
		}
		if lc.name == "householder" {
			var p mat.Dense
			p.Mul(a, a.T())
			for i := range c {
				p.Set(i, i, p.At(i, i)-1)
			}
			if worst := mat.Norm(&p, 2); !(worst <= 1e-12) {
				t.Errorf("|Q Q^T - 1| = %g", worst)
			}
			if got, want := mat.Det(a), math.Pow(-1, c-1); !(math.Abs(got-want) <= 1e-12) {
				t.Errorf("%d reflections have determinant %v, want %v", c-1, got, want)
			}
		}
	}
}

// Matrices as large as data has dimensions keep their inverse in float32.
func TestLargeAffineInverts(t *testing.T) {
	const c = 64
	for _, lc := range linearLayers(c) {
		t.Run(fmt.Sprint(lc.name), func(t *testing.T) {
			be := openCPU(t, "cpu")
			r := rand.New(rand.NewPCG(2, 3))
			l := lc.build(r)
			for _, p := range l.Params() {
				p.V = alloc(t, be, p.Len())
				start := make([]float32, p.Len())
				copy(start, p.start)
				be.Upload(p.V, start)
			}
			x := normals(c*9, 1, r)
			s := &State{Backend: be, N: 9, C: c, H: 1, W: 1, x: alloc(t, be, len(x)), LogDet: alloc(t, be, 9),
				Scratch: device.NewArena(alloc(t, be, 16*c*c))}
			be.Upload(s.x, x)
			l.Forward(s)
			l.Inverse(s)
			got := make([]float32, len(x))
			if err := be.Download(got, s.x); err != nil {
				t.Fatal(err)
			}
			closeTo(t, "x", got, x, 2e-5)
		})
	}
}
