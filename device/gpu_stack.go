package device

// What is hidden stays in plain order on a GPU: its convolutions read that at full speed.

func (g *gpu) StackForward(s Images, units []Unit, x, y Buffer, _ bool) {
	fit(FitStack(s, units, x, y, false))
	StackForwardOn(g, s, units, x, y)
}

func (g *gpu) StackBackward(s Images, units []Unit, x, dy, dx Buffer) {
	fit(FitStack(s, units, x, dy, true) && dx.n == x.n)
	StackBackwardOn(g, s, units, x, dy, dx)
}
