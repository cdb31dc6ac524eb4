package meter_test

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/device/meter"
)

// TestEveryOpIsMetered: with the cases of the tests, each op of a Backend is noted under its name, with its traffic. An op that
// is not has been added since: `go generate ./device/meter` writes its method.
func TestEveryOpIsMetered(t *testing.T) {
	m := meter.Count()
	seen := map[string]bool{}
	for _, c := range devicetest.Cases() {
		if c.Method == "Upload" {
			continue
		}
		var operands []device.Buffer
		for _, o := range c.Operands {
			operands = append(operands, device.Phantom(o.Len))
		}
		m.Reset()
		c.Call(m, operands)
		calls := m.Calls()
		if len(calls) == 0 || calls[len(calls)-1].Op != c.Method {
			t.Fatalf("%s: noted %v: `go generate ./device/meter` makes a method of every op", c, calls)
		}
		last := calls[len(calls)-1] // a case may prepare an operand first
		seen[c.Method] = true
		if c.Flops > 0 && strings.HasPrefix(c.Method, "Conv") && last.Flops != c.Flops {
			t.Errorf("%s: %d operations, the case has %d", c, last.Flops, c.Flops)
		}
		if got, want := last.Bytes, c.Bytes(); c.Bench && len(calls) == 1 && got != want {
			t.Errorf("%s: %d bytes, the case has %d", c, got, want)
		}
	}
	backend := reflect.TypeFor[device.Backend]()
	for i := range backend.NumMethod() {
		switch name := backend.Method(i).Name; name {
		case "Name", "Alloc", "Free", "Upload", "Download", "Sync", "Close":
		default:
			if !seen[name] {
				t.Errorf("%s is not metered", name)
			}
		}
	}
}

// TestMeterOnACPU: results are those of the backend, times add up to no more than the clock says, stages are kept, and nothing is
// noted or allocated where nothing should be.
func TestMeterOnACPU(t *testing.T) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	m := meter.New(be, true)
	defer m.Close()
	x, _ := m.Alloc(1 << 16)
	y, _ := m.Alloc(1 << 16)
	m.Fill(x, 2)
	if len(m.Calls()) != 0 {
		t.Error("a meter that is off notes")
	}
	m.Switch(true)
	step := func() {
		m.Reset()
		m.Stage = 1
		m.Fill(y, 3)
		m.Stage = 2
		m.Axpy(0.5, x, y)
	}
	start := time.Now()
	step()
	whole := time.Since(start)
	calls := m.Calls()
	if len(calls) != 2 || calls[0].Op != "Fill" || calls[1].Op != "Axpy" || calls[0].Stage != 1 || calls[1].Stage != 2 {
		t.Fatalf("%v", calls)
	}
	if calls[0].Bytes != 4<<16 || calls[1].Bytes != 12<<16 {
		t.Errorf("%d and %d bytes", calls[0].Bytes, calls[1].Bytes)
	}
	if sum := calls[0].Time + calls[1].Time; sum <= 0 || sum > whole {
		t.Errorf("ops took %v of %v", sum, whole)
	}
	if n := testing.AllocsPerRun(10, step); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
	got := make([]float32, 1)
	if err := m.Download(got, y.Slice(0, 1)); err != nil || got[0] != 4 {
		t.Errorf("%v, %v", got, err)
	}
}

func TestLimits(t *testing.T) {
	p := meter.Peaks{GFLOPS: 100, Copy: 10, Triad: 20}
	if got := p.Limit(1000, 100); got != 10 || p.Bound(1000, 100) != "arithmetic" {
		t.Errorf("%v, %s", got, p.Bound(1000, 100))
	}
	if got := p.Limit(1000, 1000); got != 50 || p.Bound(1000, 1000) != "memory" {
		t.Errorf("%v, %s", got, p.Bound(1000, 1000))
	}
	if got := p.LimitOf([]meter.Call{{Flops: 1000}, {Bytes: 1000}}); got != 60 {
		t.Errorf("%v", got)
	}
	if got := (meter.Peaks{}).Limit(1, 1); got != 0 {
		t.Errorf("without peaks: %v", got)
	}
}

func TestMeasuredPeaks(t *testing.T) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	p, err := meter.Measure(be, 1<<12, 0)
	if err != nil || !(p.GFLOPS > 0 && p.Copy > 0 && p.Triad > 0) || p.GBs() != max(p.Copy, p.Triad) {
		t.Errorf("%+v, %v", p, err)
	}
}
