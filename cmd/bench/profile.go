package main

import (
	"cmp"
	"slices"
	"time"

	"cuflow/cmd/bench/internal/stats"
	"cuflow/device"
	"cuflow/device/meter"
	"cuflow/flowgpu"
)

// profile is where the time of a workload's training step goes.
type profile struct {
	w      workload
	peaks  meter.Peaks
	stages []flowgpu.Stage
	calls  [][]meter.Call // of the faster half of the metered steps, over which every figure is a mean: a solver that adapts calls more in some than in others

	plain   stats.Times // of steps that were not metered, taken between those that were
	metered stats.Times
}

// profileSteps meters a workload's steps for a while. Every second one is not metered, so that what metering costs is known.
func profileSteps(be device.Backend, w workload, peaks meter.Peaks, limit time.Duration) (*profile, error) {
	p := &profile{w: w, peaks: peaks}
	gauge := meter.New(be, onGPU(be))
	m, err := flowgpu.New(gauge, w.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s, err := flowgpu.NewStepper(m, w.stepping())
	if err != nil {
		return nil, err
	}
	defer s.Close()
	x := randomSamples(w.model, w.batch)
	s.Initialise(x)
	numbers := map[flowgpu.Stage]int{}
	enter := func(at flowgpu.Stage) {
		n, known := numbers[at]
		if !known {
			n = len(p.stages)
			numbers[at], p.stages = n, append(p.stages, at)
		}
		gauge.Stage = n
	}
	s.Watch(enter)

	var steps [][]meter.Call
	step := func(metered bool) (time.Duration, error) {
		gauge.Reset()
		gauge.Switch(metered)
		start := time.Now()
		enter(flowgpu.Stage{Pass: flowgpu.Prepare, Layer: "upload, noise"})
		err := takeSteps(s, x, 1)
		return time.Since(start), err
	}
	for range warmUpSteps {
		if _, err := step(true); err != nil {
			return nil, err
		}
	}
	for start := time.Now(); len(steps) < leastSteps || time.Since(start) < limit && len(steps) < mostProfiled; {
		for _, metered := range []bool{false, true} {
			took, err := step(metered)
			if err != nil {
				return nil, err
			}
			if metered {
				p.metered = append(p.metered, took)
				steps = append(steps, slices.Clone(gauge.Calls()))
			} else {
				p.plain = append(p.plain, took)
			}
		}
	}
	p.calls = fasterHalf(steps)
	return p, nil
}

// mostProfiled is how many metered steps are kept.
const mostProfiled = 500

// fasterHalf sorts steps by the time of their calls.
func fasterHalf(steps [][]meter.Call) [][]meter.Call {
	slices.SortStableFunc(steps, func(a, b []meter.Call) int { return cmp.Compare(inCalls(a), inCalls(b)) })
	return steps[:(len(steps)+1)/2]
}

func inCalls(calls []meter.Call) (sum time.Duration) {
	for _, c := range calls {
		sum += c.Time
	}
	return sum
}

// part is a share of a step: an op, a layer, a pass.
type part struct {
	Pass  flowgpu.Pass `json:"pass"`
	Name  string       `json:"name,omitempty"` // of an op or a layer
	Calls int          `json:"calls"`
	Ms    float64      `json:"ms"`
	Share float64      `json:"share"` // of all ops of the step
	Flops int64        `json:"flops"`
	Bytes int64        `json:"bytes"`

	GFLOPS  float64  `json:"gflops"`
	GBs     float64  `json:"gb_per_second"`
	LimitMs float64  `json:"limit_ms"`        // the roofline: the least that the device's peaks allow for these calls
	OfLimit *float64 `json:"share_of_limit"`  // limit_ms/ms: 1 is as fast as the machine, more came out of a cache
	Bound   string   `json:"bound,omitempty"` // what most of the limit is: "arithmetic" or "memory"
	Preset  string   `json:"preset"`
	Device  string   `json:"device"`
	Steps   int      `json:"steps"` // that were metered

	limits map[string]time.Duration // by bound
}

// parts adds calls up by what name says of them, the longest first within each pass.
func (p *profile) parts(name func(meter.Call, flowgpu.Stage) string) []part {
	type key struct {
		pass flowgpu.Pass
		name string
	}
	sums, order := map[key]*part{}, []*part{}
	add := func(c meter.Call) {
		at := p.stages[c.Stage]
		k := key{at.Pass, name(c, at)}
		s := sums[k]
		if s == nil {
			s = &part{Pass: k.pass, Name: k.name, Preset: p.w.name, Steps: len(p.metered), limits: map[string]time.Duration{}}
			sums[k], order = s, append(order, s)
		}
		s.Calls++
		s.Ms += milliseconds(c.Time)
		s.Flops += c.Flops
		s.Bytes += c.Bytes
		s.limits[p.peaks.Bound(c.Flops, c.Bytes)] += p.peaks.Limit(c.Flops, c.Bytes)
	}
	for _, calls := range p.calls {
		for _, c := range calls {
			add(c)
		}
	}
	all := make([]part, 0, len(order))
	for _, s := range order {
		s.finish(len(p.calls), p.inOps())
		all = append(all, *s)
	}
	slices.SortStableFunc(all, func(a, b part) int {
		return cmp.Or(cmp.Compare(passOrder(a.Pass), passOrder(b.Pass)), -cmp.Compare(a.Ms, b.Ms))
	})
	return all
}

// finish computes what follows from a part's sums over so many steps; whole is the time of all ops of one.
func (s *part) finish(steps int, whole float64) {
	n := int64(steps)
	s.Calls = (s.Calls + steps/2) / steps
	s.Ms, s.Flops, s.Bytes = s.Ms/float64(n), s.Flops/n, s.Bytes/n
	s.Share = s.Ms / whole
	s.GFLOPS, s.GBs = float64(s.Flops)/s.Ms/1e6, float64(s.Bytes)/s.Ms/1e6
	limit := (s.limits["arithmetic"] + s.limits["memory"]) / time.Duration(n)
	if s.LimitMs = milliseconds(limit); limit > 0 {
		s.OfLimit = share(s.LimitMs, s.Ms)
		s.Bound = "memory"
		if s.limits["arithmetic"] > s.limits["memory"] {
			s.Bound = "arithmetic"
		}
	}
}

func passOrder(p flowgpu.Pass) int {
	return slices.Index([]flowgpu.Pass{flowgpu.Prepare, flowgpu.Forward, flowgpu.Backward, flowgpu.Update}, p)
}

// What parts are named by.

func byOp(c meter.Call, _ flowgpu.Stage) string    { return c.Op }
func byPass(meter.Call, flowgpu.Stage) string      { return "" }
func byKind(_ meter.Call, at flowgpu.Stage) string { return at.Layer }
func byLayer(_ meter.Call, at flowgpu.Stage) string {
	if at.Block == "" {
		return at.Layer
	}
	return at.Block + " " + at.Layer
}

// inOps is the time of a step's ops, in ms.
func (p *profile) inOps() float64 {
	sum := time.Duration(0)
	for _, calls := range p.calls {
		sum += inCalls(calls)
	}
	return milliseconds(sum) / float64(len(p.calls))
}
