package device

// Smooth is an activation with two derivatives: what the trace of a network's Jacobian needs to be differentiated.
type Smooth int

const (
	SmoothTanh     Smooth = iota // tanh x
	SmoothSoftplus               // log(1+exp(x))
	SmoothSiLU                   // x/(1+exp(-x))
)

// Field is the shape of the dynamics dz/dt = h(t, z) of a continuous flow of vectors: a network of Depth hidden layers of H units from D
// dimensions to D. Grathwohl et al., "FFJORD: Free-form continuous dynamics for scalable reversible generative models", 2019.
//
// Layer l takes x to a = g*(w x + b) + t*v, elementwise but for the product, and all but the last go on with Act(a). The time is
// concatenated (g = 1, v its weights), or gates the layer too: g = sigmoid(t*u + c), "concat-squash" in the paper's code.
type Field struct {
	D, H, Depth int
	Act         Smooth
	Gated       bool
	N           int // samples
	// Exact: D tangents are carried along with each sample, which give the trace of dh/dz. Else there is one, in the direction e of the
	// sample, and e^T (dh/dz) e is Hutchinson's estimate of it: unbiased where E[e e^T] = I.
	Exact bool
	// Energies: two more integrals are there, those of |h|^2 and of the squared Frobenius norm of dh/dz, which one direction
	// estimates by |(dh/dz) e|^2. Finlay et al., "How to train your neural ODE", 2020 (RNODE).
	Energies bool
}

// MaxExact is the greatest D with an exact trace.
const MaxExact = 64

// Layers is how many products the network has.
func (f Field) Layers() int { return f.Depth + 1 }

// Widths are the inputs and outputs of layer l.
func (f Field) Widths(l int) (in, out int) {
	in, out = f.H, f.H
	if l == 0 {
		in = f.D
	}
	if l == f.Depth {
		out = f.D
	}
	return in, out
}

// Tangents is how many directions are carried along with each sample.
func (f Field) Tangents() int {
	if f.Exact {
		return f.D
	}
	return 1
}

// Integrals is how many are integrated beside z: the trace, and the energies.
func (f Field) Integrals() int {
	if f.Energies {
		return 3
	}
	return 1
}

// Rows is D and the Integrals: those of a state y [Rows][N], z before the integrals.
func (f Field) Rows() int { return f.D + f.Integrals() }

// FieldLayer is where the arrays of a layer begin in a Field's weights: w [out][in], b [out], v [out], and of a gated one u [out], c [out].
type FieldLayer struct{ In, Out, W, B, V, U, C int }

// Layer finds layer l.
func (f Field) Layer(l int) (p FieldLayer) {
	at := 0
	for i := 0; ; i++ {
		in, out := f.Widths(i)
		p = FieldLayer{In: in, Out: out, W: at, B: at + in*out, V: at + in*out + out, U: at + in*out + 2*out, C: at + in*out + 3*out}
		if i == l {
			return p
		}
		at = p.End(f.Gated)
	}
}

// End is where the next layer begins.
func (p FieldLayer) End(gated bool) int {
	if gated {
		return p.C + p.Out
	}
	return p.V + p.Out
}

// Weights is the length of a Field's weights: those of its layers one after another, without gaps.
func (f Field) Weights() int { return f.Layer(f.Depth).End(f.Gated) }

// Valid says whether there is such a Field.
func (f Field) Valid() bool {
	return f.D >= 1 && f.H >= 1 && f.Depth >= 1 && f.N >= 0 && (!f.Exact || f.D <= MaxExact)
}

// Flops of one evaluation: a multiplication and an addition for each weight, sample and tangent.
func (f Field) Flops() int64 {
	weights := int64(f.H) * int64(2*f.D+(f.Depth-1)*f.H)
	return 2 * weights * int64(f.N) * int64(1+f.Tangents())
}

// StepFlops are those of FieldStep.
func (f Field) StepFlops(rk *RungeKutta) int64 {
	evaluations := rk.Stages
	if rk.Adaptive {
		evaluations-- // the first was the last of the step before
	}
	return int64(evaluations) * f.Flops()
}

