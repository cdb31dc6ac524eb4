package flowgpu

import (
	"fmt"
	"slices"
	"strings"

	"cuflow/device"
)

// ODE says how a continuous flow is made and solved: of a model of kind "ffjord".
type ODE struct {
	Act  string `json:"act,omitempty"`  // "tanh", "softplus" or "silu"
	Time string `json:"time,omitempty"` // a layer knows the time by "squash" (concat-squash: it gates, and is added) or "concat"

	Trace     string `json:"trace,omitempty"`      // "exact", or estimated along one direction: "rademacher" or "gaussian"
	TestTrace string `json:"test_trace,omitempty"` // the same outside training

	Solver        string  `json:"solver,omitempty"`         // "dopri5" or "bosh3", which choose their steps; "rk4", "midpoint" or "euler", of Steps steps
	Steps         int     `json:"steps,omitempty"`          // of a solve
	Tolerance     float64 `json:"tolerance,omitempty"`      // absolute and relative, of a step in training
	TestTolerance float64 `json:"test_tolerance,omitempty"` // elsewhere
	ErrorNorm     string  `json:"error_norm,omitempty"`     // what must keep the tolerance: the root of the mean square over the "batch", or that of each "sample"
	TestErrorNorm string  `json:"test_error_norm,omitempty"`
	Budget        int     `json:"budget,omitempty"` // evaluations of the dynamics that a solve may take

	Gradient string  `json:"gradient,omitempty"` // "direct", through the solver's own steps, or "adjoint"
	Kinetic  float64 `json:"kinetic,omitempty"`  // weight in the loss of the integral of |h|^2 (RNODE)
	Jacobian float64 `json:"jacobian,omitempty"` // weight in the loss of the integral of |dh/dz|^2 (RNODE)
}

var smooths = map[string]device.Smooth{"tanh": device.SmoothTanh, "softplus": device.SmoothSoftplus, "silu": device.SmoothSiLU}

// Filled is the description with what is left empty filled in, as New does.
func (c Config) Filled() Config { return c.withDefaults() }

// odeDefaults fills in what is left empty of a continuous flow.
func (c Config) odeDefaults() Config {
	if c.Kind != "ffjord" {
		return c
	}
	o := &c.ODE
	act, time := "tanh", "squash"
	if !c.vectors() {
		act, time = "softplus", "concat" // as published
	}
	for _, f := range []struct {
		value *string
		usual string
	}{
		{&o.Act, act}, {&o.Time, time}, {&o.Solver, "dopri5"}, {&o.ErrorNorm, "batch"}, {&o.TestErrorNorm, "sample"}, {&o.Gradient, "direct"}, {&o.Trace, c.usualTrace()},
	} {
		if *f.value == "" {
			*f.value = f.usual
		}
	}
	if o.TestTrace == "" {
		if o.TestTrace = c.usualTrace(); o.TestTrace != "exact" {
			o.TestTrace = o.Trace
		}
	}
	if o.Tolerance == 0 {
		o.Tolerance = 1e-5
	}
	if o.TestTolerance == 0 {
		o.TestTolerance = o.Tolerance
	}
	if o.Budget == 0 {
		if o.Budget = 10000; !c.vectors() {
			o.Budget = 2000 // it sizes memory of a few dozen states, which are larger
		}
	}
	if o.Steps == 0 && (o.Solver == "rk4" || o.Solver == "midpoint" || o.Solver == "euler") {
		o.Steps = 20
	}
	return c
}

// usualTrace is exact where that costs little.
func (c Config) usualTrace() string {
	if c.vectors() && c.Channels <= device.MaxExact {
		return "exact"
	}
	return "rademacher"
}

// checkODE says what is wrong with the settings of a continuous flow.
func (c Config) checkODE() error {
	o := c.ODE
	if c.Kind != "ffjord" {
		if o != (ODE{}) {
			return fmt.Errorf("there are settings of an ODE, but %s has none: leave them out, or use ffjord", c.Kind)
		}
		return nil
	}
	for _, f := range []struct {
		name, value string
		allowed     []string
	}{
		{"act", o.Act, []string{"tanh", "softplus", "silu"}}, {"time", o.Time, []string{"squash", "concat"}},
		{"trace", o.Trace, []string{"exact", "rademacher", "gaussian"}}, {"test trace", o.TestTrace, []string{"exact", "rademacher", "gaussian"}},
		{"solver", o.Solver, []string{"dopri5", "bosh3", "rk4", "midpoint", "euler"}},
		{"error norm", o.ErrorNorm, []string{"batch", "sample"}}, {"test error norm", o.TestErrorNorm, []string{"batch", "sample"}}, {"gradient", o.Gradient, []string{"direct", "adjoint"}},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return fmt.Errorf("unknown %s %q of an ODE: use %s", f.name, f.value, strings.Join(f.allowed, ", "))
		}
	}
	adaptive := o.Solver == "dopri5" || o.Solver == "bosh3"
	switch {
	case (o.Trace == "exact" || o.TestTrace == "exact") && c.usualTrace() != "exact":
		return fmt.Errorf("an exact trace takes vectors of at most %d dimensions: use trace rademacher or gaussian", device.MaxExact)
	case adaptive && o.Steps != 0:
		return fmt.Errorf("ODE steps is %d, but %s chooses its steps: leave it 0, or use solver rk4, midpoint or euler", o.Steps, o.Solver)
	case !adaptive && (o.Steps < 1 || o.Steps > 1<<16):
		return fmt.Errorf("ODE steps is %d: it must be from 1 to %d", o.Steps, 1<<16)
	case !(o.Tolerance >= minTolerance && o.Tolerance <= 1) || !(o.TestTolerance >= minTolerance && o.TestTolerance <= 1):
		return fmt.Errorf("the tolerances of the ODE are %g and %g: each must be from %g, which float32 can tell apart, to 1", o.Tolerance, o.TestTolerance, minTolerance)
	case o.Budget < 20 || o.Budget > 1<<20:
		return fmt.Errorf("ODE budget is %d evaluations: it must be from 20 to %d", o.Budget, 1<<20)
	case !(o.Kinetic >= 0 && o.Kinetic <= 1e6) || !(o.Jacobian >= 0 && o.Jacobian <= 1e6):
		return fmt.Errorf("the ODE's weights kinetic and jacobian are %g and %g: each must be from 0 to 1e6", o.Kinetic, o.Jacobian)
	}
	return nil
}

// minTolerance is what single precision still tells apart over a solve.
const minTolerance = 1e-7
