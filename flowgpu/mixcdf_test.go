package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/devicetest"

	"gonum.org/v1/gonum/stat/distuv"
)

func mixCDF(c, k int, of device.Bell, to device.Link) func(*rand.Rand) Layer {
	return func(*rand.Rand) Layer { return NewMixCDF(c, device.Mixture{K: k, Of: of, To: to}) }
}

// oneMixture is a mixture of one channel.
type oneMixture struct {
	device.Mixture
	weights, means, scales []float64
}

func (m oneMixture) String() string {
	return fmt.Sprintf("%s %s k=%d", [...]string{"gauss", "logistic"}[m.Of], [...]string{"logit", "normal"}[m.To], m.K)
}

// kinds are some weights, means and scales with every bell and link.
func kinds(weights, means, scales []float64) (all []oneMixture) {
	for _, of := range []device.Bell{device.GaussBell, device.LogisticBell} {
		for _, to := range []device.Link{device.LogitLink, device.NormalLink} {
			all = append(all, oneMixture{device.Mixture{K: len(weights), Of: of, To: to}, weights, means, scales})
		}
	}
	return all
}

// place gives a layer with these parameters, on a backend.
func (m oneMixture) place(t *testing.T, be device.Backend) *MixCDF {
	l := NewMixCDF(1, m.Mixture)
	for _, p := range l.Params() {
		p.V = alloc(t, be, p.Len())
		v := make([]float32, m.K)
		for k := range v {
			switch p.Name {
			case "logits":
				v[k] = float32(math.Log(m.weights[k]))
			case "means":
				v[k] = float32(m.means[k])
			case "logs":
				v[k] = float32(math.Log(m.scales[k] - device.MixtureFloor))
			}
		}
		be.Upload(p.V, v)
	}
	return l
}

// logDensity is that of the mixture. Its parameters are those that float32 has of them.
func (m oneMixture) logDensity(x float64) float64 {
	terms, top := make([]float64, m.K), math.Inf(-1)
	for k := range terms {
		mean := float64(float32(m.means[k]))
		scale := math.Exp(float64(float32(math.Log(m.scales[k]-device.MixtureFloor)))) + device.MixtureFloor
		if m.Of == device.GaussBell {
			terms[k] = distuv.Normal{Mu: mean, Sigma: scale}.LogProb(x)
		} else {
			a := math.Abs(x-mean) / scale // gonum's logistic LogProb takes no scale
			terms[k] = -a - 2*math.Log1p(math.Exp(-a)) - math.Log(scale)
		}
		terms[k] += math.Log(m.weights[k])
		top = max(top, terms[k])
	}
	sum := 0.0
	for _, v := range terms {
		sum += math.Exp(v - top)
	}
	return top + math.Log(sum)
}

// pass runs a layer of one channel over some numbers.
func pass(t *testing.T, be device.Backend, run func(*State), x []float32) (y, logDet []float32) {
	t.Helper()
	n := len(x)
	s := &State{Backend: be, N: n, C: 1, H: 1, W: 1, x: alloc(t, be, n), LogDet: alloc(t, be, n)}
	be.Upload(s.x, x)
	run(s)
	y, logDet = make([]float32, n), make([]float32, n)
	if err := be.Download(y, s.x); err != nil {
		t.Fatal(err)
	}
	if err := be.Download(logDet, s.LogDet); err != nil {
		t.Fatal(err)
	}
	return y, logDet
}

// eachDevice runs a test on every CPU backend of this machine and on the kernels.
func eachDevice(t *testing.T, f func(t *testing.T, be device.Backend)) {
	eachCPU(t, f)
	t.Run("sim", func(t *testing.T) { f(t, openSim(t)) })
}

func openSim(t *testing.T) device.Backend {
	t.Helper()
	be, err := device.NewGPU(device.NewSim(device.SimConfig{}), "fp32")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { be.Close() })
	return be
}

func eachCPU(t *testing.T, f func(t *testing.T, be device.Backend)) {
	for _, isa := range cpufallback.ISAs() {
		t.Run(isa, func(t *testing.T) { f(t, openCPU(t, "cpu:"+isa)) })
	}
}

// A single bell beneath the base of its own kind is that bell standardised, however far out.
func TestOneComponentIsAffine(t *testing.T) {
	eachDevice(t, func(t *testing.T, be device.Backend) {
		const mean, scale = 2, 0.5
		for _, m := range kinds([]float64{1}, []float64{mean}, []float64{scale}) {
			if (m.Of == device.GaussBell) != (m.To == device.NormalLink) {
				continue
			}
			var x []float32
			for _, t := range []float32{0, 1e-3, 0.5, 1, 3, 6, 12, 40, 300} {
				x = append(x, mean+scale*t, mean-scale*t)
			}
			y, logDet := pass(t, be, m.place(t, be).Forward, x)
			for i, v := range x {
				want := (float64(v) - mean) / scale
				if !(math.Abs(float64(y[i])-want) <= 1e-6*max(1, math.Abs(want))) {
					t.Errorf("%v: x = %v becomes %v, want %v", m, v, y[i], want)
				}
				if want := -math.Log(scale); !(math.Abs(float64(logDet[i])-want) <= 1e-6) {
					t.Errorf("%v: x = %v: log-determinant %v, want %v", m, v, logDet[i], want)
				}
			}
		}
	})
}

