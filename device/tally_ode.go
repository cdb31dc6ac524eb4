package device

func (t *Tally) FieldValue(f Field, _ float32, w, e, y, k Buffer) { t.product(f.Flops()) }
func (t *Tally) FieldStep(f Field, rk *RungeKutta, _ TimeStep, w, e, y, k, yn, kn, err Buffer) {
	t.product(f.StepFlops(rk))
}
func (t *Tally) FieldStepBackward(f Field, rk *RungeKutta, _ TimeStep, w, e, z, dz Buffer, _ [3]float32, dw Buffer) {
	t.product(f.StepBackwardFlops(rk))
}
func (t *Tally) ScaledSquares(_ Rows, _, _ float32, y, yn, v, out Buffer) { t.op() }
func (t *Tally) Directions(Buffer)                                        { t.op() }
func (t *Tally) SmoothForward(_ Smooth, a, u, h, th Buffer)               { t.op() }
func (t *Tally) SmoothBackward(_ Smooth, a, u, dh, dth Buffer)            { t.op() }
func (t *Tally) Dots(_ Rows, _ float32, x, y, out Buffer)                 { t.op() }
