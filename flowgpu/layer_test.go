package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/devicetest"

	"gonum.org/v1/gonum/mat"
)

// layerCase is one row of the property table: a layer and the shape of what goes into it.
type layerCase struct {
	name    string
	c, h, w int
	build   func(r *rand.Rand) Layer
}

func glowCoupling(law device.Law, c, c1 int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		return NewCoupling(law, c, c1, NewGlowNet(c1, 5, law.Params()*(c-c1), r))
	}
}

func mlpCoupling(law device.Law, c, c1, depth int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		return NewCoupling(law, c, c1, NewMLP(c1, 7, depth, law.Params()*(c-c1), r))
	}
}

func checkerCoupling(c, parity int) func(r *rand.Rand) Layer {
	return func(r *rand.Rand) Layer {
		return NewCheckerCoupling(device.TanhScale, c, parity, NewResNet(c, 3, 1, 2*c, true, parity, r))
	}
}

// curveCoupling is a row of a coupling with curves over c channels, the first c/2 of which condition.
func curveCoupling(name string, c, h, w int, curve device.Curve) layerCase {
	return layerCase{"CurveCoupling/" + name, c, h, w, func(r *rand.Rand) Layer {
		c1 := c / 2
		return NewCurveCoupling(curve, c, c1, NewGlowNet(c1, 5, curve.Params()*(c-c1), r))
	}}
}

func autoregressive(name string, d int, curve device.Curve, net func(rest []float32, r *rand.Rand) autoNet) layerCase {
	return layerCase{"Autoregressive/" + name, d, 1, 1, func(r *rand.Rand) Layer {
		return NewAutoregressive(curve, d, net(restOf(curve, d), r))
	}}
}

func inverseAutoregressive(name string, d int, curve device.Curve, net func(rest []float32, r *rand.Rand) autoNet) layerCase {
	return layerCase{"InverseAutoregressive/" + name, d, 1, 1, func(r *rand.Rand) Layer {
		return NewInverseAutoregressive(curve, d, net(restOf(curve, d), r))
	}}
}

