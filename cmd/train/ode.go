package main

import (
	"cuflow/flowgpu"

	"github.com/spf13/pflag"
)

// odeFlags make flags of what a continuous flow is and how it is solved.
func odeFlags(f *pflag.FlagSet, o *flowgpu.ODE) {
	f.StringVar(&o.Act, "ode-act", o.Act, "ffjord: tanh, softplus or silu inside the dynamics (default: tanh, of images softplus)")
	f.StringVar(&o.Time, "ode-time", o.Time, "ffjord: squash (the time gates every layer, and is added) or concat (default: squash, of images concat)")
	f.StringVar(&o.Trace, "ode-trace", o.Trace, "ffjord: exact, or estimated along one direction of a solve, rademacher or gaussian (default: exact up to 64 dimensions)")
	f.StringVar(&o.TestTrace, "ode-test-trace", o.TestTrace, "ffjord: the same outside training")
	f.StringVar(&o.Solver, "ode-solver", o.Solver, "ffjord: dopri5 or bosh3, which choose their steps, rk4, midpoint or euler (default: dopri5)")
	f.IntVar(&o.Steps, "ode-steps", o.Steps, "ffjord: steps of a solve by rk4, midpoint or euler (default: 20)")
	f.Float64Var(&o.Tolerance, "ode-tolerance", o.Tolerance, "ffjord: absolute and relative error of a step of dopri5 or bosh3 in training (default: 1e-5)")
	f.Float64Var(&o.TestTolerance, "ode-test-tolerance", o.TestTolerance, "ffjord: the same outside training (default: as in training)")
	f.StringVar(&o.ErrorNorm, "ode-error", o.ErrorNorm, "ffjord: what must keep the tolerance, batch (the mean over it) or every sample (default: batch)")
	f.StringVar(&o.TestErrorNorm, "ode-test-error", o.TestErrorNorm, "ffjord: the same outside training (default: sample)")
	f.IntVar(&o.Budget, "ode-budget", o.Budget, "ffjord: evaluations of the dynamics that a solve may take (default: 10000)")
	f.StringVar(&o.Gradient, "ode-gradient", o.Gradient, "ffjord: direct, through the solver's own steps, or adjoint (default: direct)")
	f.Float64Var(&o.Kinetic, "ode-kinetic", o.Kinetic, "ffjord: weight in the loss of the integral of |h|^2 (RNODE), 0: none")
	f.Float64Var(&o.Jacobian, "ode-jacobian", o.Jacobian, "ffjord: weight in the loss of the integral of |dh/dz|^2 (RNODE), 0: none")
}

// odeUseFlags make flags of how a trained continuous flow is solved where it is used.
func odeUseFlags(f *pflag.FlagSet, o *flowgpu.ODE) {
	f.Float64Var(&o.TestTolerance, "ode-test-tolerance", 0, "ffjord: absolute and relative error of a step (default: that of the run)")
	f.StringVar(&o.TestTrace, "ode-test-trace", "", "ffjord: exact, rademacher or gaussian (default: that of the run)")
	f.StringVar(&o.TestErrorNorm, "ode-test-error", "", "ffjord: what must keep the tolerance, batch or sample (default: that of the run)")
}
