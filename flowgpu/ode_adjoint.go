package flowgpu

import "cuflow/device"

// adjoint goes back through a solve by the adjoint's own equation: with a the gradient of z(t), going back in time by the steps that the
// solver took, from where each of them ended,
//
//	dz/dt = h;  da/dt = -(dh/dz)^T a - dq*d(integrands)/dz;  dtheta = integral of (dh/dtheta)^T a + dq*d(integrands)/dtheta
//
// Chen et al., "Neural ordinary differential equations", 2018, algorithm 1; z is taken from checkpoints at the ends of steps, as in Zhuang
// et al., "Adaptive checkpoint adjoint method", 2020, since what an inverse solve finds has drifted from it.
func (l *Continuous) adjoint(s *State, d dynamics, dq [3]float32) {
	z, _ := d.sizes(s)
	mark := s.Scratch.Mark()
	end := s.Scratch.Take(z)
	s.Copy(end, s.X())
	l.solver.back(s, d, &l.saved, func(i int, start device.Buffer) {
		l.adjointStep(s, d, l.solver.taken[i], end, dq)
		s.Copy(end, start)
	})
	s.Scratch.Release(mark)
}

// adjointStep goes one step back from z at its end.
func (l *Continuous) adjointStep(s *State, d dynamics, ts device.TimeStep, z device.Buffer, dq [3]float32) {
	rk, mark := l.solver.rk, s.Scratch.Mark()
	size, integrals := d.sizes(s)
	y, k := s.Scratch.Take(size+integrals), s.Scratch.Take(size+integrals)
	a := s.Scratch.Take(size)
	s.Fill(y, 0) // the integrals have no part in the dynamics
	var ks, gs [device.MaxStages]device.Buffer
	stages := rk.Advancing()
	for j := range stages {
		ks[j], gs[j] = s.Scratch.Take(size), s.Scratch.Take(size)
		at := y.Slice(0, size)
		s.Copy(at, z)
		s.Copy(a, s.DX())
		for i, w := range rk.A[j][:j] {
			if w != 0 {
				s.Axpy(-ts.DT*w, ks[i], at)
				s.Axpy(ts.DT*w, gs[i], a)
			}
		}
		t := ts.T + ts.DT - rk.C[j]*ts.DT
		if j < stages-1 {
			d.value(s, t, y, k)
			s.Copy(ks[j], k.Slice(0, size))
		}
		s.Copy(gs[j], a)
		d.pull(s, t, at, gs[j], dq, ts.DT*rk.B[j])
		s.Axpy(-1, a, gs[j])
	}
	for j := range stages {
		if b := rk.B[j]; b != 0 {
			s.Axpy(ts.DT*b, gs[j], s.DX())
		}
	}
	s.Scratch.Release(mark)
}
