package main

import (
	"fmt"
	"os"
	"path/filepath"

	"cuflow/cmd/bench/internal/chart"
	"cuflow/device"
	"cuflow/device/meter"
	"cuflow/flowgpu"
)

// plotParts draws the parts of a step under the device's roofline into a folder; "": nowhere.
func plotParts(dir, name string, be device.Backend, peaks meter.Peaks, p *profile, parts []part) error {
	if dir == "" {
		return nil
	}
	r := chart.Roofline{
		Title: fmt.Sprintf("%s, batches of %d: %s of a training step", p.w.name, p.w.batch, name), Peaks: peaks, Device: onDevice(be),
	}
	for _, s := range parts {
		// A few long parts are what a picture can name.
		if s.Share >= 0.01 {
			r.Points = append(r.Points, chart.Work{Name: fmt.Sprintf("%s %s", s.Name, s.Pass), Flops: s.Flops, Bytes: s.Bytes, Ms: s.Ms})
		}
	}
	return writeRoofline(dir, name, r)
}

// plot draws whole workloads under the roofline, if --plot asks for it.
func (f *outputFlags) plot(be device.Backend, all []workload, records []*record) error {
	if f.pictures == "" {
		return nil
	}
	peaks, err := peaksOf(be)
	if err != nil {
		return err
	}
	r := chart.Roofline{Title: "Whole " + records[0].work() + "s under the roofline", Peaks: peaks, Device: onDevice(be)}
	for i, rec := range records {
		bytes, err := trafficOf(all[i], rec.Work)
		if err != nil {
			return err
		}
		r.Points = append(r.Points, chart.Work{Name: fmt.Sprintf("%s, %d", rec.name(), rec.Batch), Flops: rec.StepFlops, Bytes: bytes, Ms: rec.Median})
	}
	return writeRoofline(f.pictures, "roofline", r)
}

func writeRoofline(dir, name string, r chart.Roofline) error {
	if r.Peaks.GFLOPS == 0 {
		return usagef("--plot: there is no roofline of %s, whose peaks are not measured", r.Device)
	}
	p, err := r.Plot()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return err
	}
	return chart.Save(p, filepath.Join(dir, name))
}

// trafficOf counts the bytes that a workload's ops move.
func trafficOf(w workload, work string) (bytes int64, err error) {
	calls, err := countCalls(w, work)
	for _, c := range calls {
		bytes += c.Bytes
	}
	return bytes, err
}

// countCalls lists the ops of a training step or of drawing a batch, on a device that computes nothing.
func countCalls(w workload, work string) ([]meter.Call, error) {
	count := meter.Count()
	m, err := flowgpu.New(count, w.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	if work == sampling {
		e, err := flowgpu.NewEvaluator(m, w.batch)
		if err != nil {
			return nil, err
		}
		defer e.Close()
		count.Reset()
		err = e.Sample(w.batch, 1, seedOfDraws, 0, make([]float32, w.batch*w.model.D()))
		return count.Calls(), err
	}
	s, err := flowgpu.NewStepper(m, w.stepping())
	if err != nil {
		return nil, err
	}
	defer s.Close()
	x := make([]float32, w.batch*w.model.D())
	count.Reset()
	s.Step(x, learningRate)
	return count.Calls(), nil
}
