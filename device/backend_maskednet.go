package device

// MaskedNet is the shape of a network of masked layers. Plain, it is Depth hidden layers with ReLU and a last one: Germain et al.,
// "MADE", 2015. Residual, it is a first layer, Depth blocks of two, and a last one: Nash and Durkan, "Autoregressive energy machines",
// 2019, section 3.2:
//
//	h = first(x);  h = h + dense2(relu(dense1(relu(h)))) for every block;  params = last(h)
type MaskedNet struct {
	D, H, Q, N int // as in Masked
	Depth      int // at least 1, or 0 if residual
	Residual   bool
	Keep       bool // what is kept will be read by a Backward
	Still      int  // of the way back: the first so many dimensions are moved by no curve
}

// Outside stands for x or params among the arrays of a network, or for none.
const Outside = -1

// MaskedStage is one layer in a network: params or hidden array To = act(b + W From + Plus). Hidden arrays are counted from 0.
type MaskedStage struct {
	Masked
	Act       Act
	From, To  int
	Plus      int // a hidden array, or Outside: none
	Rectified int // the hidden array that becomes relu(To), or Outside: none
}

// Valid says whether there is such a network.
func (s MaskedNet) Valid() bool {
	return s.D >= 2 && s.H >= 1 && s.Q >= 1 && s.N >= 0 && (s.Depth >= 1 || s.Residual && s.Depth == 0) && s.Still >= 0
}

// Layers is how many masked layers it has, each with weights and biases.
func (s MaskedNet) Layers() int {
	if s.Residual {
		return 2*s.Depth + 2
	}
	return s.Depth + 1
}

// Hidden is how many arrays of H hidden units it has. Residual: h before a block, relu(h), relu(dense1), for every block, and the last h.
func (s MaskedNet) Hidden() int {
	if s.Residual {
		return 3*s.Depth + 1
	}
	return s.Depth
}

// Stage is layer i of it.
func (s MaskedNet) Stage(i int) MaskedStage {
	t := MaskedStage{Masked: Masked{Layer: MaskedHidden, D: s.D, H: s.H, Q: s.Q, N: s.N}, Act: ReLU, Plus: Outside, Rectified: Outside}
	last := s.Layers() - 1
	switch i {
	case 0:
		t.Layer = MaskedFirst
	case last:
		t.Layer, t.Act = MaskedLast, NoAct
	}
	t.From, t.To = i-1, i
	if s.Residual {
		block := (i - 1) / 2
		switch {
		case i == 0:
			t.To, t.Act = 0, NoAct
		case i == last:
			t.From = 3 * s.Depth
		case i%2 == 1:
			t.From, t.To = 3*block+1, 3*block+2
		default:
			t.From, t.To, t.Plus, t.Act = 3*block+2, 3*block+3, 3*block, NoAct
		}
		if i < last-1 && i%2 == 0 {
			t.Rectified = t.To + 1
		}
	}
	if i == last {
		t.To = Outside
	}
	return t
}

// IsRectified says whether a ReLU made a hidden array.
func (s MaskedNet) IsRectified(array int) bool { return !s.Residual || array%3 != 0 }

// KeptArray is how much room a hidden array has in what Forward keeps: that of [H][N], rounded up so that a backend may lay it out for its
// own products.
func (s MaskedNet) KeptArray() int {
	const columns, rows = 32, 4 // that N and H are rounded up by
	return (s.N + columns - 1) / columns * columns * (s.H + rows)
}

// Kept is the length of what Forward keeps for Backward.
func (s MaskedNet) Kept() int { return s.Hidden() * s.KeptArray() }

// BackWork is the scratch of MaskedNetInverseBackward: gradients of all hidden arrays, and two of [D][N].
func (s MaskedNet) BackWork() int { return s.Kept() + 2*s.D*s.N }

// Flops of one pass over the network.
func (s MaskedNet) Flops() (n int64) {
	for i := range s.Layers() {
		n += s.Stage(i).Masked.Flops()
	}
	return n
}

// MaskedWeights are the weights [Cout][Cin] and biases [Cout] of one layer, and their gradients.
type MaskedWeights struct{ W, B, DW, DB Buffer }

// Fit says whether there is one for every layer of s, of its size; gradients only if they are wanted.
func (s MaskedNet) Fit(w []MaskedWeights, gradients bool) bool {
	if len(w) != s.Layers() {
		return false
	}
	for i, l := range w {
		t := s.Stage(i).Masked
		if l.W.n != t.Weights() || l.B.n != t.Cout() || gradients && (l.DW.n != t.Weights() || l.DB.n != t.Cout()) {
			return false
		}
	}
	return true
}

// MaskedNets are whole masked networks, and the autoregressive flows that they make with a Curve. Shapes: x [D][N], params [D][Q][N],
// term [H][N], kept [Kept()] in an order of the backend's own, w one for each layer. Weights that do not count are not read, nor given a
// gradient.
type MaskedNets interface {
	// Rectify: y = max(0, x); y may be x.
	Rectify(x, y Buffer)

	// MaskedNetForward: params = net(x). term is optional, and added to what the first layer sums before its activation. kept has the
	// hidden arrays in the end if s.Keep, else nothing that may be read.
	MaskedNetForward(s MaskedNet, w []MaskedWeights, x, term, kept, params Buffer)
	// MaskedNetBackward goes back through the latest MaskedNetForward or Inverse with Keep of the same x, and uses up what that kept. It
	// adds the gradients of weights and biases, and that of x to dx. dterm, if given, becomes the gradient of term.
	MaskedNetBackward(s MaskedNet, w []MaskedWeights, x, kept, dparams, dterm, dx Buffer)
	// MaskedNetInverse takes y in x to the x for which Curve with params = net(x) makes y, and leaves params and kept as
	// MaskedNetForward does. Every hidden unit is computed once, as soon as the dimensions that it knows are there, so that all of it
	// costs the arithmetic of one pass.
	//
	//	for d = 0 .. D-1: params[d] = net(x_0 .. x_{d-1});  x_d = CurveInverse(params[d], y_d), logdet as there; if d < Still, x_d = y_d
	MaskedNetInverse(s MaskedNet, c Curve, w []MaskedWeights, term, x, kept, params, logdet Buffer)
	// MaskedNetInverseBackward goes back through the latest MaskedNetInverse with Keep, which left x, kept and params: it uses up the last
	// two, takes x and its gradient dx to y and its gradient, and adds the gradients of weights and biases. dterm, if given, becomes the
	// gradient of term. work is scratch of BackWork() floats. dld is dLoss/dlogdet.
	//
	//	for d = D-1 .. 0: dx_d += what params of dimensions d+1 .. D-1 have of x_d;  CurveInverseBackward of dimension d
	MaskedNetInverseBackward(s MaskedNet, c Curve, w []MaskedWeights, x, kept, params, dx, dterm, work Buffer, dld float32)
}

// FitMaskedNet says whether the operands of a pass are as long as the shape says; back, whether those of a Backward are.
func FitMaskedNet(s MaskedNet, w []MaskedWeights, x, term, kept, params Buffer, back bool) bool {
	return s.Valid() && s.Fit(w, back) && x.n == s.D*s.N && (term.Nil() || term.n == s.H*s.N) && kept.n == s.Kept() && params.n == s.D*s.Q*s.N
}