var layerCases = []layerCase{
	{"ActNorm", 3, 2, 3, func(*rand.Rand) Layer { return NewActNorm(3) }},
	{"Affine/vector", 5, 1, 1, func(*rand.Rand) Layer { return NewAffine(5) }},
	{"InvConv", 4, 2, 2, func(r *rand.Rand) Layer { return NewInvConv(4, r) }},
	{"InvConv/vector", 7, 1, 1, func(r *rand.Rand) Layer { return NewInvConv(7, r) }},
	{"Reverse", 5, 2, 1, func(*rand.Rand) Layer { return NewReverse(5) }},
	{"Shuffle", 6, 1, 2, func(r *rand.Rand) Layer { return NewShuffle(6, r) }},
	{"Squeeze", 2, 4, 2, func(*rand.Rand) Layer { return Squeeze{} }},
	{"Split", 4, 3, 2, func(*rand.Rand) Layer { return NewSplit(4) }},
	{"Split/odd", 5, 1, 2, func(*rand.Rand) Layer { return NewSplit(5) }},
	{"Coupling/additive", 4, 2, 3, glowCoupling(device.Additive, 4, 2)},
	{"Coupling/sigmoid", 4, 2, 3, glowCoupling(device.SigmoidScale, 4, 2)},
	{"Coupling/exp", 4, 3, 1, glowCoupling(device.ExpScale, 4, 2)},
	{"Coupling/tanh", 3, 2, 2, glowCoupling(device.TanhScale, 3, 1)},
	{"Coupling/gauss", 4, 2, 2, glowCoupling(device.GaussScale, 4, 2)},
	{"Coupling/vector", 5, 1, 1, mlpCoupling(device.ExpScale, 5, 2, 2)},
	{"Coupling/vector/tanh", 2, 1, 1, mlpCoupling(device.TanhScale, 2, 1, 1)},
	{"PlainSplit", 4, 3, 2, func(*rand.Rand) Layer { return NewPlainSplit(4) }},
	{"Coupling/flipped", 5, 1, 2, func(r *rand.Rand) Layer {
		l := mlpCoupling(device.ExpScale, 5, 3, 1)(r).(*Coupling)
		l.flip = true
		return l
	}},
	{"Scaling", 5, 1, 1, func(*rand.Rand) Layer { return NewScaling(5) }},
	{"Flatten", 2, 2, 3, func(*rand.Rand) Layer { return Flatten{2, 2, 3} }},
	{"BatchNorm", 3, 2, 2, func(*rand.Rand) Layer { return NewBatchNorm(3) }},
	{"ClassPrior", 3, 2, 2, func(*rand.Rand) Layer { return NewClassPrior(3, 3) }},
	{"CheckerCoupling/0", 2, 3, 4, checkerCoupling(2, 0)},
	{"CheckerCoupling/1", 1, 4, 2, checkerCoupling(1, 1)},
	{"MixCDF/gauss/normal", 1, 1, 1, mixCDF(1, 3, device.GaussBell, device.NormalLink)},
	{"MixCDF/gauss/logit", 3, 1, 1, mixCDF(3, 5, device.GaussBell, device.LogitLink)},
	{"MixCDF/logistic/normal", 2, 2, 1, mixCDF(2, 2, device.LogisticBell, device.NormalLink)},
	{"MixCDF/logistic/logit", 2, 1, 1, mixCDF(2, 8, device.LogisticBell, device.LogitLink)},
	{"ResNetCoupling", 4, 2, 3, func(r *rand.Rand) Layer {
		return NewCoupling(device.TanhScale, 4, 2, NewResNet(2, 3, 2, 4, false, 0, r))
	}},
	curveCoupling("rational", 4, 2, 3, device.Curve{Of: device.RationalSpline, K: 4, B: 3, Scale: 1}),
	curveCoupling("circle", 3, 1, 2, device.Curve{Of: device.RationalSpline, K: 3, B: 3, On: device.Circle, Scale: 0.5}),
	curveCoupling("quadratic", 3, 2, 1, device.Curve{Of: device.QuadraticSpline, K: 3, B: 3, Scale: 1}),
	curveCoupling("linear", 4, 1, 1, device.Curve{Of: device.LinearSpline, K: 5, B: 3, Scale: 1}),
	curveCoupling("logistics", 3, 1, 2, device.Curve{Of: device.LogisticMixture, K: 3}),
	curveCoupling("gaussians", 3, 1, 2, device.Curve{Of: device.GaussianMixture, K: 3}),
	{"CurveCoupling/residual", 5, 1, 1, func(r *rand.Rand) Layer {
		l := NewCurveCoupling(device.Curve{Of: device.RationalSpline, K: 2, B: 2.5, Scale: 1}, 5, 3, NewResMLP(3, 6, 2, 10, false, r))
		l.flip = true
		return l
	}},
	{"CurveCoupling/batchnorm", 4, 1, 2, func(r *rand.Rand) Layer {
		return NewCurveCoupling(device.Curve{}, 4, 2, NewResMLP(2, 5, 1, 4, true, r))
	}},
	{"Rotation", 3, 1, 1, func(*rand.Rand) Layer { return NewRotation(3) }},
	{"Colors", 2, 2, 4, func(*rand.Rand) Layer { return Chain{colors{}, NewActNorm(4), uncolors{}} }},
	{"GatedNet/coupling", 3, 2, 2, gatedCoupling(3, 1, 4, 0)}, {"GatedNet/dropout", 2, 1, 4, gatedCoupling(2, 1, 4, 0.3)},
	circleCoupling("circle net", 5, 2), onIntervalOf("interval", 4),
	droppedCurves("dropout", false), droppedCurves("dropout and batchnorm", true),
	autoregressive("affine", 5, device.Curve{}, func(rest []float32, r *rand.Rand) autoNet { return NewMADE(5, 11, 2, rest, r) }),
	autoregressive("one layer", 3, device.Curve{}, func(rest []float32, r *rand.Rand) autoNet { return NewMADE(3, 1, 1, rest, r) }),
	autoregressive("rational", 3, device.Curve{Of: device.RationalSpline, K: 3, B: 3, Scale: 1},
		func(rest []float32, r *rand.Rand) autoNet { return NewResMADE(3, 7, 2, rest, r) }),
	autoregressive("logistics", 2, device.Curve{Of: device.LogisticMixture, K: 2},
		func(rest []float32, r *rand.Rand) autoNet { return NewMADE(2, 5, 3, rest, r) }),
	autoregressive("gaussians", 2, device.Curve{Of: device.GaussianMixture, K: 2},
		func(rest []float32, r *rand.Rand) autoNet { return NewMADE(2, 5, 3, rest, r) }),
	{"Linear/lu", 4, 2, 2, func(r *rand.Rand) Layer { return NewLUAffine(4, r) }},
	{"Linear/lu/vector", 7, 1, 1, func(r *rand.Rand) Layer { return NewLUAffine(7, r) }},
	{"Linear/qr", 5, 1, 1, func(r *rand.Rand) Layer { return NewQRAffine(5, 5, r) }},
	{"Linear/qr/images", 3, 2, 1, func(r *rand.Rand) Layer { return NewQRAffine(3, 2, r) }},
	{"Linear/upper", 4, 1, 1, func(r *rand.Rand) Layer { return NewTriangular(4, true, r) }},
	{"Linear/lower", 4, 1, 2, func(r *rand.Rand) Layer { return NewTriangular(4, false, r) }},
	{"Linear/householder", 6, 1, 1, func(r *rand.Rand) Layer { return NewHouseholder(6, 3, r) }},
	{"Elementwise/tanh, atanh", 3, 1, 2, func(*rand.Rand) Layer {
		return Chain{NewElementwise(device.TanhMap), NewElementwise(device.AtanhMap), NewAffine(3)}
	}},
	{"Elementwise/sigmoid, logit", 3, 2, 1, func(*rand.Rand) Layer {
		return Chain{NewAffine(3), NewElementwise(device.SigmoidMap), NewElementwise(device.LogitMap)}
	}},
	{"Elementwise/sigmoid, logexpm1", 4, 1, 1, func(*rand.Rand) Layer {
		return Chain{NewElementwise(device.SigmoidMap), NewElementwise(device.LogExpm1Map)}
	}},
	{"Elementwise/softplus", 2, 1, 3, func(*rand.Rand) Layer { return NewElementwise(device.SoftplusMap) }},
	{"Elementwise/asinh", 5, 1, 1, func(*rand.Rand) Layer { return NewElementwise(device.AsinhMap) }},
	{"Elementwise/sinh", 5, 1, 1, func(*rand.Rand) Layer { return NewElementwise(device.SinhMap) }},
	{"Elementwise/leakyrelu", 5, 1, 1, func(*rand.Rand) Layer { return NewLeakyReLU(0.3) }},
	{"Planar/tanh", 4, 1, 1, func(r *rand.Rand) Layer { return NewPlanar(4, device.Map{Func: device.TanhMap}, r) }},
	{"Planar/one", 1, 1, 1, func(r *rand.Rand) Layer { return NewPlanar(1, device.Map{Func: device.TanhMap}, r) }},
	{"Planar/softplus", 3, 1, 1, func(r *rand.Rand) Layer { return NewPlanar(3, device.Map{Func: device.SoftplusMap}, r) }},
	{"Planar/leakyrelu", 3, 1, 1, func(r *rand.Rand) Layer {
		return NewPlanar(3, device.Map{Func: device.LeakyReLUMap, Slope: 0.2}, r)
	}},
	{"Radial", 3, 1, 1, func(r *rand.Rand) Layer { return NewRadial(3, r) }},
	{"Radial/one", 1, 1, 1, func(r *rand.Rand) Layer { return NewRadial(1, r) }},
	{"Sylvester/tanh", 5, 1, 1, func(r *rand.Rand) Layer { return NewSylvester(5, 3, device.Map{Func: device.TanhMap}, r) }},
	{"Sylvester/all", 3, 1, 1, func(r *rand.Rand) Layer { return NewSylvester(3, 3, device.Map{Func: device.SoftplusMap}, r) }},
	{"Sylvester/leakyrelu", 4, 1, 1, func(r *rand.Rand) Layer {
		return NewSylvester(4, 2, device.Map{Func: device.LeakyReLUMap, Slope: 0.3}, r)
	}},
	inverseAutoregressive("affine", 5, device.Curve{}, func(rest []float32, r *rand.Rand) autoNet { return NewMADE(5, 11, 2, rest, r) }),
	inverseAutoregressive("rational", 3, device.Curve{Of: device.RationalSpline, K: 3, B: 3, Scale: 1},
		func(rest []float32, r *rand.Rand) autoNet { return NewResMADE(3, 7, 2, rest, r) }),
	inverseAutoregressive("quadratic", 4, device.Curve{Of: device.QuadraticSpline, K: 3, B: 3, Scale: 1},
		func(rest []float32, r *rand.Rand) autoNet { return NewMADE(4, 2, 1, rest, r) }),
	inverseAutoregressive("logistics", 2, device.Curve{Of: device.LogisticMixture, K: 2},
		func(rest []float32, r *rand.Rand) autoNet { return NewResMADE(2, 3, 1, rest, r) }),
	inverseAutoregressive("gaussians", 2, device.Curve{Of: device.GaussianMixture, K: 2},
		func(rest []float32, r *rand.Rand) autoNet { return NewResMADE(2, 3, 1, rest, r) }),
	givenCoupling("vector", 5, 2), givenCoupling("one", 1, 0), givenCurves("residual", 4, 2), givenCurves("one", 1, 0),
	givenMasked("mlp", 4, device.Curve{}), givenMasked("residual", 3, device.Curve{Of: device.RationalSpline, K: 3, B: 3, Scale: 1}),
	givenMasked("one", 1, device.Curve{}), inverseGiven("mlp", 4, device.Curve{}), inverseGiven("residual", 3, device.Curve{}),
	inverseGiven("one", 1, device.Curve{Of: device.RationalSpline, K: 3, B: 3, Scale: 1}),
	{"Transformer/coupling", 3, 2, 2, transformerCoupling(3, 1, 4)},
	{"TokenCoupling/checker", 2, 2, 2, tokenCoupling(2, 2, 2, 0)},
	{"TokenCoupling/columns", 1, 2, 4, tokenCoupling(1, 2, 4, 3)},
	{"TokenCoupling/rows", 2, 2, 3, tokenCoupling(2, 2, 3, 4)},
	{"FeatureTransformer/coupling", 5, 1, 1, featureCoupling(5, 2)},
	{"FeatureTransformer/curves", 4, 1, 1, featureCurves(4, 1)},
	{"TokenOrder", 2, 2, 3, func(*rand.Rand) Layer { return NewTokenReverse(6) }},
	{"TokenFlow", 2, 2, 2, tokenFlow(2, 4, 0)},
	{"TokenFlow/classes", 1, 3, 1, tokenFlow(1, 3, 4)},
	fieldFlow("tanh", 2, ODE{Act: "tanh", Time: "squash", Solver: "rk4", Steps: 16}),
	fieldFlow("softplus", 3, ODE{Act: "softplus", Time: "concat", Solver: "rk4", Steps: 70}),
	fieldFlow("silu", 1, ODE{Act: "silu", Time: "squash", Solver: "rk4", Steps: 12}),
	{"Chain", 4, 2, 2, func(r *rand.Rand) Layer {
		return Chain{NewActNorm(4), NewInvConv(4, r), glowCoupling(device.SigmoidScale, 4, 2)(r), NewSplit(4),
			NewReverse(2), mlpCoupling(device.ExpScale, 2, 1, 1)(r), NewAffine(2)}
	}},
}

