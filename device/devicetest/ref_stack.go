package devicetest

import "cuflow/device"

func (r *reference) StackForward(g device.Images, units []device.Unit, x, y device.Buffer, _ bool) {
	if !device.FitStack(g, units, x, y, false) {
		panic("devicetest: a stack's operand is of wrong length")
	}
	device.StackForwardOn(r, g, units, x, y)
	r.begin()
}

func (r *reference) StackBackward(g device.Images, units []device.Unit, x, dy, dx device.Buffer) {
	if !device.FitStack(g, units, x, dy, true) || dx.Len() != x.Len() {
		panic("devicetest: a stack's operand is of wrong length")
	}
	device.StackBackwardOn(r, g, units, x, dy, dx)
	r.begin()
}
