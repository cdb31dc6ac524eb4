package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/flowgpu"
)

// TestMain lets the program start itself: what it starts is this test.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && (os.Args[1] == "spin" || os.Args[1] == "start") {
		os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// bench runs the program.
func bench(args ...string) (status int, stdout, stderr string) {
	var out, err bytes.Buffer
	status = run(args, &out, &err)
	return status, out.String(), err.String()
}

// must runs the program and returns what it printed.
func must(t *testing.T, args ...string) string {
	t.Helper()
	status, stdout, stderr := bench(args...)
	if status != 0 || stderr != "" {
		t.Fatalf("bench %s: exit %d, %s", strings.Join(args, " "), status, stderr)
	}
	return stdout
}

// objects reads JSON objects as those read them who do not have our types.
func objects(t *testing.T, text string) (list []map[string]any) {
	t.Helper()
	for d := json.NewDecoder(strings.NewReader(text)); d.More(); {
		var o map[string]any
		if err := d.Decode(&o); err != nil {
			t.Fatalf("%v in\n%s", err, text)
		}
		list = append(list, o)
	}
	return list
}

// field is a number that must be there.
func field(t *testing.T, o map[string]any, name string) float64 {
	t.Helper()
	v, ok := o[name].(float64)
	if !ok {
		t.Fatalf("no number %q in %v", name, o)
	}
	return v
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(math.Abs(a), math.Abs(b)) }

// tiny is a model of two levels that trains in no time.
func tiny(mode flowgpu.Mode) workload {
	return workload{
		name: "tiny", batch: 3, mode: mode, adam: device.Adam{Beta1: 0.9, Beta2: 0.99, Eps: 1e-8, EMADecay: 0.99},
		model: flowgpu.Config{Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17, Levels: 2, Steps: 2, Hidden: 8, Seed: 1},
	}
}

func checkStep(t *testing.T, o map[string]any) {
	t.Helper()
	ms := field(t, o, "ms")
	if lo, hi := field(t, o, "min"), field(t, o, "p95"); !(0 < lo && lo <= ms && ms <= hi) {
		t.Errorf("min %v, median %v, p95 %v", lo, ms, hi)
	}
	if got, want := field(t, o, "images_per_second"), field(t, o, "batch")/ms*1000; !near(got, want) {
		t.Errorf("images_per_second is %v, batch/ms %v", got, want)
	}
	gflops := field(t, o, "flops_per_step") / ms / 1e6
	if got := field(t, o, "gflops"); !(got > 0) || !near(got, gflops) {
		t.Errorf("gflops is %v, flops/ms %v", got, gflops)
	}
	if got, want := field(t, o, "peak_share"), gflops/field(t, o, "peak_gflops"); !near(got, want) {
		t.Errorf("peak_share is %v, gflops/peak_gflops %v", got, want)
	}
	median := field(t, o, "median_peak_gflops")
	if got, want := field(t, o, "median_peak_share"), gflops/median; !near(got, want) || !(0 < median && median <= field(t, o, "peak_gflops")) {
		t.Errorf("median_peak_share is %v, gflops/median_peak_gflops %v, of a peak of %v", got, want, o["peak_gflops"])
	}
	sum := field(t, o, "parameter_bytes") + field(t, o, "optimiser_bytes") + field(t, o, "activation_bytes")
	if got := field(t, o, "memory_bytes"); !(got > 0) || got != sum {
		t.Errorf("memory_bytes is %v, its parts %v", got, sum)
	}
	if field(t, o, "timed_steps") < leastSteps || field(t, o, "warmup_steps") < 3 {
		t.Errorf("%v steps after %v", o["timed_steps"], o["warmup_steps"])
	}
	if field(t, o, "workers") < 1 {
		t.Errorf("%v workers", o["workers"])
	}
}

