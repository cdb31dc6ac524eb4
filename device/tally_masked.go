package device

func (t *Tally) MaskedForward(s Masked, _ Act, w, b, x, y Buffer)    { t.product(s.Flops()) }
func (t *Tally) MaskedBackwardData(s Masked, w, dy, dx Buffer)       { t.product(s.Flops()) }
func (t *Tally) MaskedBackwardAct(s Masked, _ Act, w, dy, h Buffer)  { t.product(s.Flops()) }
func (t *Tally) MaskedBackwardWeight(s Masked, x, dy, dw, db Buffer) { t.product(s.Flops()) }
func (t *Tally) MaskedBackwardStep(s Masked, d int, _ Act, w, dy, h Buffer) {
	t.product(s.BackwardStepFlops(d))
}
func (t *Tally) MaskedStep(s Masked, d int, _ Act, w, b, x, y Buffer) { t.product(s.StepFlops(d)) }
