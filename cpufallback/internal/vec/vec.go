// Package vec holds the elementwise loops and the sums of the CPU backend: on one core, on slices, without shapes. Every
// kernel exists as a plain Go loop (generic.go), and in assembly written by ../gen/vec for AVX2, AVX-512 and NEON.
//
// An element's result never depends on where in the slice it lies, and a sum's order depends on its length alone: whoever
// cuts the same work into other pieces of whole sums gets the same bits.
package vec

// Form is how a coupling's parameters t, s move x; ls is the log of the scale.
type Form int

const (
	ShiftSigmoid Form = iota // y = (x+t)*exp(ls), ls = log sigmoid(s+b)
	ShiftTanh                // y = (x+t)*exp(ls), ls = a*tanh(b*s)
	AffineTanh               // y = x*exp(ls) + t, ls = a*tanh(b*s)
	forms
)

// Kernels are the loops of one instruction set. Slices of one call have the length of the first unless said otherwise,
// which assembly does not check; they may be the same memory, but not overlap in part. Sums are in single precision, in
// several lanes: they are meant for a few thousand elements.
type Kernels struct {
	Fill   func(x []float32, v float32)       // x[i] = v
	Axpy   func(a float32, x, y []float32)    // y[i] += a*x[i]
	Scale  func(a float32, x, y []float32)    // y[i] = a*x[i]
	Lerp   func(a, b float32, x, y []float32) // y[i] = a*y[i] + b*x[i]
	AddMul func(x []float32, b, e float32)    // x[i] = (x[i]+b)*e
	MulAdd func(x []float32, e, b float32)    // x[i] = x[i]*e + b

	Sum        func(x []float32) float32    // sum_i x[i]
	SumSquares func(x []float32) float32    // sum_i x[i]^2
	MaxAbsDiff func(x, y []float32) float32 // max_i |x[i]-y[i]|, at least 0, NaN if any difference is

	// SegmentSums: acc[j] += sum of v[j*p : (j+1)*p]; v is len(acc)*p long.
	SegmentSums func(v []float32, p int, acc []float32)
	// SegmentSquares: acc[j] += sum of v[i]^2 over the same segments.
	SegmentSquares func(v []float32, p int, acc []float32)

	// Couple: x becomes y, ls the log of the scale.
	Couple moves
	// Uncouple: y in x becomes x, ls the log of the scale, as in Couple.
	Uncouple moves
	// CoupleBackward: y in x and its gradient in dx become x and its gradient; t and s become their gradients. dld is the
	// gradient of every ls. The result is the gradient of a (0 for ShiftSigmoid).
	CoupleBackward backwards

	// ActNormBackward: with y in x and dy in dx,
	//
	//	dlogs = sum_i dy*y;  x[i] = y*inv - b;  dx[i] = dy*e;  db = sum_i dx[i]
	ActNormBackward func(x, dx []float32, e, inv, b float32) (dlogs, db float32)

	// Unzip takes rows of x, stride apart, to rows of w elements of even and odd, step apart; Zip undoes it. There are as many
	// as begin in even.
	//
	//	even[r*step+j] = x[r*stride+2j], odd[r*step+j] = x[r*stride+2j+1], j < w
	Unzip, Zip func(x []float32, stride int, even, odd []float32, step, w int)

	// Uniforms: u[4i+w] is device.UniformOf word w of device.Philox at counter (c0+i, c1, c2, c3) and key (k0, k1). u's
	// length is a multiple of UniformsUnit.
	Uniforms func(u []float32, c0, c1, c2, c3, k0, k1 uint32)
	// UniformRows: u[w*len(u)/4+i] is the same for counter (c0, c1+i, c2, c3).
	UniformRows func(u []float32, c0, c1, c2, c3, k0, k1 uint32)
	// Normals and NormalRows give std times device.NormalOf of words 0 and 1, 2 and 3, in the places of Uniforms and UniformRows.
	Normals, NormalRows func(u []float32, c0, c1, c2, c3, k0, k1 uint32, std float32)
	// Logistics and LogisticRows give scale * (log v - log(1-v)), v a word's first 24 bits and a half over 2^24.
	Logistics, LogisticRows func(u []float32, c0, c1, c2, c3, k0, k1 uint32, scale float32)
	// Dequantize: x[i] = (v[i]+u[i])/levels - 1/2.
	Dequantize func(v, u, x []float32, levels float32)

	// Adam and Adamax are one step of the optimiser on p and its moments, see AdamStep of package device:
	//
	//	g' = g*Clip;  m = Beta1*m + (1-Beta1)*g'
	//	Adam:   v = Beta2*v + (1-Beta2)*g'^2;  p -= m*Step / (sqrt(v*Fix2) + Eps)
	//	Adamax: v = max(Beta2*v, |g'|);        p -= m*Step / (v + Eps)
	Adam, Adamax func(g, p, m, v []float32, c *AdamConsts)

	// Raise and Shares are the passes of a softmax over rows, column by column.
	Raise  func(a float32, x, top []float32)         // top[i] = max(top[i], a*x[i])
	Shares func(a float32, x, top, y, sum []float32) // y[i] = exp(a*x[i]-top[i]), sum[i] += y[i]

	// Curves are the passes of device.Curves, by kind.
	Curves [curveKinds]CurvePasses

	Affine      func(a, b float32, x, y []float32)             // y[i] = a*x[i] + b
	AffineReLU  func(a, b float32, x, y []float32)             // y[i] = max(0, a*x[i] + b)
	Mask        func(y, dy []float32)                          // dy[i] = 0 where not y[i] > 0
	AffineAbout func(x, dx []float32, m, e, a, b float32)      // dx[i] = e*dx[i] + a + b*(x[i]-m)
	Sigmoid     func(x []float32, a, b float32)                // x[i] = a*sigmoid(x[i]) + b
	Tanh        func(x, y []float32, a, b float32)             // y[i] = a*tanh(b*x[i])
	LogLogistic func(x, l []float32)                           // l[i] = -x[i] - 2 log(1+exp(-x[i]))
	Deviations  func(x []float32, m float32) (d, sq float32)   // d = sum_i (x[i]-m); sq = sum_i (x[i]-m)^2
	SumsAbout   func(x, g []float32, m float32) (s, d float32) // s = sum_i g[i]; d = sum_i g[i]*(x[i]-m)

	// Logit takes x from [-1/2, 1/2] to the real line, see Logit of package device; rest = 1-alpha:
	//
	//	p = alpha + rest*(1/2+x);  q = rest*max(1/2-x, 2^-24);  x = log p - log q;  l = -log p - log q
	Logit func(x, l []float32, alpha, rest float32)
}

// UniformsUnit is how many uniform numbers come at a time: four for each lane of the widest register.
const UniformsUnit = 64

// The passes of a coupling, by Form.
type (
	moves     [forms]func(x, t, s, ls []float32, a, b float32)
	backwards [forms]func(x, dx, t, s []float32, a, b, dld float32) (da float32)
)

// AdamConsts are the constants of one step.
type AdamConsts struct {
	Clip         float32 // what the gradient is multiplied by
	Beta1, Rest1 float32 // Rest1 = 1-Beta1
	Beta2, Rest2 float32
	Step         float32 // lr / (1-Beta1^t)
	Fix2         float32 // 1 / (1-Beta2^t)
	Eps          float32
}

// For gives the kernels of an instruction set that ISAs names.
func For(isa string) *Kernels {
	if k := assembly(isa); k != nil {
		return k
	}
	return generic()
}
