package device

// The passes of a masked network by the ops of its layers: what they mean, and what a backend does that has nothing better.

// maskedOps are what they need.
type maskedOps interface {
	Memory
	Curves
	Autoregressive
	Rectify(x, y Buffer)
}

// array is hidden array i among what is kept, as [H][N].
func (s MaskedNet) array(kept Buffer, i int) Buffer {
	from := i * s.KeptArray()
	return kept.Slice(from, from+s.H*s.N)
}

// ends are what stage t reads and writes.
func (s MaskedNet) ends(t MaskedStage, x, kept, params Buffer) (from, to Buffer) {
	from, to = x, params
	if t.From != Outside {
		from = s.array(kept, t.From)
	}
	if t.To != Outside {
		to = s.array(kept, t.To)
	}
	return from, to
}

// MaskedNetForwardOn is MaskedNetForward, hidden arrays in plain order.
func MaskedNetForwardOn(be maskedOps, s MaskedNet, w []MaskedWeights, x, term, kept, params Buffer) {
	for i := range s.Layers() {
		t := s.Stage(i)
		from, to := s.ends(t, x, kept, params)
		late := i == 0 && !term.Nil() // the activation comes after the term
		act := t.Act
		if late {
			act = NoAct
		}
		be.MaskedForward(t.Masked, act, w[i].W, w[i].B, from, to)
		if late {
			be.Axpy(1, term, to)
			if t.Act == ReLU {
				be.Rectify(to, to)
			}
		}
		if t.Plus != Outside {
			be.Axpy(1, s.array(kept, t.Plus), to)
		}
		if t.Rectified != Outside {
			be.Rectify(to, s.array(kept, t.Rectified))
		}
	}
}

// gradient is where the gradient of a hidden array lies: in place, and that of all h of a residual network where the last was.
func (s MaskedNet) gradient(kept Buffer, i int) Buffer {
	if !s.IsRectified(i) {
		i = s.Hidden() - 1
	}
	return s.array(kept, i)
}

// MaskedNetBackwardOn is MaskedNetBackward after MaskedNetForwardOn.
func MaskedNetBackwardOn(be maskedOps, s MaskedNet, w []MaskedWeights, x, kept, dparams, dterm, dx Buffer) {
	for i := s.Layers() - 1; i >= 0; i-- {
		t := s.Stage(i)
		from, _ := s.ends(t, x, kept, dparams)
		dy := dparams
		if t.To != Outside {
			dy = s.gradient(kept, t.To)
		}
		be.MaskedBackwardWeight(t.Masked, from, dy, w[i].DW, w[i].DB)
		switch {
		case i == 0:
			if !dterm.Nil() {
				be.Copy(dterm, dy)
			}
			be.MaskedBackwardData(t.Masked, w[i].W, dy, dx)
		case s.IsRectified(t.From):
			be.MaskedBackwardAct(t.Masked, ReLU, w[i].W, dy, from)
		default:
			be.MaskedBackwardAct(t.Masked, NoAct, w[i].W, dy, from)
		}
		if s.Residual && t.From != Outside && t.From%3 == 1 { // what went around the block
			be.Axpy(1, from, s.gradient(kept, 0))
		}
	}
}

// MaskedNetInverseOn is MaskedNetInverse by steps, hidden arrays in plain order.
func MaskedNetInverseOn(be maskedOps, s MaskedNet, c Curve, w []MaskedWeights, term, x, kept, params, logdet Buffer) {
	for d := range s.D {
		for i := range s.Layers() {
			t := s.Stage(i)
			from, to := s.ends(t, x, kept, params)
			lo, hi := t.Step(d)
			if lo == hi {
				continue
			}
			rows := func(b Buffer) Buffer { return b.Slice(lo*s.N, hi*s.N) }
			late := i == 0 && !term.Nil()
			act := t.Act
			if late {
				act = NoAct
			}
			be.MaskedStep(t.Masked, d, act, w[i].W, w[i].B, from, to)
			if late {
				be.Axpy(1, rows(term), rows(to))
				if t.Act == ReLU {
					be.Rectify(rows(to), rows(to))
				}
			}
			if t.Plus != Outside {
				be.Axpy(1, rows(s.array(kept, t.Plus)), rows(to))
			}
			if t.Rectified != Outside {
				be.Rectify(rows(to), rows(s.array(kept, t.Rectified)))
			}
		}
		if d < s.Still {
			continue
		}
		q := c.Params() * s.N
		be.CurveInverse(Rows{C: 1, N: s.N, P: 1}, c, params.Slice(d*q, (d+1)*q), x.Slice(d*s.N, (d+1)*s.N), logdet)
	}
}

// MaskedNetInverseBackwardOn is MaskedNetInverseBackward by steps, after MaskedNetInverseOn.
func MaskedNetInverseBackwardOn(be maskedOps, s MaskedNet, c Curve, w []MaskedWeights, x, kept, params, dx, dterm, work Buffer, dld float32) {
	dkept, rest := work.Slice(0, s.Kept()), work.Slice(s.Kept(), work.n)
	x0, one := rest.Slice(0, x.n), rest.Slice(x.n, 2*x.n)
	be.Copy(x0, x)
	for i := range s.Hidden() {
		if s.IsRectified(i) { // says where the ReLU let through
			be.Copy(s.array(dkept, i), s.array(kept, i))
		}
	}
	q := c.Params() * s.N
	for d := s.D - 1; d >= 0; d-- {
		row := func(b Buffer) Buffer { return b.Slice(d*s.N, (d+1)*s.N) }
		if d < s.D-1 {
			maskedBackStepOn(be, s, d+1, w, dkept, params, one)
			be.Axpy(1, row(one), row(dx))
		}
		if own := params.Slice(d*q, (d+1)*q); d < s.Still {
			be.Fill(own, 0)
		} else {
			be.CurveInverseBackward(Rows{C: 1, N: s.N, P: 1}, c, own, row(x), row(dx), dld)
		}
	}
	for i := range s.Layers() {
		t := s.Stage(i)
		from, _ := s.ends(t, x0, kept, params)
		_, dy := s.ends(t, x0, dkept, params)
		be.MaskedBackwardWeight(t.Masked, from, dy, w[i].DW, w[i].DB)
	}
	if !dterm.Nil() {
		be.Copy(dterm, s.array(dkept, 0))
	}
}

// maskedBackStepOn finds the gradients of the units of degree d, and of dimension d-1 in its row of dx, when those of what is said of
// dimensions d .. D-1 are in dparams.
func maskedBackStepOn(be maskedOps, s MaskedNet, d int, w []MaskedWeights, dkept, dparams, dx Buffer) {
	for i := s.Layers() - 1; i >= 0; i-- {
		t := s.Stage(i)
		from, dy := s.ends(t, dx, dkept, dparams)
		act := NoAct
		if t.From != Outside && s.IsRectified(t.From) {
			act = ReLU
		}
		be.MaskedBackwardStep(t.Masked, d, act, w[i].W, dy, from)
		if lo, hi := t.BackwardStep(d); s.Residual && t.From != Outside && t.From%3 == 1 && lo < hi { // what went around the block
			rows := func(i int) Buffer { return s.array(dkept, i).Slice(lo*s.N, hi*s.N) }
			be.Copy(rows(t.From-1), rows(t.From+2))
			be.Axpy(1, rows(t.From), rows(t.From-1))
		}
	}
}
