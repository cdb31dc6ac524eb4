package train

import (
	"fmt"

	"cuflow/flowgpu"
)

// SolveLine is what a line of the log says of a continuous flow's solves, by training step.
type SolveLine struct {
	Evaluations  float64  `json:"evaluations"`             // of the dynamics, on the way forward
	Accepted     float64  `json:"accepted"`                // steps of the solver
	Rejected     float64  `json:"rejected"`                // and those that were taken again
	ReverseError *float64 `json:"reverse_error,omitempty"` // greatest |x - x'|, x' what a solve back makes of x, where it was measured
	SolveShare   float64  `json:"solve_share"`             // of the time that went into solves and their gradients
}

// solveLine gathers what the steps since the line before have told; nil where the model is no continuous flow.
func (r *run) solveLine(speed float64) *SolveLine {
	if r.cfg.Model.Kind != "ffjord" {
		return nil
	}
	l, seconds, n := &SolveLine{}, 0.0, float64(len(r.at.Pending))
	for _, rec := range r.at.Pending {
		l.Evaluations += float64(rec.Solves.Evaluations) / n
		l.Accepted += float64(rec.Solves.Accepted) / n
		l.Rejected += float64(rec.Solves.Rejected) / n
		seconds += rec.Solves.Seconds / n
		if rec.Drift > 0 {
			drift := rec.Drift
			l.ReverseError = &drift
		}
	}
	l.SolveShare = min(1, seconds*speed/float64(r.cfg.Batch))
	return l
}

// String is for the progress line.
func (l *SolveLine) String() string {
	text := fmt.Sprintf("  %.0f evaluations, %.1f steps, %.1f again, %.0f %% of the time", l.Evaluations, l.Accepted, l.Rejected, 100*l.SolveShare)
	if l.ReverseError != nil {
		text += fmt.Sprintf(", back to %.0e", *l.ReverseError)
	}
	return text
}

// taken leaves out steps that were undone, and says so.
func (r *run) taken(records []flowgpu.Record) []flowgpu.Record {
	kept := records[:0]
	for _, rec := range records {
		if rec.Undone != "" {
			r.show.say("warning: %s; the step before is undone, and the learning rate halved from here on", rec.Undone)
			continue
		}
		kept = append(kept, rec)
	}
	return kept
}

// describeODE adds what a continuous flow is.
func describeODE(add func(format string, args ...any), m flowgpu.Config, shape string) {
	m = m.Filled()
	o := m.ODE
	add("FFJORD for %s", shape)
	kind := "gated by the time"
	if o.Time == "concat" {
		kind = "that are told the time"
	}
	if m.Levels > 0 {
		add("%s", plural(m.Levels, "level"))
		add("%s at a place, of %s of %s %s, %s", plural(m.Steps, "flow"), plural(m.Depth, "hidden convolution"), plural(m.Hidden, "channel"), kind, o.Act)
		add("%s", solverText(o))
		return
	}
	add("%s of %s of %s %s, %s", plural(m.Steps, "flow"), plural(m.Depth, "hidden layer"), plural(m.Hidden, "unit"), kind, o.Act)
	if m.Norm != "none" {
		add("%s between", m.Norm)
	}
	add("%s", solverText(o))
}

// solverText is how a continuous flow is solved.
func solverText(o flowgpu.ODE) string {
	text := fmt.Sprintf("%s at %.0e", o.Solver, o.Tolerance)
	switch {
	case o.Steps > 0:
		text = fmt.Sprintf("%s of %s", o.Solver, plural(o.Steps, "step"))
	case o.TestTolerance != o.Tolerance:
		text += fmt.Sprintf(" (outside training %.0e)", o.TestTolerance)
	}
	trace := map[string]string{"exact": "exact trace", "rademacher": "trace along random signs", "gaussian": "trace along random directions"}
	text += ", " + trace[o.Trace]
	if o.TestTrace != o.Trace {
		text += ", outside training " + trace[o.TestTrace]
	}
	if o.Gradient == "adjoint" {
		text += ", gradients by the adjoint"
	}
	if o.Kinetic > 0 || o.Jacobian > 0 {
		text += fmt.Sprintf(", kinetic energy weighs %g and the Jacobian's norm %g", o.Kinetic, o.Jacobian)
	}
	return text
}
