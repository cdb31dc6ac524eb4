package devicetest

import (
	"testing"

	"cuflow/device"
)

// Row is one benchmark: a case on a backend. Run enqueues the op once; whoever measures must Sync before reading a clock.
type Row struct {
	Name         string
	Flops, Bytes int64 // of one Run: arithmetic (0 where traffic is what counts), and the least traffic
	Run          func()
}

// Rows are the cases of the sizes that models have, with operands in the backend's memory until release. In place ops may
// be run again and again: values may grow without bound, but do not fade to subnormal numbers, which are slow.
func Rows(be device.Backend) (rows []Row, release func(), err error) {
	var all []*placed
	release = func() {
		for _, p := range all {
			p.free()
		}
	}
	for _, c := range Cases() {
		if !c.Bench {
			continue
		}
		p, err := layOut(c, 0).place(be)
		if err != nil {
			release()
			return nil, nil, err
		}
		all = append(all, p)
		run := p.call
		if c.wanes {
			start, err := p.layout.place(be)
			if err != nil {
				release()
				return nil, nil, err
			}
			all = append(all, start)
			run = p.renewing(start)
		}
		p.image = nil // the backend has it now
		rows = append(rows, Row{Name: c.String(), Flops: c.Flops, Bytes: c.Bytes(), Run: run})
	}
	return rows, release, nil
}

// renewing calls the op, and after every 256 calls brings back the operands that it started from: half a percent more work.
func (p *placed) renewing(start *placed) func() {
	calls := 0
	return func() {
		if calls++; calls%256 == 0 {
			p.be.Copy(p.mem, start.mem)
		}
		p.call()
	}
}

// Bench measures every row.
func Bench(b *testing.B, open Open) {
	be, err := open()
	if err != nil {
		b.Fatal(err)
	}
	defer be.Close()
	rows, release, err := Rows(be)
	if err != nil {
		b.Fatal(err)
	}
	defer release()
	for _, row := range rows {
		b.Run(row.Name, func(b *testing.B) {
			for b.Loop() {
				row.Run()
			}
			if err := be.Sync(); err != nil {
				b.Fatal(err)
			}
			each := b.Elapsed().Seconds() / float64(b.N) * 1e9
			b.ReportMetric(float64(row.Bytes)/each, "GB/s")
			if row.Flops > 0 {
				b.ReportMetric(float64(row.Flops)/each, "GFLOP/s")
			}
		})
	}
}
