package device

func (t *Tally) Rectify(x, y Buffer) { t.op() }

func (t *Tally) MaskedNetForward(s MaskedNet, w []MaskedWeights, x, term, kept, params Buffer) {
	t.product(s.Flops())
}

func (t *Tally) MaskedNetBackward(s MaskedNet, w []MaskedWeights, x, kept, dparams, dterm, dx Buffer) {
	t.product(2 * s.Flops())
}

func (t *Tally) MaskedNetInverse(s MaskedNet, _ Curve, w []MaskedWeights, term, x, kept, params, logdet Buffer) {
	t.product(s.Flops())
}

func (t *Tally) MaskedNetInverseBackward(s MaskedNet, _ Curve, w []MaskedWeights, x, kept, params, dx, dterm, work Buffer, _ float32) {
	t.product(2 * s.Flops())
}
