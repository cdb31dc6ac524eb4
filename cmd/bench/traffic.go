package main

import (
	"fmt"
	"io"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/device"

	"github.com/spf13/cobra"
)

type trafficFlags struct {
	deviceFlags
	mib     int
	seconds float64
	formatFlags
}

func trafficCommand() *cobra.Command {
	var f trafficFlags
	c := &cobra.Command{
		Use:   "traffic",
		Short: "Time the operations that memory limits, on arrays that no cache holds",
		Long: `Time the operations that memory limits, on arrays that no cache holds, and compare the bytes that they move in a second with
those that a copy moves on the same device in the same run. Each operand counts once, read or written, and twice if both.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runTraffic(c.OutOrStdout(), f) },
	}
	f.deviceFlags.add(c)
	c.Flags().IntVar(&f.mib, "mib", 64, "size of an operation's largest operand in MiB")
	c.Flags().Float64Var(&f.seconds, "seconds", 0.1, "measure each operation for at least this long")
	f.formatFlags.add(c)
	return c
}

// trafficReport is what is known of one operation.
type trafficReport struct {
	Device string   `json:"device"`
	Op     string   `json:"op"`
	MiB    int      `json:"mib"`
	Median float64  `json:"ms"`
	GBs    float64  `json:"gb_per_second"`
	OfCopy *float64 `json:"share_of_copy"`
}

// movement is an operation and the bytes that it must move.
type movement struct {
	name  string
	bytes int64
	run   func()
}

func runTraffic(out io.Writer, f trafficFlags) error {
	if err := f.check(); err != nil {
		return err
	}
	limit, err := budget(f.seconds)
	if err != nil {
		return err
	}
	if f.mib < 1 || f.mib > 1<<14 {
		return usagef("--mib is %d: it must be from 1 to 16384", f.mib)
	}
	be, err := f.open()
	if err != nil {
		return err
	}
	defer be.Close()
	reports, err := traffic(be, f.mib, limit)
	if err != nil {
		return err
	}
	if done, err := printed(f.formatFlags, out, reports); done {
		return err
	}
	if _, err := fmt.Fprintf(out, "%s, %d MiB\n\n", be.Name(), f.mib); err != nil {
		return err
	}
	t := show.Table{Left: 1}
	t.Add("operation", "µs", "GB/s", "of copy")
	for _, r := range reports {
		t.Add(r.Op, show.Number(1e3*r.Median), show.Number(r.GBs), show.Percent(r.OfCopy))
	}
	return t.Write(out)
}

// traffic times the movements of operands of so many MiB; the first is the copy.
func traffic(be device.Backend, mib int, limit time.Duration) ([]trafficReport, error) {
	moves, err := movements(be, mib<<20/4)
	if err != nil {
		return nil, err
	}
	var reports []trafficReport
	for _, m := range moves {
		t, runs, err := timeRuns(be, m.run, limit)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", m.name, err)
		}
		r := trafficReport{
			Device: be.Name(), Op: m.name, MiB: mib, Median: milliseconds(t.Median()) / float64(runs),
			GBs: perNanosecond(int64(runs)*m.bytes, t.Median()),
		}
		copied := r.GBs
		if len(reports) > 0 {
			copied = reports[0].GBs
		}
		r.OfCopy = share(r.GBs, copied)
		reports = append(reports, r)
	}
	return reports, nil
}

// movements are the operations on 12 channels of samples of 256 pixels, about n values in all, as Glow's first level has them: the
// log-determinant is of so many samples that its traffic is little beside the rest.
func movements(be device.Backend, n int) ([]movement, error) {
	const c, side, p = 12, 16, 256
	samples := max(1, n/(c*p))
	r := device.Rows{C: c, N: samples, P: p}
	m := r.M()
	var failed error
	alloc := func(n int) device.Buffer {
		b, err := be.Alloc(n)
		if err != nil && failed == nil {
			failed = err
		}
		return b
	}
	x, dx, st, y := alloc(r.Len()), alloc(r.Len()), alloc(2*r.Len()), alloc(r.Len())
	logdet, at, small, perm := alloc(samples), alloc(2), alloc(8*c), alloc(c)
	if failed != nil {
		return nil, failed
	}
	whole := device.Rows{C: 1, N: r.Len() / 4, P: 4}
	for i, b := range []device.Buffer{x, dx, y} { // never zeros, which some hardware moves faster
		be.Normal(r, 1, device.Stream{Seed: 1, ID: uint32(i)}, at, b)
	}
	be.Normal(device.Rows{C: 2 * c, N: samples, P: p}, 0.1, device.Stream{Seed: 1, ID: 9}, at, st)
	order := make([]float32, c)
	for i := range order {
		order[i] = float32(c - 1 - i)
	}
	be.Upload(perm, order)
	g, dg := small.Slice(0, c), small.Slice(c, 2*c)
	logs, b := small.Slice(2*c, 3*c), small.Slice(3*c, 4*c)
	dlogs, db := small.Slice(4*c, 5*c), small.Slice(5*c, 6*c)
	mean, variance := small.Slice(6*c, 7*c), small.Slice(7*c, 8*c)

	size := int64(4 * r.Len())
	all := []movement{
		{"copy", 2 * size, func() { be.Copy(y, x) }},
		{"axpy", 3 * size, func() { be.Axpy(1e-3, x, y) }},
		{"sum of squares", size, func() { be.SumSquares(x, logdet.Slice(0, 1)) }},
	}
	for _, law := range []struct {
		name string
		law  device.Law
	}{{"additive", device.Additive}, {"sigmoid", device.SigmoidScale}, {"exp", device.ExpScale}, {"tanh", device.TanhScale}} {
		l := law.law
		params := st.Slice(0, l.Params()*r.Len())
		k := int64(l.Params())
		// Backward turns the parameters into their gradients: it has parameters of its own, or values would drift.
		all = append(all,
			movement{"coupling " + law.name + " forward", (2 + k) * size, func() { be.Coupling(r, l, g, params, x, logdet) }},
			movement{"coupling " + law.name + " inverse", (2 + k) * size, func() { be.CouplingInverse(r, l, g, params, x, logdet) }},
			movement{"coupling " + law.name + " backward", (4 + 2*k) * size, func() { be.CouplingBackward(r, l, g, params, x, dx, 1e-3, dg) }})
	}
	return append(all,
		movement{"actnorm forward", 2 * size, func() { be.ActNorm(c, m, logs, b, x) }},
		movement{"actnorm inverse", 2 * size, func() { be.ActNormInverse(c, m, logs, b, x) }},
		movement{"actnorm backward", 4 * size, func() { be.ActNormBackward(c, m, logs, b, x, dx, 1e-3, dlogs, db) }},
		movement{"channel statistics", 2 * size, func() { be.ChannelStats(c, m, y, mean, variance) }},
		movement{"permutation", 2 * size, func() { be.Permute(c, m, perm, x, y) }},
		movement{"squeeze", 2 * size, func() { be.Squeeze(c, samples, side, side, x, y) }},
		movement{"unsqueeze", 2 * size, func() { be.Unsqueeze(c, samples, side, side, x, y) }},
		movement{"Gaussian log p", size, func() { be.GaussianLogProb(r, y, logdet) }},
		movement{"logistic log p", size, func() { be.LogisticLogProb(r, y, logdet) }},
		movement{"normal noise", size, func() { be.Normal(whole, 1, device.Stream{Seed: 2}, at, x) }},
		movement{"dequantise", 2 * size, func() { be.Dequantize(r, 256, device.Stream{Seed: 2}, at, y, x) }},
	), failed
}
