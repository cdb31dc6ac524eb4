package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"cuflow/device"
	"cuflow/device/devicetest"
	"cuflow/kernels"
	"cuflow/kernels/ptx"
)

// threads that a multiprocessor of the H200 can hold.
const threads = 2048

// occupancy reads from the table of scripts/kernels how many threads of each kernel are resident on a multiprocessor of a chip.
func occupancy(path, chip string) (map[string]float64, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: run in the root of the repository, after scripts/kernels", err)
	}
	defer f.Close()
	resident, column := map[string]float64{}, -1
	for in := bufio.NewScanner(f); in.Scan(); {
		fields := strings.Fields(in.Text())
		if column < 0 {
			column = slices.Index(fields, chip)
			continue
		}
		var registers, spilled int
		var percent float64
		if column < len(fields) {
			if _, err := fmt.Sscanf(fields[column], "%d/%d/%f%%", &registers, &spilled, &percent); err == nil {
				resident[fields[1]] = threads * percent / 100
			}
		}
	}
	if len(resident) == 0 {
		return nil, fmt.Errorf("%s says nothing of %s: run scripts/kernels", path, chip)
	}
	return resident, nil
}

// interpret runs the cases that have the shapes of models, but for the largest, and gives what the interpreter counted by kernel.
func interpret(precision string) (map[string]*ptx.Stats, error) {
	seen := map[string]*ptx.Stats{}
	be, err := device.NewGPU(device.NewSim(device.SimConfig{Stats: seen}), precision)
	if err != nil {
		return nil, err
	}
	defer be.Close()
	rows, release, err := devicetest.Rows(be)
	if err != nil {
		return nil, err
	}
	defer release()
	for _, r := range rows {
		if strings.HasPrefix(r.Name, "Conv") && !strings.Contains(r.Name, "n64 4x4") || strings.HasPrefix(r.Name, "Mix") && strings.Contains(r.Name, "16x16") {
			continue // millions of instructions
		}
		r.Run()
		if err := be.Sync(); err != nil {
			return nil, err
		}
	}
	return seen, nil
}

// span is the least and the greatest of some numbers.
type span struct{ least, most float64 }

func (s *span) add(v float64) {
	if s.most == 0 {
		s.least = v
	}
	s.least, s.most = min(s.least, v), max(s.most, v)
}

func (s span) String() string {
	form := func(v float64) string {
		switch {
		case v < 0.01:
			return "<0.01"
		case v >= 10 || v == float64(int(v)):
			return fmt.Sprintf("%.0f", v)
		}
		return fmt.Sprintf("%.2f", v)
	}
	if form(s.least) == form(s.most) {
		return form(s.least)
	}
	return form(s.least) + "-" + form(s.most)
}

// row is what the launches of one kernel ask for.
type row struct {
	name          string
	launches      int
	blocks, waves span
	flops, bytes  int64
	seconds       float64
	arithmetic    float64 // seconds of it that arithmetic bounds
}

// write prints the kernels in order of their time on paper.
func write(out io.Writer, launches []launch, resident map[string]float64, seen map[string]*ptx.Stats) error {
	peak := kernels.H200()
	byName := map[string]*row{}
	var rows []*row
	total := &row{name: "all"}
	for _, l := range launches {
		c, ok := kernels.CostOf(l.name, l.shape, l.args)
		if !ok {
			return fmt.Errorf("kernel %s has no cost: add it to kernels/cost.go", l.name)
		}
		if _, ok := resident[l.name]; !ok {
			return fmt.Errorf("kernel %s is not in the table of ptxas: run scripts/kernels", l.name)
		}
		r := byName[l.name]
		if r == nil {
			r = &row{name: l.name}
			byName[l.name] = r
			rows = append(rows, r)
		}
		seconds, arithmetic := peak.Roofline(c)
		blocks := float64(l.shape.GridX * l.shape.GridY)
		r.blocks.add(blocks)
		r.waves.add(blocks * float64(l.shape.Block) / (resident[l.name] * float64(peak.Multiprocessors)))
		for _, r := range []*row{r, total} {
			r.launches++
			r.flops += c.Flops
			r.bytes += c.Bytes
			r.seconds += seconds
			if arithmetic {
				r.arithmetic += seconds
			}
		}
	}
	slices.SortFunc(rows, func(a, b *row) int { return int(1e9 * (b.seconds - a.seconds)) })
	fmt.Fprintf(out, "%-28s %8s %9s %9s %8s %8s %-6s %10s %10s", "kernel", "launches", "GFLOP", "MB", "flop/B", "us", "bound", "blocks", "waves")
	if seen != nil {
		fmt.Fprintf(out, " %9s %9s", "coalesced", "conflicts")
	}
	fmt.Fprintln(out)
	for _, r := range append(rows, total) {
		bound := "memory"
		if r.arithmetic > r.seconds/2 {
			bound = "flops"
		}
		fmt.Fprintf(out, "%-28s %8d %9.2f %9.1f %8.1f %8.1f %-6s", r.name, r.launches, float64(r.flops)/1e9, float64(r.bytes)/1e6,
			float64(r.flops)/float64(max(1, r.bytes)), 1e6*r.seconds, bound)
		if r != total {
			fmt.Fprintf(out, " %10s %10s", r.blocks, r.waves)
			if s := seen[r.name]; s != nil {
				fmt.Fprintf(out, " %9.2f %9d", float64(s.GlobalBytes)/float64(32*max(1, s.GlobalSectors)), s.BankConflicts)
			} else if seen != nil {
				fmt.Fprintf(out, " %9s %9s", "-", "-")
			}
		}
		fmt.Fprintln(out)
	}
	return nil
}
