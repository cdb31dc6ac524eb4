package device

// Euler is y + dt*h: order 1.
func Euler() *RungeKutta { return &RungeKutta{Name: "euler", Stages: 1, Order: 1, B: stages(1)} }

// Midpoint is order 2.
func Midpoint() *RungeKutta {
	return &RungeKutta{Name: "midpoint", Stages: 2, Order: 2, A: [MaxStages][MaxStages]float32{1: stages(0.5)}, B: stages(0, 1), C: stages(0, 0.5)}
}

// RK4 is Kutta's method of order 4 by the rule of three eighths, as torchdiffeq has it: Hairer, Nørsett and Wanner, "Solving ordinary
// differential equations I", 1993, table II.1.2, right.
func RK4() *RungeKutta {
	return &RungeKutta{
		Name: "rk4", Stages: 4, Order: 4,
		A: [MaxStages][MaxStages]float32{1: stages(1. / 3), 2: stages(-1./3, 1), 3: stages(1, -1, 1)},
		B: stages(1./8, 3./8, 3./8, 1./8), C: stages(0, 1./3, 2./3, 1),
	}
}

// Bosh3 is order 3, with an estimate by order 2: Bogacki and Shampine, "A 3(2) pair of Runge-Kutta formulas", 1989.
func Bosh3() *RungeKutta {
	return &RungeKutta{
		Name: "bosh3", Stages: 4, Order: 3, Adaptive: true,
		A: [MaxStages][MaxStages]float32{1: stages(1. / 2), 2: stages(0, 3./4), 3: stages(2./9, 1./3, 4./9)},
		B: stages(2./9, 1./3, 4./9), C: stages(0, 1./2, 3./4, 1),
		E: stages(2./9-7./24, 1./3-1./4, 4./9-1./3, -1./8),
	}
}

// Dopri5 is order 5, with an estimate by order 4: Dormand and Prince, "A family of embedded Runge-Kutta formulae", 1980.
func Dopri5() *RungeKutta {
	last := stages(35./384, 0, 500./1113, 125./192, -2187./6784, 11./84)
	return &RungeKutta{
		Name: "dopri5", Stages: 7, Order: 5, Adaptive: true,
		A: [MaxStages][MaxStages]float32{
			1: stages(1. / 5),
			2: stages(3./40, 9./40),
			3: stages(44./45, -56./15, 32./9),
			4: stages(19372./6561, -25360./2187, 64448./6561, -212./729),
			5: stages(9017./3168, -355./33, 46732./5247, 49./176, -5103./18656),
			6: last,
		},
		B: last, C: stages(0, 1./5, 3./10, 4./5, 8./9, 1, 1),
		E: stages(35./384-5179./57600, 0, 500./1113-7571./16695, 125./192-393./640, -2187./6784+92097./339200, 11./84-187./2100, -1./40),
	}
}

// Solvers are all methods, those that choose their steps first.
func Solvers() []*RungeKutta {
	return []*RungeKutta{Dopri5(), Bosh3(), RK4(), Midpoint(), Euler()}
}

func stages(v ...float32) (s [MaxStages]float32) {
	copy(s[:], v)
	return s
}
