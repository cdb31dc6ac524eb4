package main

import (
	"fmt"
	"io"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/device"
	"cuflow/device/meter"
	"cuflow/flowgpu"

	"github.com/spf13/cobra"
)

type whereFlags struct {
	workloadFlags
	deviceFlags
	formatFlags
	seconds float64
	plots   string
}

// whereCommand shows the parts of a step.
func whereCommand(use, short, long string, name func(meter.Call, flowgpu.Stage) string) *cobra.Command {
	var f whereFlags
	c := &cobra.Command{
		Use:   use,
		Short: short,
		Long: long + `

limit is the roofline: the least time that the calls could take, by the arithmetic and the memory traffic that the device did at
most in the same run. Operands count once, read or written, and twice if both; what one op leaves in a cache for the next beats
memory, and the limit with it. Ops are timed where they stand in whole training steps, and every second step is not metered, to
show what metering costs. A GPU is waited for after every op, which it is not in training.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.OutOrStdout(), use, name) },
	}
	f.workloadFlags.add(c)
	f.deviceFlags.add(c)
	f.formatFlags.add(c)
	c.Flags().Float64Var(&f.seconds, "seconds", 4, "measure for at least this long")
	c.Flags().StringVar(&f.plots, "plot", "", "draw the roofline into this `folder`, as "+use+".png and "+use+".svg")
	return c
}

func opsCommand() *cobra.Command {
	return whereCommand("ops", "Show where a training step's time goes, op by op", "Show where the time of a preset's training step goes, op by op.", byOp)
}

func layersCommand() *cobra.Command {
	return whereCommand("layers", "Show where a training step's time goes, layer by layer", "Show where the time of a preset's training step goes, layer by layer.", byLayer)
}

func (f *whereFlags) run(out io.Writer, use string, name func(meter.Call, flowgpu.Stage) string) error {
	w, err := f.only()
	if err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	limit, err := budget(f.seconds)
	if err != nil {
		return err
	}
	be, err := f.open()
	if err != nil {
		return err
	}
	defer be.Close()
	p, peaks, err := profiled(be, w, limit)
	if err != nil {
		return err
	}
	parts := p.parts(name)
	for i := range parts {
		parts[i].Device = be.Name()
	}
	if err := plotParts(f.plots, use, be, peaks, p, parts); err != nil {
		return err
	}
	if done, err := printed(f.formatFlags, out, parts); done {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s, batches of %d, memory %s, %s\n%s\n", w.name, w.batch, w.mode, onDevice(be), writtenPeaks(be, peaks)); err != nil {
		return err
	}
	if err := p.writeTable(out, parts, use[:len(use)-1], true); err != nil {
		return err
	}
	return p.writeSum(out)
}

// profiled measures the device's peaks and then the steps.
func profiled(be device.Backend, w workload, limit time.Duration) (*profile, meter.Peaks, error) {
	peaks, err := peaksOf(be)
	if err != nil {
		return nil, peaks, err
	}
	p, err := profileSteps(be, w, peaks, limit)
	return p, peaks, err
}

// writtenPeaks are a device's peaks in words.
func writtenPeaks(be device.Backend, p meter.Peaks) string {
	if p.GFLOPS == 0 {
		return "peaks are not measured: this device has none worth knowing"
	}
	what := "a large product"
	if workers(be) > 0 {
		what = "fused multiply-adds on registers"
	}
	text := fmt.Sprintf("measured peaks: %s GFLOP/s of %s; memory: copy %s GB/s, triad %s GB/s", show.Number(p.GFLOPS), what, show.Number(p.Copy), show.Number(p.Triad))
	if cores := writtenApart(apart(be)); cores != "" {
		text += "; " + cores
	}
	return text
}

// writeTable prints parts, and with sums what the passes take in all.
func (p *profile) writeTable(out io.Writer, parts []part, what string, sums bool) error {
	t := show.Table{Left: 2}
	t.Add("pass", what, "calls", "ms", "of step", "GFLOP/s", "GB/s", "limit ms", "of limit", "bound by")
	last := flowgpu.Pass("")
	for _, s := range parts {
		pass := ""
		if s.Pass != last {
			last, pass = s.Pass, string(s.Pass)
		}
		row := s.cells()
		row[0] = pass
		t.Add(row...)
	}
	for _, s := range p.parts(byPass) {
		if sums {
			row := s.cells()
			row[1] = "in all"
			t.Add(row...)
		}
	}
	return t.Write(out)
}

func (s part) cells() []string {
	return []string{string(s.Pass), s.Name, fmt.Sprint(s.Calls), show.Number(s.Ms), fmt.Sprintf("%.1f %%", 100*s.Share), show.Optional(s.GFLOPS), show.Optional(s.GBs),
		show.Number(s.LimitMs), show.Percent(s.OfLimit), s.Bound}
}

// writeSum compares the sum of the parts with whole steps.
func (p *profile) writeSum(out io.Writer) error {
	sum := p.sum()
	_, err := fmt.Fprintf(out, "ops add up to %s ms; a metered step takes %s ms (%d steps), one without a meter %s ms (%d between them): all are means of the faster half\nthe ops' sum differs from the step's time by %s\n",
		show.Number(sum.Ops), show.Number(sum.Metered), sum.Steps, show.Number(sum.Plain), len(p.plain), show.Change(sum.Difference))
	return err
}

// profileSum is how parts and whole agree. Times are in ms, means of the faster half.
type profileSum struct {
	Ops        float64 `json:"ops_ms"`
	Metered    float64 `json:"metered_ms"`
	Plain      float64 `json:"plain_ms"`
	Steps      int     `json:"steps"`
	Difference float64 `json:"difference"` // of the ops' sum from plain steps, as a share
}

func (p *profile) sum() profileSum {
	s := profileSum{Ops: p.inOps(), Metered: milliseconds(p.metered.FasterHalf()), Plain: milliseconds(p.plain.FasterHalf()), Steps: len(p.metered)}
	s.Difference = s.Ops/s.Plain - 1
	return s
}
