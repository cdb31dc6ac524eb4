package main

import (
	"encoding/csv"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"cuflow/device"
	"cuflow/device/meter"
	"cuflow/flowgpu"
)

// TestPartsAddUp: by op, by layer and by pass the same time, arithmetic and traffic are told; the arithmetic is that of the plan, and
// the passes come in order.
func TestPartsAddUp(t *testing.T) {
	be, err := openDevice(device.Choice{Name: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	w := tiny(flowgpu.Stash)
	p, _, err := profiled(be, w, 0)
	if err != nil {
		t.Fatal(err)
	}
	budget, err := flowgpu.Plan(w.model, w.stepping(), w.mode)
	if err != nil {
		t.Fatal(err)
	}
	bytes, err := trafficOf(w, training)
	if err != nil {
		t.Fatal(err)
	}
	for name, parts := range map[string][]part{"op": p.parts(byOp), "layer": p.parts(byLayer), "kind": p.parts(byKind), "pass": p.parts(byPass)} {
		ms, share, flops, moved, last := 0.0, 0.0, int64(0), int64(0), 0
		for _, s := range parts {
			ms, share, flops, moved = ms+s.Ms, share+s.Share, flops+s.Flops, moved+s.Bytes
			if at := passOrder(s.Pass); at < last {
				t.Errorf("by %s: %s comes too late", name, s.Pass)
			} else {
				last = at
			}
		}
		if !near(ms, p.inOps()) || math.Abs(share-1) > 1e-9 || flops != budget[0].Flops || moved != bytes {
			t.Errorf("by %s: %v ms of %v, share %v, %d operations of %d, %d bytes of %d", name, ms, p.inOps(), share, flops, budget[0].Flops, moved, bytes)
		}
	}
	sum := p.sum()
	if sum.Ops <= 0 || sum.Ops > sum.Metered || sum.Steps < leastSteps || !near(sum.Difference, sum.Ops/sum.Plain-1) {
		t.Errorf("%+v", sum)
	}
	names := map[string]bool{}
	for _, s := range p.parts(byLayer) {
		names[string(s.Pass)+" "+s.Name] = true
	}
	for _, want := range []string{"prepare upload, noise", "forward level1.step1 Coupling", "backward level2.step2 InvConv", "forward prior, loss", "update optimiser"} {
		if !names[want] {
			t.Errorf("no %q among the layers", want)
		}
	}
}

func TestOpsAndLayersCommands(t *testing.T) {
	for _, command := range []string{"ops", "layers"} {
		flags := []string{command, "--preset", "glow-digits", "--batch", "2", "--device", "cpu", "--seconds", "0"}
		dir := t.TempDir()
		list := objects(t, must(t, append(flags, "--json", "--plot", dir)...))
		share := 0.0
		for _, o := range list {
			share += field(t, o, "share")
			if field(t, o, "ms") <= 0 || field(t, o, "limit_ms") < 0 || field(t, o, "steps") < leastSteps || o["preset"] != "glow-digits" || o["name"] == "" {
				t.Error(o)
			}
		}
		if math.Abs(share-1) > 1e-9 {
			t.Errorf("%s: shares add up to %v", command, share)
		}
		for _, ending := range []string{".png", ".svg"} {
			if info, err := os.Stat(filepath.Join(dir, command+ending)); err != nil || info.Size() == 0 {
				t.Errorf("no picture: %v", err)
			}
		}
		rows, err := csv.NewReader(strings.NewReader(must(t, append(flags, "--csv")...))).ReadAll()
		if err != nil || len(rows) != len(list)+1 || rows[0][0] != "pass" {
			t.Errorf("%s --csv: %d rows, %v", command, len(rows), err)
		}
		text := must(t, flags...)
		for _, want := range []string{"measured peaks", "of limit", "forward", "backward", "update", "in all", "the ops' sum differs from the step's time by"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s: no %q in\n%s", command, want, text)
			}
		}
	}
}

// TestLayersOfTheInterpreter: a GPU's ops are waited for one by one, and there is no roofline.
func TestLayersOfTheInterpreter(t *testing.T) {
	f := deviceFlags{choice: device.Choice{Name: "sim"}, graph: "on"}
	be, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	w := tiny(flowgpu.Stash)
	w.batch = 1
	p, peaks, err := profiled(be, w, 0)
	if err != nil {
		t.Fatal(err)
	}
	if peaks.GFLOPS != 0 || len(p.calls) == 0 {
		t.Errorf("peaks %+v, %d calls", peaks, len(p.calls))
	}
	for _, s := range p.parts(byOp) {
		if s.OfLimit != nil || s.Bound != "" {
			t.Errorf("%s has a limit: %+v", s.Name, s)
		}
	}
	if err := plotParts(t.TempDir(), "ops", be, peaks, p, nil); err == nil {
		t.Error("a roofline without peaks is drawn")
	}
}

// TestPartsOfStepsThatDiffer: where a solver takes more calls in one step than in another, the parts are means over steps all the same.
func TestPartsOfStepsThatDiffer(t *testing.T) {
	call := func(stage, ms int) meter.Call {
		return meter.Call{Op: "Axpy", Stage: stage, Time: time.Duration(ms) * time.Millisecond, Flops: 10, Bytes: 100}
	}
	p := &profile{
		stages: []flowgpu.Stage{{Pass: flowgpu.Forward, Layer: "a"}, {Pass: flowgpu.Backward, Layer: "b"}},
		calls:  fasterHalf([][]meter.Call{{call(0, 100)}, {call(0, 2), call(0, 4), call(1, 6)}, {call(0, 6)}}),
	}
	parts := p.parts(byKind)
	if len(parts) != 2 || !near(p.inOps(), 9) {
		t.Fatalf("%v ms in %+v", p.inOps(), parts)
	}
	a, b := parts[0], parts[1]
	if a.Calls != 2 || !near(a.Ms, 6) || a.Flops != 15 || a.Bytes != 150 || !near(a.Share, 6./9) {
		t.Errorf("three calls in two steps: %+v", a)
	}
	if b.Calls != 1 || !near(b.Ms, 3) || b.Flops != 5 || !near(b.Share, 3./9) {
		t.Errorf("one call in two steps: %+v", b)
	}
}

func TestReportOfThisMachine(t *testing.T) {
	w := tiny(flowgpu.Stash)
	be, err := openDevice(device.Choice{Name: "cpu"})
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	r, p, err := measureReport(be, []workload{w}, w, 0)
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := r.write(&out, be, p); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"fused multiply-adds", "triad", "tiny sampling", "samples/s", "of peak", "resident", "by op", "by layer", "update", "in all", "limit is the roofline"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	if len(r.Steps) != 1 || len(r.Draws) != 1 || r.Draws[0].Batch != drawnImages {
		t.Errorf("%+v", r)
	}
}

// TestStandardWorkloadsAreThere: those of bench alone can be built, at their published sizes.
func TestStandardWorkloadsAreThere(t *testing.T) {
	all, err := standard()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range all {
		if _, err := flowgpu.Plan(w.model, w.stepping(), w.mode); err != nil {
			t.Errorf("%s: %v", w.name, err)
		}
	}
}
