package device

import "cuflow/kernels"

func (g *gpu) Wrap(x Buffer) {
	g.begin("Wrap")
	g.run("wrap", kernels.Flat(x.n), num(x.n), ptr(x))
}

func (g *gpu) Angles(x, y Buffer) {
	fit(y.n == 2*x.n)
	g.begin("Angles")
	g.run("angles", kernels.Flat(x.n), num(x.n), ptr(x), ptr(y))
}

func (g *gpu) AnglesBackward(y, dy, dx Buffer) {
	fit(y.n == 2*dx.n && dy.n == y.n)
	g.begin("AnglesBackward")
	g.run("angles_backward", kernels.Flat(dx.n), num(dx.n), ptr(y), ptr(dy), ptr(dx))
}
