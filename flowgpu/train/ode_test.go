package train

import (
	"context"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"testing"

	"cuflow/flowgpu"
)

// tinyODE is a run of a continuous flow that takes a second, long enough to bend the plane.
func tinyODE(t *testing.T) Config {
	t.Helper()
	p, err := Preset("ffjord-2d")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Data = "two-moons:2000"
	c.Model.Hidden, c.Model.Depth = 16, 2
	c.Batch, c.Steps, c.Warmup, c.LR, c.Schedule = 64, 120, 4, 2e-2, "constant"
	c.LogEvery, c.EvalEvery, c.CheckpointEvery, c.EvalSamples, c.Samples, c.Device = 30, 0, 0, 100, 7, "cpu"
	return c
}

// TestContinuousRun: the log tells what solves took, and a run that was stopped on the way goes on to the same bits.
func TestContinuousRun(t *testing.T) {
	c := tinyODE(t)
	dir := start(t, c)
	texts := lines(t, dir)
	if len(texts) != 4 {
		t.Fatalf("%d lines", len(texts))
	}
	for i, text := range texts {
		var l map[string]any
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		for name, least := range map[string]float64{"evaluations": 14, "accepted": 2, "rejected": 0, "reverse_error": 1e-9, "solve_share": 1e-9} {
			if v, ok := l[name].(float64); !ok || v < least {
				t.Errorf("line %d: %s is %v", i+1, name, l[name])
			}
		}
		if l["reverse_error"].(float64) > 2e-3 || l["solve_share"].(float64) > 1 {
			t.Errorf("line %d: %s", i+1, text)
		}
	}
	stopped := t.TempDir()
	if _, err := Start(&countdown{context.Background(), 70}, c, stopped, quiet()); err == nil {
		t.Fatal("it was not stopped")
	}
	if _, err := Resume(context.Background(), stopped, func(*Config) {}, quiet()); err != nil {
		t.Fatal(err)
	}
	got, want := checkpoint(t, stopped), checkpoint(t, dir)
	for i, s := range want.c.Sections {
		if !slices.Equal(got.c.Sections[i].Data, s.Data) {
			t.Errorf("%s differs", s.Name)
		}
	}
}

