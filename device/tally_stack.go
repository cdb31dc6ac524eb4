package device

func (t *Tally) StackForward(g Images, units []Unit, x, y Buffer, _ bool) {
	for i := range units {
		t.product(units[i].shape(g).Flops())
	}
}

func (t *Tally) StackBackward(g Images, units []Unit, x, dy, dx Buffer) {
	for i := range units {
		t.product(2 * units[i].shape(g).Flops())
	}
}