// StepBackwardFlops are those of FieldStepBackward. Every stage is evaluated again, and taken back by two products for each: that of the
// weights' gradient, and that of the inputs', of which nobody asks for the gradients of the tangents that go in first.
func (f Field) StepBackwardFlops(rk *RungeKutta) int64 {
	unasked := 2 * int64(f.D*f.H) * int64(f.N) * int64(f.Tangents())
	return int64(rk.Advancing()) * (3*f.Flops() - unasked)
}

// MaxStages is the greatest number of stages of a RungeKutta.
const MaxStages = 7

// RungeKutta is an explicit method: stage i evaluates k_i = h(t + C[i]*dt, y + dt*sum_{j<i} A[i][j]*k_j), the step ends at
// y + dt*sum_i B[i]*k_i, and its error is estimated by dt*sum_i E[i]*k_i.
type RungeKutta struct {
	Name   string
	Stages int
	Order  int // of the step that is taken
	// Adaptive methods have E, and their last stage is evaluated where the step ends: it is the first of the next (FSAL).
	Adaptive bool
	A        [MaxStages][MaxStages]float32
	B, C, E  [MaxStages]float32
}

// Advancing is how many stages have a part in the step itself. The last of an adaptive method only estimates its error.
func (rk *RungeKutta) Advancing() int {
	if rk.Adaptive {
		return rk.Stages - 1
	}
	return rk.Stages
}

// TimeStep is one step of a solver, from T to T+DT; DT is negative on the way back. ATol and RTol say what an error is held against.
type TimeStep struct{ T, DT, ATol, RTol float32 }

// Continuous is what solves the equations of a continuous flow of vectors, a whole step at a time. Shapes: w is a Field's Weights, e [D][N]
// the directions of a Field that is not Exact and else absent, y and k [Rows][N].
type Continuous interface {
	// FieldValue: k = dy/dt at time t: h(t, z), its trace, and with Energies |h|^2 and the norm of its Jacobian.
	FieldValue(f Field, t float32, w, e, y, k Buffer)
	// FieldStep takes one step from y to yn. Of an adaptive method k is the derivative at y and kn becomes that at yn, and
	//
	//	err[n] = sum_r (error[r,n] / (ATol + RTol*max(|y[r,n]|, |yn[r,n]|)))^2 over z and the trace
	//
	// Others have neither k, kn nor err.
	FieldStep(f Field, rk *RungeKutta, s TimeStep, w, e, y, k, yn, kn, err Buffer)
	// FieldStepBackward goes back through FieldStep: z [D][N] is what it began from, and dz, the gradient of where it ended, becomes that of
	// z. dq are the gradients of the integrals, the same for all samples. dw is added to. The size of the step counts as given.
	FieldStepBackward(f Field, rk *RungeKutta, s TimeStep, w, e, z, dz Buffer, dq [3]float32, dw Buffer)

	// SmoothForward is an activation of values a and of tangents u along with them: h = act(a), th = act'(a)*u. Dynamics of images go by
	// convolutions of both, and by this.
	SmoothForward(act Smooth, a, u, h, th Buffer)
	// SmoothBackward takes the gradients of h and th in dh and dth to those of a and u, in place:
	//
	//	da = act'(a)*dh + act''(a)*u*dth;  du = act'(a)*dth
	SmoothBackward(act Smooth, a, u, dh, dth Buffer)
	// Dots: out[n] += a * sum_{c,p} x*y. x and y are [C][N][P], and may be the same.
	Dots(r Rows, a float32, x, y, out Buffer)
	// ScaledSquares: out[n] += sum_{c,p} (v/(atol + rtol*max(|y|, |yn|)))^2: what a solver judges its steps by. y, yn and v are [C][N][P];
	// yn is optional.
	ScaledSquares(r Rows, atol, rtol float32, y, yn, v, out Buffer)
	// Directions makes the signs of the numbers of x: 1 where x >= 0, else -1 (Rademacher), in place.
	Directions(x Buffer)
}
