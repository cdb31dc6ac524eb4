package devicetest

import "cuflow/device"

func (r *reference) Rectify(x, y device.Buffer) {
	k := r.begin()
	from, to := k.in(x, x.Len()), k.out(y, x.Len())
	for i, v := range from {
		to[i] = max(0, v)
	}
	k.done()
}

func fitMaskedNet(s device.MaskedNet, w []device.MaskedWeights, x, term, kept, params device.Buffer, back bool) {
	if !device.FitMaskedNet(s, w, x, term, kept, params, back) {
		panic("devicetest: a masked network's operand is of wrong length")
	}
}

func (r *reference) MaskedNetForward(s device.MaskedNet, w []device.MaskedWeights, x, term, kept, params device.Buffer) {
	fitMaskedNet(s, w, x, term, kept, params, false)
	device.MaskedNetForwardOn(r, s, w, x, term, kept, params)
	r.begin()
}

func (r *reference) MaskedNetBackward(s device.MaskedNet, w []device.MaskedWeights, x, kept, dparams, dterm, dx device.Buffer) {
	fitMaskedNet(s, w, x, dterm, kept, dparams, true)
	sameLen(x.Len(), dx.Len())
	device.MaskedNetBackwardOn(r, s, w, x, kept, dparams, dterm, dx)
	r.begin()
}

func (r *reference) MaskedNetInverse(s device.MaskedNet, c device.Curve, w []device.MaskedWeights, term, x, kept, params, logdet device.Buffer) {
	fitMaskedNet(s, w, x, term, kept, params, false)
	sameLen(logdet.Len(), s.N)
	device.MaskedNetInverseOn(r, s, c, w, term, x, kept, params, logdet)
	r.begin()
}

func (r *reference) MaskedNetInverseBackward(s device.MaskedNet, c device.Curve, w []device.MaskedWeights, x, kept, params, dx, dterm, work device.Buffer,
	dld float32) {
	fitMaskedNet(s, w, x, dterm, kept, params, true)
	sameLen(x.Len(), dx.Len())
	sameLen(work.Len(), s.BackWork())
	device.MaskedNetInverseBackwardOn(r, s, c, w, x, kept, params, dx, dterm, work, dld)
	r.begin()
}