// log p = log|det| + log base(y) is the mixture's density, to 60 scales from its means, whatever lies between.
func TestMixtureDensityInTheTails(t *testing.T) {
	eachDevice(t, func(t *testing.T, be device.Backend) {
		for _, m := range kinds([]float64{0.5, 0.3, 1e-6, 0.2 - 1e-6}, []float64{-1, 0.5, 3, 4}, []float64{0.7, 0.2, 1.5, 0.4}) {
			base := Base{name: [...]string{"logistic", "standard"}[m.To]}
			var x []float32
			for v := float32(-45); v <= 45; v += 0.37 {
				x = append(x, v)
			}
			y, logDet := pass(t, be, m.place(t, be).Forward, x)
			for i, v := range x {
				got, want := float64(logDet[i])+base.LogProb(float64(y[i])), m.logDensity(float64(v))
				// Exponents are known to some ulps of themselves; y is rounded to half an ulp, which is y^2 ulps of the base's.
				if tol := 1e-6 + 4e-7*math.Abs(want) + 2e-7*float64(y[i])*float64(y[i]); !(math.Abs(got-want) <= tol) {
					t.Errorf("%v: log p(%v) = %v, want %v", m, v, got, want)
				}
				if i > 0 && !(y[i] > y[i-1]) {
					t.Errorf("%v: %v and %v become %v and %v: not increasing", m, x[i-1], v, y[i-1], y[i])
				}
			}
		}
	})
}

// The inverse finds x to 1e-6 of itself or of the mixture's width, wherever y says so much about x: where the density is low, as between
// two modes, the rounding of y is a wider interval of x, and no inverse of a float32 can be nearer than that.
func TestMixtureInverseEverywhere(t *testing.T) {
	mixtures := append(kinds([]float64{0.5, 0.3, 0.2}, []float64{-1, 0.5, 3}, []float64{0.7, 0.2, 1.5}),
		kinds([]float64{0.4, 0.6}, []float64{-50, 50}, []float64{1, 0.5})...)
	eachDevice(t, func(t *testing.T, be device.Backend) {
		for _, m := range mixtures {
			width := 1 + m.means[m.K-1] - m.means[0]
			var y []float32
			for v := float32(-80); v <= 80; v += 0.61 {
				if m.To == device.NormalLink && v*v > 37*37 {
					continue
				}
				y = append(y, v, v/40)
			}
			x, logDet := pass(t, be, m.place(t, be).Inverse, y)
			wide := devicetest.Float64()
			exact, _ := pass(t, wide, m.place(t, wide).Inverse, y)
			for i, v := range y {
				known := 1e-6 * max(math.Abs(float64(exact[i])), width)
				known += 2e-7 * max(1, math.Abs(float64(v))) * math.Exp(float64(logDet[i])) // of y, by dx/dy
				if !(math.Abs(float64(x[i])-float64(exact[i])) <= known) {
					t.Errorf("%v: y = %v comes from %v, want %v", m, v, x[i], exact[i])
				}
			}
		}
	})
}

// Every density in one dimension integrates to 1: each bell, with each base under its link.
func TestDensityOfMixturesIntegratesToOne(t *testing.T) {
	bases := map[device.Link][]string{
		device.NormalLink: {"standard"}, device.LogitLink: {"logistic", "uniform", "beta", "beta(0.5,2)", "beta(1,1)", "beta(30,7)"},
	}
	be := openCPU(t, "cpu")
	for _, m := range kinds([]float64{0.5, 0.3, 0.2}, []float64{-1, 0.5, 3}, []float64{0.7, 0.2, 1.5}) {
		const step = 5e-3
		var x []float32
		for i := range 60001 { // the logistic tail of scale 1.5 under beta(0.5, .) falls by exp(-x/3)
			x = append(x, float32(step*float64(i-30000)))
		}
		for _, text := range bases[m.To] {
			base, err := ParseBase(text)
			if err != nil {
				t.Fatal(err)
			}
			y, logDet := pass(t, be, m.place(t, be).Forward, x)
			sum := 0.0
			for i := range x {
				sum += math.Exp(float64(logDet[i])+base.LogProb(float64(y[i]))) * step
			}
			if !(math.Abs(sum-1) <= 1e-4) {
				t.Errorf("%v under %s: the density integrates to %v", m, text, sum)
			}
		}
	}
}

// A new layer is near the identity for standard data: under a standard base its density is nearly normal.
func TestNewMixCDFIsNearTheIdentity(t *testing.T) {
	be := openCPU(t, "cpu")
	for _, k := range []int{1, 2, 8, 40} {
		for _, of := range []device.Bell{device.GaussBell, device.LogisticBell} {
			l := NewMixCDF(1, device.Mixture{K: k, Of: of, To: device.NormalLink})
			for _, p := range l.Params() {
				p.V = alloc(t, be, p.Len())
				if p.start != nil {
					be.Upload(p.V, p.start)
				}
			}
			x := []float32{-2, -1, 0, 1, 2}
			y, _ := pass(t, be, l.Forward, x)
			for i, v := range x {
				if math.Abs(float64(y[i]-v)) > 0.25 {
					t.Errorf("k=%d: %v becomes %v", k, v, y[i])
				}
			}
		}
	}
}

// The kernels give the gradients of the float64 reference, and find x again.
func TestMixCDFOnSim(t *testing.T) {
	for _, lc := range layerCases {
		if !strings.HasPrefix(lc.name, "MixCDF") {
			continue
		}
		t.Run(lc.name, func(t *testing.T) {
			exact := newRig(t, devicetest.Float64(), lc, 3, false)
			dx, dparams := exact.gradients()
			for _, keep := range []bool{false, true} {
				g := newRig(t, openSim(t), lc, 3, keep)
				gotDX, gotParams := g.gradients()
				closeTo(t, "x recovered", g.read(g.s.x), g.x0, 1e-5)
				closeTo(t, "dx", gotDX, dx, 1e-4)
				for i, p := range g.layer.Params() {
					closeTo(t, "d"+p.Name, gotParams[i], dparams[i], 1e-4)
				}
			}
		})
	}
}
