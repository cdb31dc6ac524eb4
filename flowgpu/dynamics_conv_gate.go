package flowgpu

import "cuflow/device"

// convGate tells a convolution the time t by its output channels, "concat-squash" in the code of FFJORD:
//
//	a = sigmoid(t*u + c) * (w*x + b) + t*v
//
// At one time that is a convolution of other weights.
type convGate struct{ v, u, c *convParam } // [Cout] each

// squash is a layer's weights at a time.
type squash struct {
	below   device.Buffer // [Cout] -(t*u + c)
	logs    device.Buffer // [Cout] log sigmoid(t*u + c)
	w, b    device.Buffer // gated
	shifted device.Buffer // [Cout] b + t*v
}

// fold finds the weights at time t, with memory from Scratch.
func (q *squash) fold(s *State, t float32, l convLayer) {
	n := l.b.Len()
	q.below, q.logs, q.shifted = s.Scratch.Take(n), s.Scratch.Take(n), s.Scratch.Take(n)
	q.w, q.b = s.Scratch.Take(l.w.Len()), s.Scratch.Take(n)
	s.Fill(q.below, 0)
	s.Axpy(-1, l.gate.c.V, q.below)
	s.Axpy(-t, l.gate.u.V, q.below)
	s.SmoothForward(device.SmoothSoftplus, q.below, q.below, q.shifted, q.logs)
	s.Fill(q.logs, 0)
	s.Axpy(-1, q.shifted, q.logs)
	s.RowScale(n, l.w.Len()/n, q.logs, l.w.V, l.b.V, q.w, q.b)
	s.Copy(q.shifted, q.b)
	s.Axpy(t, l.gate.v.V, q.shifted)
}

// unfold adds the gradients dw and db of the weights at time t to those of the layer. The derivative of log sigmoid at x is sigmoid(-x), that
// of softplus at -x.
func (q *squash) unfold(s *State, t float32, l convLayer, dw, db device.Buffer) {
	n := l.b.Len()
	mark := s.Scratch.Mark()
	dlogs, unused, dx := s.Scratch.Take(n), s.Scratch.Take(n), s.Scratch.Take(n)
	s.Fill(dlogs, 0)
	s.Axpy(t, db, l.gate.v.d)
	s.RowScaleBackward(n, l.w.Len()/n, q.logs, q.w, q.b, dw, db, l.w.d, l.b.d, dlogs)
	s.SmoothForward(device.SmoothSoftplus, q.below, dlogs, unused, dx)
	s.Axpy(t, dx, l.gate.u.d)
	s.Axpy(1, dx, l.gate.c.d)
	s.Scratch.Release(mark)
}