// rig is a layer on a device with a batch of n samples, its parameters moved off their initial values.
type rig struct {
	layerCase
	be     device.Backend
	layer  Layer
	s      *State
	n      int
	x0, dy []float32
	starts [][]float32 // values of the parameters
}

func newRig(t *testing.T, be device.Backend, lc layerCase, n int, keep bool) *rig {
	t.Helper()
	r := rand.New(rand.NewPCG(7, uint64(len(lc.name))))
	g := &rig{layerCase: lc, be: be, layer: lc.build(r), n: n}
	for _, p := range g.layer.Params() {
		p.V = alloc(t, be, p.Len())
		start := make([]float32, p.Len())
		copy(start, p.start)
		if !p.Fixed {
			p.G = alloc(t, be, p.Len())
			for i := range start {
				start[i] += 0.2 * float32(r.NormFloat64())
			}
		}
		g.starts = append(g.starts, start)
	}
	d := lc.c * lc.h * lc.w * n
	g.x0, g.dy = make([]float32, d), make([]float32, d)
	for i := range g.x0 {
		g.x0[i] = float32(max(-3, min(3, r.NormFloat64()))) // on the circle, too
		g.dy[i] = float32(r.NormFloat64())
	}
	g.s = &State{
		Backend: be, N: n, x: alloc(t, be, d), dx: alloc(t, be, d), LogDet: alloc(t, be, n), Keep: keep, KeepX: keep, Training: true,
		Scratch: device.NewArena(alloc(t, be, arenaRoom)), Stash: device.NewArena(alloc(t, be, arenaRoom)), DLogDet: -0.7,
		Label: alloc(t, be, n), Context: alloc(t, be, rigFeatures*n), At: alloc(t, be, 2),
	}
	for i, p := range g.layer.Params() {
		be.Upload(p.V, g.starts[i])
	}
	labels := make([]float32, n)
	for i := range labels {
		labels[i] = float32(2 * i % 3)
	}
	be.Upload(g.s.Label, labels)
	be.Upload(g.s.Context, normals(rigFeatures*n, 1, r))
	g.reset()
	return g
}