func TestStepOfEveryModeAddsUpAndAllocatesNothing(t *testing.T) {
	for _, name := range []string{"cpu:generic", "cpu"} {
		for _, mode := range []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible} {
			t.Run(name+"/"+string(mode), func(t *testing.T) {
				be, err := openDevice(device.Choice{Name: name})
				if err != nil {
					t.Fatal(err)
				}
				defer be.Close()
				var r *record
				// Now and then the runtime starts a thread, which takes some kilobytes; a step would take its own in every attempt.
				for attempt := 0; attempt == 0 || attempt < 4 && r.AllocBytesPerStep != 0; attempt++ {
					if r, err = timeSteps(be, tiny(mode), 150*time.Millisecond); err != nil {
						t.Fatal(err)
					}
				}
				if r.AllocsPerStep != 0 || r.AllocBytesPerStep != 0 {
					t.Errorf("a step takes %d bytes in %d allocations", r.AllocBytesPerStep, r.AllocsPerStep)
				}
				text, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				checkStep(t, objects(t, string(text))[0])
			})
		}
	}
}

func TestStepCommand(t *testing.T) {
	flags := []string{"step", "--preset", "digits", "--batch", "2", "--device", "cpu:generic", "--memory", "recompute", "--seconds", "0"}
	list := objects(t, must(t, append(flags, "--json")...))
	if len(list) != 1 {
		t.Fatalf("%d objects", len(list))
	}
	checkStep(t, list[0])
	for name, want := range map[string]any{"preset": "glow-digits", "device": "cpu:generic", "memory": "recompute", "batch": 2.0} {
		if list[0][name] != want {
			t.Errorf("%s is %v, want %v", name, list[0][name], want)
		}
	}
	field(t, list[0], "alloc_bytes_per_step")
	field(t, list[0], "allocs_per_step")

	text := must(t, flags...)
	for _, want := range []string{"glow-digits, batches of 2, memory recompute, cpu:generic", "ms median", "samples/s", "of the measured peak", "MiB: ", "allocations a step"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

func TestStepWithoutAPeakLeavesItOut(t *testing.T) {
	r, err := timeSteps(devicetest.Reference(), tiny(flowgpu.Stash), 0)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	o := objects(t, string(text))[0]
	field(t, o, "gflops")
	for _, name := range []string{"peak_gflops", "peak_share", "median_peak_gflops", "median_peak_share", "workers"} {
		if v, ok := o[name]; ok {
			t.Errorf("%s is %v", name, v)
		}
	}
	var out strings.Builder
	if err := r.write(&out); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "peak") {
		t.Error(out.String())
	}
}

func TestStepThatDivergesIsNotTimed(t *testing.T) {
	w := tiny(flowgpu.Stash)
	w.adam.Eps = float32(math.NaN())
	if _, err := timeSteps(devicetest.Reference(), w, 0); err == nil || !strings.Contains(err.Error(), "the loss of step 2 is NaN") {
		t.Errorf("got %v", err)
	}
}

// The plan of `bench memory` must be what a real device gives.
func TestMemoryPlanIsWhatTrainingHolds(t *testing.T) {
	be, err := openDevice(device.Choice{Name: "cpu:generic"})
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	w := tiny("")
	reports, err := planMemory(w, depthsOf(w.model.Steps), allModes())
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 4*3 {
		t.Fatalf("%d reports for 4 depths in 3 modes", len(reports))
	}
	for _, r := range reports {
		w.model.Steps = r.Steps
		m, err := flowgpu.New(be, w.model)
		if err != nil {
			t.Fatal(err)
		}
		s, err := flowgpu.NewStepper(m, flowgpu.StepConfig{Batch: w.batch, Mode: r.Mode, Adam: w.adam})
		if err != nil {
			t.Fatal(err)
		}
		if got := bytesOf(s.Memory()); got != r.memoryBytes || s.Flops() != r.StepFlops {
			t.Errorf("%d steps, %s: planned %+v, held %+v", r.Steps, r.Mode, r.memoryBytes, got)
		}
		s.Close()
		m.Close()
	}
}

func TestMemoryGrowsWithDepthInStashNotInReversible(t *testing.T) {
	activations := map[flowgpu.Mode]map[int]int64{}
	reports, err := planMemory(tiny(""), depthsOf(2), allModes())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reports {
		if activations[r.Mode] == nil {
			activations[r.Mode] = map[int]int64{}
		}
		activations[r.Mode][r.Steps] = r.Activations
	}
	stash, reversible := activations[flowgpu.Stash], activations[flowgpu.Reversible]
	if ratio := float64(stash[32]) / float64(stash[8]); ratio < 3 {
		t.Errorf("stash takes %.2f times the memory at 4 times the depth", ratio)
	}
	// Beside one batch for every 16 steps.
	snapshots := int64(2*(32-8)/flowgpu.SnapshotEvery) * 4 * int64(tiny("").batch*tiny("").model.D())
	if more := reversible[32] - reversible[8]; more > snapshots {
		t.Errorf("reversible takes %d bytes more at 4 times the depth, %d are snapshots", more, snapshots)
	}
}

func TestMemoryCommand(t *testing.T) {
	list := objects(t, must(t, "memory", "--preset", "digits", "--batch", "4", "--json"))
	if len(list) < 3*len(depths) {
		t.Fatalf("%d objects", len(list))
	}
	for _, o := range list {
		if field(t, o, "memory_bytes") != field(t, o, "parameter_bytes")+field(t, o, "optimiser_bytes")+field(t, o, "activation_bytes") {
			t.Errorf("the parts are not the whole: %v", o)
		}
	}
	text := must(t, "memory", "--preset", "digits", "--batch", "4")
	if lines := strings.Count(text, "\n"); lines != len(list)+3 {
		t.Errorf("%d lines for %d rows:\n%s", lines, len(list), text)
	}
	for _, want := range []string{"batches of 4", "stash", "recompute", "reversible"} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
}

// TestMemoryOfEveryKind: depths that a model does not take are left out, and a depth that no one number says is not asked for.
func TestMemoryOfEveryKind(t *testing.T) {
	for preset, want := range map[string][]string{
		"planar-2d":      {"stash", "reversible"},
		"gmm-digits":     {"stash"},
		"realnvp-digits": {"recompute"},
		"ffjord-digits":  {"16", "not planned at 32: steps is 32: it must be from 1 to 16"},
	} {
		text := must(t, "memory", "--preset", preset, "--batch", "4")
		for _, w := range want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: no %q in\n%s", preset, w, text)
			}
		}
	}
	for _, o := range objects(t, must(t, "memory", "--preset", "ffjord-digits", "--json")) {
		if skipped := o["skipped"] != nil; skipped != (field(t, o, "steps_per_level") == 32) || skipped != (field(t, o, "memory_bytes") == 0) {
			t.Error(o)
		}
	}
}

