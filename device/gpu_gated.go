package device

import "cuflow/kernels"

func (g *gpu) Dropout(r Rows, rate float32, rng Stream, at, x Buffer) {
	fit(rate >= 0 && rate < 1 && at.n == 2 && x.n == r.Len())
	g.begin("Dropout")
	g.noise("dropout", r, rng, float(rate), float(DropoutScale(rate)), ptr(at), ptr(x))
}

func (g *gpu) Gate(ab, x Buffer) {
	fit(ab.n == 2*x.n)
	g.begin("Gate")
	g.run("gate", kernels.Flat(x.n), num(x.n), ptr(ab), ptr(x))
}

func (g *gpu) GateBackward(ab, dx Buffer) {
	fit(ab.n == 2*dx.n)
	g.begin("GateBackward")
	g.run("gate_backward", kernels.Flat(dx.n), num(dx.n), ptr(ab), ptr(dx))
}
