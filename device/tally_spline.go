package device

func (t *Tally) Curve(_ Rows, _ Curve, params, x, logdet Buffer)                       { t.op() }
func (t *Tally) CurveInverse(_ Rows, _ Curve, params, x, logdet Buffer)                { t.op() }
func (t *Tally) CurveInverseBackward(_ Rows, _ Curve, params, x, dx Buffer, _ float32) { t.op() }
func (t *Tally) CurveBackward(_ Rows, _ Curve, params, x, dx Buffer, _ float32)        { t.op() }