func TestKernelsCommand(t *testing.T) {
	flags := []string{"kernels", "--device", "cpu:generic", "--match", "^(Copy|MixForward)/", "--seconds", "0"}
	list := objects(t, must(t, append(flags, "--json")...))
	mixes, copies := 0, 0
	for _, o := range list {
		ms := field(t, o, "ms")
		if lo, hi := field(t, o, "min"), field(t, o, "p95"); !(0 < lo && lo <= ms && ms <= hi) {
			t.Errorf("min %v, median %v, p95 %v", lo, ms, hi)
		}
		if field(t, o, "gb_per_second") <= 0 || field(t, o, "runs") < leastRuns {
			t.Error(o)
		}
		switch name := o["op"].(string); {
		case strings.HasPrefix(name, "MixForward/"):
			mixes++
			if field(t, o, "gflops") <= 0 || field(t, o, "peak_share") <= 0 {
				t.Error(o)
			}
		case strings.HasPrefix(name, "Copy/"):
			copies++
			if o["gflops"] != nil || o["peak_share"] != nil {
				t.Errorf("a copy has no arithmetic: %v", o)
			}
		}
	}
	if mixes == 0 || copies == 0 || mixes+copies != len(list) {
		t.Errorf("%d mixes and %d copies of %d rows", mixes, copies, len(list))
	}
	text := must(t, flags...)
	if !strings.Contains(text, "GFLOP/s") || strings.Count(text, "\n") != len(list)+3 {
		t.Errorf("%d rows are\n%s", len(list), text)
	}
}

