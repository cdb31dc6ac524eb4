package device

// Images is the shape of a batch without its channels: N images of H x W pixels.
type Images struct{ N, H, W int }

// Unit is one convolution of a Stack.
type Unit struct {
	Cin, Cout, K int
	Act          Act
	W, B         Buffer // weights [Cout][Cin][K][K] and bias [Cout]
	DW, DB       Buffer // their gradients, for StackBackward
	Set          bool   // which sets them, whatever they hold, instead of adding to them
	// Hidden is memory for what StackForward leaves for StackBackward: HiddenLen(Cout, M) values, in an order of the backend's own.
	// The last unit has none.
	Hidden Buffer
}

// HiddenLen is the length of what is hidden between units: rows channels of m columns, and room for the order that suits the
// backend best.
func HiddenLen(rows, m int) int { return (rows + 1) * ((m + 15) / 16 * 16) }

// shape is the unit's convolution.
func (u *Unit) shape(g Images) ConvShape {
	return ConvShape{Cin: u.Cin, Cout: u.Cout, K: u.K, N: g.N, H: g.H, W: g.W}
}

// Stack is a conditioner in one piece, two convolutions or more one after another, so that what lies between them need not leave
// the cache of whoever computes it. The last unit has no activation.
type Stack interface {
	// StackForward is ConvForward of one unit after another: from x [Cin of the first][N][H][W] to the first's Hidden, from there
	// to the next, and from the last but one's to y [Cout of the last][N][H][W]. keep says that StackBackward follows: without it
	// Hidden may be used or not.
	StackForward(g Images, units []Unit, x, y Buffer, keep bool)
	// StackBackward goes back through the latest StackForward of the same x, which kept Hidden, and uses that up. From the last unit to
	// the first, with dy the gradient of what a unit computed before its activation and h what it read:
	//
	//	ConvBackwardWeight(h, dy, DW, DB);  then ConvBackwardAct makes h the dy of the unit below; at x: ConvBackwardData(dy, dx)
	//
	// DW and DB of a unit with Set are 0 before that.
	StackBackward(g Images, units []Unit, x, dy, dx Buffer)
}

// FitStack says whether the operands are as long as the shapes say; back, whether those of StackBackward are.
func FitStack(g Images, units []Unit, x, y Buffer, back bool) bool {
	if len(units) < 2 {
		return false
	}
	m, last := g.N*g.H*g.W, len(units)-1
	if x.n != units[0].Cin*m || y.n != units[last].Cout*m || units[last].Act != NoAct {
		return false
	}
	for i := range units {
		u := &units[i]
		ok := (u.K == 1 || u.K == 3) && u.Cin > 0 && u.W.n == u.shape(g).Weights() && u.B.n == u.Cout
		if back {
			ok = ok && u.DW.n == u.W.n && u.DB.n == u.Cout
		}
		if i < last {
			ok = ok && u.Hidden.n == HiddenLen(u.Cout, m) && u.Cout == units[i+1].Cin
		}
		if !ok {
			return false
		}
	}
	return true
}

// StackForwardOn is StackForward by a backend's convolutions, hidden in plain order.
func StackForwardOn(be Conv, g Images, units []Unit, x, y Buffer) {
	for i := range units {
		u := &units[i]
		out := y
		if i < len(units)-1 {
			out = u.plain(g)
		}
		be.ConvForward(u.shape(g), u.Act, u.W, u.B, x, out)
		x = out
	}
}

// StackBackwardOn is StackBackward by a backend's convolutions, after StackForwardOn.
func StackBackwardOn(be interface {
	Memory
	Conv
}, g Images, units []Unit, x, dy, dx Buffer) {
	clearGradients(be, units)
	for i := len(units) - 1; i > 0; i-- {
		u, below := &units[i], &units[i-1]
		h := below.plain(g)
		be.ConvBackwardWeight(u.shape(g), h, dy, u.DW, u.DB)
		be.ConvBackwardAct(u.shape(g), below.Act, u.W, dy, h)
		dy = h
	}
	u := &units[0]
	be.ConvBackwardWeight(u.shape(g), x, dy, u.DW, u.DB)
	be.ConvBackwardData(u.shape(g), u.W, dy, dx)
}

// plain is Hidden as [Cout][N][H][W].
func (u *Unit) plain(g Images) Buffer { return u.Hidden.Slice(0, u.Cout*g.N*g.H*g.W) }

// clearGradients makes DW and DB of units with Set 0, those that follow each other on a device in one go.
func clearGradients(be Memory, units []Unit) {
	var run Buffer
	for i := range units {
		if !units[i].Set {
			continue
		}
		for _, b := range [...]Buffer{units[i].DW, units[i].DB} {
			if b.addr != 0 && b.addr == run.addr+4*uint64(run.n) {
				run.n += b.n
				continue
			}
			if !run.Nil() {
				be.Fill(run, 0)
			}
			run = b
		}
	}
	if !run.Nil() {
		be.Fill(run, 0)
	}
}