// TestContinuousUse: a trained flow can be solved by another tolerance than in training. Log-densities at 1e-5 and at 1e-7 differ by what the
// steps' errors add up to, which is a few times the looser one; at 1e-2 they are another matter.
func TestContinuousUse(t *testing.T) {
	dir := start(t, tinyODE(t))
	logp := func(o flowgpu.ODE) (all []float64) {
		s, err := open(dir)
		if err != nil {
			t.Fatal(err)
		}
		parts, err := s.sources(Use{}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		err = s.with(Use{ODE: o}, quiet(), func(_ *flowgpu.Model, e *flowgpu.Evaluator) (err error) {
			all, err = logProbs(context.Background(), e, parts.test, 200, 1)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return all
	}
	apart := func(a, b []float64) (worst float64) {
		for i, v := range a {
			worst = max(worst, math.Abs(v-b[i]))
		}
		return worst
	}
	fine := logp(flowgpu.ODE{TestTolerance: 1e-7})
	if off := apart(logp(flowgpu.ODE{TestTolerance: 1e-5}), fine); off > 1e-4 || off == 0 {
		t.Errorf("log-densities at 1e-5 and 1e-7 differ by up to %.2g", off)
	}
	if off := apart(logp(flowgpu.ODE{TestTolerance: 1e-5}), fine); off > 5e-5 {
		t.Errorf("log-densities at 1e-5 of every sample and 1e-7 differ by up to %.2g", off)
	}
	if off := apart(logp(flowgpu.ODE{TestTolerance: 1e-2}), fine); off < 1e-3 {
		t.Errorf("log-densities at 1e-2 and 1e-7 differ by %.2g only", off)
	}
	if off := apart(logp(flowgpu.ODE{TestTolerance: 1e-7, TestTrace: "rademacher"}), fine); off < 1e-3 {
		t.Errorf("log-densities by an estimated trace and the exact one differ by %.2g only", off)
	}
	evaluate := func(o flowgpu.ODE) *Solved {
		r, err := Evaluate(context.Background(), dir, Detail{}, Use{ODE: o}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		return r.Solved
	}
	loose, tight := evaluate(flowgpu.ODE{TestTolerance: 1e-3}), evaluate(flowgpu.ODE{TestTolerance: 1e-6})
	if !(loose.Evaluations < tight.Evaluations && loose.ReverseError > tight.ReverseError) || tight.ReverseError > 1e-5 || tight.Back != 64 {
		t.Errorf("at 1e-3 %+v, at 1e-6 %+v", loose, tight)
	}
	for want, o := range map[string]flowgpu.ODE{"from 1e-07": {TestTolerance: 1e-9}, "unknown test trace": {TestTrace: "some"}, "error norm": {TestErrorNorm: "all"}} {
		if _, err := Evaluate(context.Background(), dir, Detail{}, Use{ODE: o}, quiet()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	other := start(t, tinyVectors(t, "two-moons:500"))
	if _, err := Evaluate(context.Background(), other, Detail{}, Use{ODE: flowgpu.ODE{TestTolerance: 1e-3}}, quiet()); err == nil || !strings.Contains(err.Error(), "for continuous flows") {
		t.Errorf("of another kind of model: %v", err)
	}
}

// TestContinuousPlot: a continuous flow has pictures of its density over time and of trajectories too. These begin where the latents are and end
// where the samples do, in the flow's own units.
func TestContinuousPlot(t *testing.T) {
	c := tinyODE(t)
	c.Steps = 40
	dir := start(t, c)
	p := Plotting{N: 300, Seed: 5, Format: "svg", CSV: true}
	files := contents(t, plotted(t, dir, p))
	for name, least := range map[string]int{"times.svg": 10000, "times.gif": 10000, "times.csv": 10000, "layers.gif": 10000} {
		if len(files[name]) < least {
			t.Errorf("%s has %d bytes", name, len(files[name]))
		}
	}
	rows := strings.Split(strings.TrimSpace(string(files["times.csv"])), "\n")
	if rows[0] != "moment,name,particle,at_1,at_2" || len(rows) != 1+17*particles {
		t.Fatalf("%d rows under %q", len(rows), rows[0])
	}
	for row, want := range map[int]string{1: `0,"latent, t = 1",0,`, 1 + particles: "1,t = 0.938,0,", len(rows) - 1: `16,"data, t = 0",59,`} {
		if !strings.HasPrefix(rows[row], want) {
			t.Errorf("row %d is %s, want %s", row, rows[row], want)
		}
	}
	if layers := string(files["layers.csv"]); !strings.Contains(layers, `"flow1, t = 0.5"`) || strings.Contains(layers, "inverse of") {
		t.Errorf("layers.csv begins %.200s", layers)
	}
}

// TestContinuousDryRun: steps are counted with as many evaluations as solves come to take, and the arithmetic with them.
func TestContinuousDryRun(t *testing.T) {
	c := tinyODE(t)
	c.LR = 1e-9 // learns next to nothing: solves keep their length, however many steps a fast machine measures
	e, err := DryRun(context.Background(), c, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if want := e.Took / float64(e.Measured) * e.Grown; !(e.Grown > 0.8*matured && e.Grown < 1.2*matured) || e.Step != want {
		t.Errorf("a step of %v s, measured %v, grown by %v", e.Step, want, e.Grown)
	}
	planned, err := flowgpu.Plan(e.Config.Model, e.Config.stepping(c.Memory), modes()...)
	if err != nil {
		t.Fatal(err)
	}
	// Before training a solve takes about the steps that a plan has.
	if r := float64(e.Budgets[0].Flops) / float64(planned[0].Flops); r < 0.6*matured || r > 1.5*matured {
		t.Errorf("%d operations a step, %v times those planned", e.Budgets[0].Flops, r)
	}
	var out strings.Builder
	if err := e.Write(&out); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"for solves that grow longer", "evaluations in the first step"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s does not say %q", out.String(), want)
		}
	}
	c.Model.ODE.Solver, c.Model.ODE.Steps = "rk4", 3
	if e, err = DryRun(context.Background(), c, quiet()); err != nil || e.Grown != 1 {
		t.Errorf("steps of one size: grown by %v, %v", e.Grown, err)
	}
	if planned, err = flowgpu.Plan(e.Config.Model, e.Config.stepping(c.Memory), modes()...); err != nil {
		t.Fatal(err)
	}
	// A few steps solve back too, to see how well that undoes them.
	if r := float64(e.Budgets[0].Flops) / float64(planned[0].Flops); r < 1 || r > 1.2 {
		t.Errorf("steps of one size: %d operations, %v times those planned", e.Budgets[0].Flops, r)
	}
}

// TestGrowth: the measured steps count as often as solves will take longer than they did, and never less than once.
func TestGrowth(t *testing.T) {
	steps := func(evaluations ...int) (records []flowgpu.Record) {
		for _, n := range evaluations {
			var r flowgpu.Record
			r.Solves.Evaluations = n
			records = append(records, r)
		}
		return records
	}
	var chosen, equal flowgpu.Config
	chosen.ODE.Solver, equal.ODE.Solver, equal.ODE.Steps = "dopri5", "rk4", 3
	for _, c := range []struct {
		model flowgpu.Config
		timed []int
		want  float64
	}{
		{chosen, []int{20, 20}, matured},
		{chosen, []int{30, 50}, matured / 2},
		{chosen, []int{100, 100}, 1}, // grew beyond what a run's do on average: nothing is left to grow by
		{chosen, nil, 1},
		{equal, []int{20, 20}, 1},
	} {
		var g growth
		g.add(steps(20, 25), false)
		g.add(steps(c.timed...), true)
		if got := g.factor(c.model); math.Abs(got-c.want) > 1e-12 {
			t.Errorf("%s after solves of %v: %v, want %v", c.model.ODE.Solver, c.timed, got, c.want)
		}
	}
}