func TestStepOfATable(t *testing.T) {
	list := objects(t, must(t, "step", "--preset", "realnvp-tab", "--batch", "4", "--columns", "5", "--device", "cpu", "--seconds", "0", "--json"))
	if len(list) != 1 || list[0]["preset"] != "realnvp-tab" || field(t, list[0], "ms") <= 0 {
		t.Errorf("%v", list)
	}
	if status, _, stderr := bench("step", "--preset", "realnvp-tab", "--columns", "-1"); status == 0 || !strings.Contains(stderr, "--columns is -1") {
		t.Errorf("no columns: exit %d, %s", status, stderr)
	}
}

func TestTrafficCommand(t *testing.T) {
	list := objects(t, must(t, "traffic", "--device", "cpu", "--mib", "1", "--seconds", "0", "--json"))
	if len(list) < 20 || list[0]["op"] != "copy" || field(t, list[0], "share_of_copy") != 1 {
		t.Fatalf("%d rows, the first %v: want the copy first", len(list), list[0])
	}
	for _, o := range list {
		if !near(field(t, o, "share_of_copy"), field(t, o, "gb_per_second")/field(t, list[0], "gb_per_second")) || field(t, o, "ms") <= 0 {
			t.Error(o)
		}
	}
	if text := must(t, "traffic", "--device", "cpu", "--mib", "1", "--seconds", "0"); strings.Count(text, "\n") != len(list)+3 {
		t.Errorf("%d rows are\n%s", len(list), text)
	}
}

func TestAccuracyCommand(t *testing.T) {
	list := objects(t, must(t, "accuracy", "--device", "cpu:generic", "--json"))
	copies := 0
	for _, o := range list {
		if field(t, o, "Max") < field(t, o, "RMS") || field(t, o, "Cases") < 1 {
			t.Error(o)
		}
		if o["Op"] == "Copy" {
			copies++
			if field(t, o, "ULP") != 0 {
				t.Errorf("a copy errs: %v", o)
			}
		}
	}
	if copies != 1 {
		t.Errorf("%d rows of Copy in %d", copies, len(list))
	}
	if text := must(t, "accuracy", "--device", "cpu:generic"); strings.Count(text, "\n") != len(list)+1 {
		t.Errorf("%d rows are\n%s", len(list), text)
	}
}

func TestStepsOfTheInterpreterAreRecorded(t *testing.T) {
	f := deviceFlags{choice: device.Choice{Name: "sim", Precision: "tf32"}, graph: "on"}
	be, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	w := tiny(flowgpu.Stash)
	w.batch = 1
	r, err := timeSteps(be, w, 0)
	if err != nil {
		t.Fatal(err)
	}
	if !r.Recorded || r.Precision != "tf32" || r.TimedSteps != 2*stepsPerRead {
		t.Errorf("%+v", r)
	}
	f.graph = "off"
	plain, err := f.open()
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	if _, records := plain.(device.Recorder); records {
		t.Error("--graph off records")
	}
}

func TestPeakOfADevice(t *testing.T) {
	r, err := measurePeak("cpu:generic", 1, 1<<12, 0)
	if err != nil {
		t.Fatal(err)
	}
	if r.Workers != 1 || r.Device != "cpu:generic" || !(r.GFLOPS > 0) || !(r.Copy > 0) || !(r.Triad > 0) {
		t.Errorf("%+v", r)
	}
}