func alloc(t *testing.T, be device.Backend, n int) device.Buffer {
	t.Helper()
	b, err := be.Alloc(n)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// arenaRoom is float32s in each arena of a rig.
const arenaRoom = 1 << 14

// reset puts the input back, and the parameters, some of which are running averages; both arenas are poisoned so that
// stale memory shows.
func (g *rig) reset() {
	for i, p := range g.layer.Params() {
		if p.Fixed {
			g.be.Upload(p.V, g.starts[i])
		}
	}
	g.s.C, g.s.H, g.s.W = g.c, g.h, g.w
	g.be.Upload(g.s.x, g.x0)
	g.be.Fill(g.s.LogDet, 0)
	for _, a := range []*device.Arena{g.s.Scratch, g.s.Stash} {
		a.Release(0)
		g.be.Fill(a.Take(arenaRoom), float32(math.NaN()))
		a.Release(0)
	}
}

func (g *rig) read(b device.Buffer) []float32 {
	out := make([]float32, b.Len())
	if err := g.be.Download(out, b); err != nil {
		panic(err)
	}
	return out
}

// eachLayer runs f for every layer on the float64 reference and on every CPU backend of this machine, with the tolerance
// for values of order 1 after a few dozen float32 roundings.
func eachLayer(t *testing.T, f func(t *testing.T, be device.Backend, lc layerCase, tol float64)) {
	for _, lc := range layerCases {
		t.Run(lc.name+"/float64", func(t *testing.T) { f(t, devicetest.Float64(), lc, 1e-6) }) // read back as float32
		for _, isa := range cpufallback.ISAs() {
			t.Run(lc.name+"/"+isa, func(t *testing.T) {
				be, err := cpufallback.New("cpu:" + isa)
				if err != nil {
					t.Fatal(err)
				}
				defer be.Close()
				f(t, be, lc, 3e-5)
			})
		}
	}
}

func closeTo(t *testing.T, what string, got, want []float32, tol float64) {
	t.Helper()
	for i := range want {
		if err := math.Abs(float64(got[i]) - float64(want[i])); !(err <= tol*(1+math.Abs(float64(want[i])))) {
			t.Fatalf("%s[%d] = %v, want %v", what, i, got[i], want[i])
		}
	}
}

func TestInverseUndoesForward(t *testing.T) {
	eachLayer(t, func(t *testing.T, be device.Backend, lc layerCase, tol float64) {
		g := newRig(t, be, lc, 3, false)
		g.layer.Forward(g.s)
		if y := g.read(g.s.x); lc.name != "PlainSplit" && equalBits(y, g.x0) {
			t.Fatal("forward changed nothing: the test would prove nothing")
		}
		g.layer.Inverse(g.s)
		closeTo(t, "x", g.read(g.s.x), g.x0, tol)
		closeTo(t, "logDet", g.read(g.s.LogDet), make([]float32, g.n), tol)
		if g.s.C != lc.c || g.s.H != lc.h || g.s.W != lc.w {
			t.Fatalf("shape came back as %d x %d x %d", g.s.C, g.s.H, g.s.W)
		}
	})
}

func equalBits(a, b []float32) bool {
	for i := range a {
		if math.Float32bits(a[i]) != math.Float32bits(b[i]) {
			return false
		}
	}
	return len(a) == len(b)
}

// Backward must give the gradients of the float64 reference, recover x, and do both with kept and with recomputed hidden
// activations.
func TestBackwardAgreesWithFloat64(t *testing.T) {
	eachLayer(t, func(t *testing.T, be device.Backend, lc layerCase, tol float64) {
		want := newRig(t, devicetest.Float64(), lc, 3, false)
		dx, dparams := want.gradients()
		for _, keep := range []bool{false, true} {
			g := newRig(t, be, lc, 3, keep)
			gotDX, gotParams := g.gradients()
			closeTo(t, "x recovered", g.read(g.s.x), g.x0, tol)
			closeTo(t, "dx", gotDX, dx, 10*tol)
			for i, p := range g.layer.Params() {
				closeTo(t, "d"+p.Name, gotParams[i], dparams[i], 10*tol)
			}
			if g.s.Scratch.Mark() != 0 || g.s.Stash.Mark() != 0 {
				t.Fatal("an arena was not given back")
			}
		}
	})
}

// gradients runs forward and backward for the loss sum(dy*y) + DLogDet*sum(logDet).
func (g *rig) gradients() (dx []float32, dparams [][]float32) {
	g.reset()
	for _, p := range g.layer.Params() {
		if !p.Fixed {
			g.be.Fill(p.G, 0)
		}
	}
	g.layer.Forward(g.s)
	g.be.Upload(g.s.dx, g.dy)
	g.layer.Backward(g.s)
	for _, p := range g.layer.Params() {
		var d []float32
		if !p.Fixed {
			d = g.read(p.G)
		}
		dparams = append(dparams, d)
	}
	return g.read(g.s.dx), dparams
}

// loss is what gradients differentiates, in float64.
func (g *rig) loss(be *devicetest.Wide) (sum float64) {
	g.layer.Forward(g.s)
	for i, y := range be.Values(g.s.x) {
		sum += y * float64(g.dy[i])
	}
	for _, ld := range be.Values(g.s.LogDet) {
		sum += float64(g.s.DLogDet) * ld
	}
	return sum
}

// differentiate is the central difference of the loss by value i of a buffer.
func (g *rig) differentiate(be *devicetest.Wide, b device.Buffer, i int) float64 {
	const h = 1e-5
	var f [2]float64
	for k, step := range []float64{h, -h} {
		g.reset()
		v := be.Values(b)
		old := v[i]
		v[i] += step
		f[k] = g.loss(be)
		be.Values(b)[i] = old
	}
	return (f[0] - f[1]) / (2 * h)
}

func TestGradientsAgainstCentralDifferences(t *testing.T) {
	for _, lc := range layerCases {
		t.Run(lc.name, func(t *testing.T) {
			be := devicetest.Float64()
			g := newRig(t, be, lc, 2, false)
			dx, dparams := g.gradients()
			check := func(what string, got, want float64) {
				t.Helper()
				if !(math.Abs(got-want) <= 1e-6*(1+math.Abs(want))) { // h^2 times a third derivative, and 1e-16/h
					t.Errorf("%s = %g, central difference %g", what, got, want)
				}
			}
			for i := range dx {
				check(fmt.Sprintf("dx[%d]", i), float64(dx[i]), g.differentiate(be, g.s.x, i))
			}
			for k, p := range g.layer.Params() {
				for i := range dparams[k] {
					check(fmt.Sprintf("d%s[%d]", p.Name, i), float64(dparams[k][i]), g.differentiate(be, p.V, i))
				}
			}
		})
	}
}

func TestLogDetAgainstJacobian(t *testing.T) {
	for _, lc := range layerCases {
		t.Run(lc.name, func(t *testing.T) {
			be := devicetest.Float64()
			g := newRig(t, be, lc, 1, false)
			g.s.Training = false // batch normalisation is no map of one sample where the batch's statistics count
			d := len(g.x0)
			jacobian := mat.NewDense(d, d, nil)
			const h = 1e-6
			for j := range d {
				var y [2][]float64
				for k, step := range []float64{h, -h} {
					g.reset()
					be.Values(g.s.x)[j] += step
					g.layer.Forward(g.s)
					y[k] = append([]float64(nil), be.Values(g.s.x)...)
				}
				for i := range d {
					jacobian.Set(i, j, (y[0][i]-y[1][i])/(2*h))
				}
			}
			want, _ := mat.LogDet(jacobian)
			g.reset()
			g.layer.Forward(g.s)
			if got := be.Values(g.s.LogDet)[0]; !(math.Abs(got-want) <= 1e-7*float64(d)) { // each entry is good to 1e-9
				t.Fatalf("logDet = %.12g, log|det Jacobian| = %.12g", got, want)
			}
		})
	}
}

// A flow with random parameters must still be a density: its integral is 1.
func TestDensityIntegratesToOne(t *testing.T) {
	flows := []layerCase{
		{"1-D affine", 1, 1, 1, func(*rand.Rand) Layer { return NewAffine(1) }},
		{"2-D couplings", 2, 1, 1, func(r *rand.Rand) Layer {
			return Chain{NewActNorm(2), NewInvConv(2, r), mlpCoupling(device.ExpScale, 2, 1, 2)(r), NewReverse(2),
				mlpCoupling(device.SigmoidScale, 2, 1, 2)(r), NewAffine(2)}
		}},
	}
	for _, lc := range flows {
		t.Run(lc.name, func(t *testing.T) {
			const lo, hi, points = -24.0, 24.0, 1201
			step := (hi - lo) / (points - 1)
			n := int(math.Pow(points, float64(lc.c)))
			be, err := cpufallback.New("cpu")
			if err != nil {
				t.Fatal(err)
			}
			defer be.Close()
			g := newRig(t, be, lc, 1, false)
			x := make([]float32, lc.c*n)
			for i := range n {
				x[i] = float32(lo + step*float64(i%points))
				if lc.c == 2 {
					x[n+i] = float32(lo + step*float64(i/points))
				}
			}
			g.s.N, g.s.C, g.s.Training = n, lc.c, false
			g.s.x, g.s.LogDet = alloc(t, be, len(x)), alloc(t, be, n)
			g.s.Scratch = device.NewArena(alloc(t, be, 64*n))
			be.Upload(g.s.x, x)
			g.layer.Forward(g.s)
			be.GaussianLogProb(device.Rows{C: lc.c, N: n, P: 1}, g.s.x, g.s.LogDet)
			sum := 0.0
			for _, logp := range g.read(g.s.LogDet) {
				sum += math.Exp(float64(logp))
			}
			if got := sum * math.Pow(step, float64(lc.c)); math.Abs(got-1) > 1e-3 { // the ReLU's kinks limit the trapezoid rule
				t.Fatalf("the density integrates to %v", got)
			}
		})
	}
}

// A 1x1 convolution starts as a rotation: W W^T = 1, log-determinant 0.
func TestInvConvStartsAsRotation(t *testing.T) {
	for _, c := range []int{1, 2, 3, 12, 48} {
		be := devicetest.Float64()
		l := NewInvConv(c, rand.New(rand.NewPCG(3, uint64(c))))
		for _, p := range l.Params() {
			p.V = alloc(t, be, p.Len())
			be.Upload(p.V, p.start)
		}
		w, winv := alloc(t, be, c*c), alloc(t, be, c*c)
		be.LUCompose(c, l.perm.V, l.l.V, l.u.V, l.logd.V, l.sign.V, w, winv)
		m := mat.NewDense(c, c, be.Values(w))
		var p mat.Dense
		p.Mul(m, m.T())
		for i := range c {
			p.Set(i, i, p.At(i, i)-1)
		}
		if worst := mat.Norm(&p, 2); worst > 1e-5 { // the factors are stored in float32
			t.Errorf("C = %d: |W W^T - 1| = %g", c, worst)
		}
	}
}

// Actnorm sets itself from the first batch, once, and a constant channel stays finite.
func TestActNormInitialisesOnce(t *testing.T) {
	be := devicetest.Float64()
	g := newRig(t, be, layerCases[0], 5, false)
	l := g.layer.(*ActNorm)
	x := be.Values(g.s.x)
	m := g.s.N * g.s.H * g.s.W
	for i := range m {
		x[m+i] = 0.25 // channel 1 is constant
	}
	g.s.Init = true
	l.Forward(g.s)
	for _, c := range []int{0, 2} {
		mean, square := 0.0, 0.0
		for _, v := range be.Values(g.s.x)[c*m : (c+1)*m] {
			mean += v / float64(m)
			square += v * v / float64(m)
		}
		if math.Abs(mean) > 1e-9 || math.Abs(square-1) > 1e-9 {
			t.Errorf("channel %d: mean %g, mean square %g", c, mean, square)
		}
	}
	for _, v := range be.Values(g.s.x)[m : 2*m] {
		if math.Abs(v) > 1e-9 {
			t.Fatalf("the constant channel became %g", v)
		}
	}
	b := append([]float64(nil), be.Values(l.b.V)...)
	for i := range be.Values(g.s.x) {
		be.Values(g.s.x)[i] = 3 * float64(i)
	}
	l.Forward(g.s)
	for i, v := range be.Values(l.b.V) {
		if v != b[i] {
			t.Fatal("a second batch initialised it again")
		}
	}
}

// Batch normalisation of the flow, several steps in a row, against plain float64: running averages blend, the output is
// normalised by them, and evaluation takes them as they are.
func TestBatchNormRunningAverages(t *testing.T) {
	for _, isa := range cpufallback.ISAs() {
		be, err := cpufallback.New("cpu:" + isa)
		if err != nil {
			t.Fatal(err)
		}
		const c, n, h, w, m = 3, 7, 2, 5, 7 * 2 * 5
		g := newRig(t, be, layerCase{"bn", c, h, w, func(*rand.Rand) Layer { return NewBatchNorm(c) }}, n, false)
		r := rand.New(rand.NewPCG(4, 4))
		mean, variance := []float64{0, 0, 0}, []float64{1, 1, 1}
		for step := range 6 {
			g.s.Training = step < 5 // the last is an evaluation
			x := make([]float32, c*m)
			for i := range x {
				x[i] = float32(3 + float64(i/m) + (1+float64(step))*r.NormFloat64())
			}
			want, logDet := make([]float32, c*m), 0.0
			for k := range c {
				bm, bv := 0.0, 0.0
				for _, v := range x[k*m : (k+1)*m] {
					bm += float64(v) / m
				}
				for _, v := range x[k*m : (k+1)*m] {
					bv += (float64(v) - bm) * (float64(v) - bm) / m
				}
				if g.s.Training {
					mean[k] = 0.9*mean[k] + 0.1*bm
					variance[k] = 0.9*variance[k] + 0.1*bv
				}
				for i := k * m; i < (k+1)*m; i++ {
					want[i] = float32((float64(x[i]) - mean[k]) / math.Sqrt(variance[k]+1e-5))
				}
				logDet -= h * w * math.Log(variance[k]+1e-5) / 2
			}
			be.Upload(g.s.x, x)
			be.Fill(g.s.LogDet, 0)
			g.layer.Forward(g.s)
			closeTo(t, isa+" y", g.read(g.s.x), want, 1e-5)
			for _, ld := range g.read(g.s.LogDet) {
				if math.Abs(float64(ld)-logDet) > 1e-4 {
					t.Fatalf("%s step %d: logDet = %v, want %v", isa, step, ld, logDet)
				}
			}
			g.layer.Inverse(g.s)
			closeTo(t, isa+" x", g.read(g.s.x), x, 1e-5)
		}
		be.Close()
	}
}
