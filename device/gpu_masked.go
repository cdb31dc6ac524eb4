package device

import "cuflow/kernels"

func fitMasked(s Masked, w, x, y Buffer) {
	if !s.Valid() {
		panic("device: there is no such masked layer")
	}
	fit(w.n == s.Weights() && x.n == s.Cin()*s.N && y.n == s.Cout()*s.N)
}

func (g *gpu) MaskedForward(s Masked, act Act, w, b, x, y Buffer) {
	fitMasked(s, w, x, y)
	fit(b.n == s.Cout())
	g.begin("MaskedForward")
	g.maskedRows(s, 0, s.Cout(), act, w, b, x, y)
}

func (g *gpu) MaskedStep(s Masked, d int, act Act, w, b, x, y Buffer) {
	fitMasked(s, w, x, y)
	fit(b.n == s.Cout() && d >= 0 && d < s.D)
	g.begin("MaskedStep")
	lo, hi := s.Step(d)
	g.maskedRows(s, lo, hi, act, w, b, x, y)
}

// maskedRows computes outputs lo .. hi-1.
func (g *gpu) maskedRows(s Masked, lo, hi int, act Act, w, b, x, y Buffer) {
	finish := finishStore
	if act == ReLU {
		finish = finishReLU
	}
	g.run("masked_forward", kernels.MaskedSquares(hi-lo, s.N), num(int(s.Layer)), num(s.D), num(s.H), num(s.Q), num(s.N), num(lo), num(hi),
		num(finish), ptr(w), ptr(b), ptr(x), ptr(y))
}

func (g *gpu) MaskedBackwardData(s Masked, w, dy, dx Buffer) {
	fitMasked(s, w, dx, dy)
	g.begin("MaskedBackwardData")
	g.maskedData(s, 0, s.Cin(), finishAdd, w, dy, dx)
}

func (g *gpu) MaskedBackwardAct(s Masked, act Act, w, dy, h Buffer) {
	fitMasked(s, w, h, dy)
	g.begin("MaskedBackwardAct")
	g.maskedData(s, 0, s.Cin(), gateOf(act), w, dy, h)
}

func (g *gpu) MaskedBackwardStep(s Masked, d int, act Act, w, dy, h Buffer) {
	fitMasked(s, w, h, dy)
	fit(d >= 1 && d < s.D)
	g.begin("MaskedBackwardStep")
	lo, hi := s.BackwardStep(d)
	g.maskedData(s, lo, hi, gateOf(act), w, dy, h)
}

func gateOf(act Act) int {
	if act == ReLU {
		return finishGate
	}
	return finishStore
}

// maskedData computes the gradient of inputs lo .. hi-1.
func (g *gpu) maskedData(s Masked, lo, hi, finish int, w, dy, dx Buffer) {
	g.run("masked_data", kernels.MaskedSquares(hi-lo, s.N), num(int(s.Layer)), num(s.D), num(s.H), num(s.Q), num(s.N), num(lo), num(hi),
		num(finish), ptr(w), ptr(dy), ptr(dx))
}

func (g *gpu) MaskedBackwardWeight(s Masked, x, dy, dw, db Buffer) {
	fitMasked(s, dw, x, dy)
	fit(db.n == s.Cout())
	g.begin("MaskedBackwardWeight")
	if s.N == 0 {
		return
	}
	g.run("masked_weight", kernels.MaskedSquares(s.Cout(), s.Cin()), num(int(s.Layer)), num(s.D), num(s.H), num(s.Q), num(s.N),
		ptr(x), ptr(dy), ptr(dw))
	g.rowSums(s.Cout(), s.N, dy, db)
}