func TestDevicesCommand(t *testing.T) {
	text := must(t, "devices")
	for _, isa := range cpufallback.ISAs() {
		usable := false
		for line := range strings.Lines(text) {
			f := strings.Fields(line)
			usable = usable || f[0] == "cpu:"+isa && f[1] == "yes"
		}
		if !usable {
			t.Errorf("cpu:%s is not listed as usable in\n%s", isa, text)
		}
	}
}

func TestHelp(t *testing.T) {
	for _, args := range []string{"--help", "help", "help step", "step -h"} {
		if text := must(t, strings.Fields(args)...); !strings.Contains(text, "Usage:") {
			t.Errorf("%s prints\n%s", args, text)
		}
	}
}

func TestWrongCommandLines(t *testing.T) {
	for _, c := range []struct {
		args string
		want string // in the message
	}{
		{"steps", `unknown command "steps"`},
		{"step glow", `"glow" is too much`},
		{"step --batch many", `--batch "many": invalid syntax`},
		{"step --fast", "--fast"},
		{"step --preset nosuch", "glow-mnist"},
		{"memory --preset nosuch", "glow-mnist"},
		{"step --memory some", "use stash, recompute or reversible"},
		{"step --device tpu", `unknown device "tpu"`},
		{"step --device cpu:nosuch", "cpu:generic"},
		{"step --batch -1", "--batch is -1"},
		{"memory --batch 1000000", "--batch is 1000000"},
		{"step --seconds -1", "--seconds is -1"},
		{"step --seconds NaN", "--seconds is NaN"},
		{"ops --device tpu", `unknown device "tpu"`},
		{"kernels --match (", "--match"},
		{"kernels --device cpu:generic --match nosuch", `no operation has such a name`},
		{"peak --seconds 1e9", "--seconds"},
		{"devices all", `"all" is too much`},
		{"glow", `unknown command "glow"`},
		{"--where nosuch", "glow-mnist"},
		{"--seconds -1", "--seconds is -1"},
		{"step --batch 1,0", "--batch is 0"},
		{"step --preset ,", "unknown preset"},
		{"step --json --csv", "give one of them"},
		{"step --rounds 0", "--rounds is 0"},
		{"step --tolerance -1", "--tolerance is -1"},
		{"step --baseline nosuch.jsonl", "nosuch.jsonl"},
		{"step --cores -1", "--cores is -1"},
		{"step --cores 2 --device sim", "--cores is of a CPU"},
		{"step --cores 1 --precision tf32", "--precision tf32"},
		{"step --until NaN", "--until is NaN"},
		{"step --until 2 --rounds 3", "--until and --rounds"},
		{"step --until 2 --preset glow-digits,nice-digits", "one preset"},
		{"step --until 2 --eval-every 0", "--eval-every is 0"},
		{"step --eval-every 7", "--eval-every is for --until"},
		{"sample --graph maybe", "--graph"},
		{"sample --until 2", "--until"},
		{"ops --preset glow-digits,nice-digits", "2 workloads"},
		{"layers --json --csv", "give one of them"},
		{"memory --memory some", "use stash"},
		{"scale --sweep batch,taste", `--sweep "taste"`},
		{"scale --gib 0", "--gib is 0"},
		{"scale --batch 0", "--batch is 0"},
		{"scale --device sim --sweep cores --preset glow-digits", "has no cores"},
		{"start --times 0", "--times is 0"},
		{"compare one", "two files"},
		{"compare nosuch1 nosuch2", "nosuch1"},
		{"collect", "give the folder"},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, stdout, stderr := bench(strings.Fields(c.args)...)
			if status != 2 || stdout != "" {
				t.Errorf("exit %d, printed %q", status, stdout)
			}
			if !strings.HasPrefix(stderr, "bench: ") || strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, c.want) {
				t.Errorf("want one line with %q, got\n%s", c.want, stderr)
			}
		})
	}
}
