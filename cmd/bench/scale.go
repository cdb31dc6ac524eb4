package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/device"
	"cuflow/flowgpu"

	"github.com/spf13/cobra"
)

type scaleFlags struct {
	workloadFlags
	deviceFlags
	formatFlags
	sweeps  []string
	seconds float64
	gib     float64
	plots   string
}

func scaleCommand() *cobra.Command {
	var f scaleFlags
	c := &cobra.Command{
		Use:   "scale",
		Short: "Show how time and memory grow with batch, width, depth, size and cores",
		Long: `Show how a preset's training step grows: its time for a sample with the batch, the networks' width, the depth and the images' side
(of vectors: their columns), its memory with the depth in every memory mode, and what more cores and a busy neighbour do to it.

  batch      1 to 1024 samples a step, or what --batch lists
  width      a quarter to four times the preset's hidden units
  depth      a quarter to four times the preset's depth
  size       images of a quarter to twice the preset's side, as far as its levels allow; of vectors 2 to 512 columns
  memory     planned, not measured: every mode at a quarter to sixteen times the preset's depth
  cores      one to all cores of a CPU
  neighbour  all cores and one less, alone and beside another process that keeps one core busy

What would take more than --gib is left out, and said; so is the width or depth of a preset where no one number says it.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return f.run(c.OutOrStdout()) },
	}
	f.workloadFlags.add(c)
	f.deviceFlags.add(c)
	f.formatFlags.add(c)
	c.Flags().StringSliceVar(&f.sweeps, "sweep", sweepNames(), "`names` of what is varied, of those above")
	c.Flags().Float64Var(&f.seconds, "seconds", 0.5, "measure each point for at least this long")
	c.Flags().Float64Var(&f.gib, "gib", 8, "`GiB` that a point may take")
	c.Flags().StringVar(&f.plots, "plot", "", "draw every sweep into this `folder`, as scale-NAME.png and scale-NAME.svg")
	return c
}

// point is a place of a sweep.
type point struct {
	Sweep  string `json:"sweep"`
	Series string `json:"series,omitempty"` // of points that a line joins
	Value  int    `json:"value"`            // of what is varied
	record
	MsPerSample float64 `json:"ms_per_sample,omitempty"`
	Skipped     string  `json:"skipped,omitempty"` // why it was not measured
}

// sweep is one thing that is varied.
type sweep struct {
	name   string
	axis   func(workload) string
	of     func(workload) int // the preset's own value, which is halved and doubled: 0 where no one number says it; nil: others are taken
	points func(*scaling, workload) ([]point, error)
}

func widthOf(w workload) int { return w.model.Hidden }
func depthOf(w workload) int { return w.model.Steps }

func sweeps() []sweep {
	is := func(axis string) func(workload) string { return func(workload) string { return axis } }
	size := func(w workload) string {
		if w.model.Height > 1 {
			return "pixels of a side"
		}
		return "columns"
	}
	return []sweep{
		{"batch", is("samples a step"), nil, (*scaling).batch},
		{"width", is("hidden units"), widthOf, (*scaling).width},
		{"depth", is("depth"), depthOf, (*scaling).depth},
		{"size", size, nil, (*scaling).size},
		{"memory", is("depth"), depthOf, (*scaling).memory},
		{"cores", is("cores"), nil, (*scaling).cores},
		{"neighbour", is("cores"), nil, (*scaling).neighbour},
	}
}

func sweepNames() (names []string) {
	for _, s := range sweeps() {
		names = append(names, s.name)
	}
	return names
}

// scaling is what all sweeps need.
type scaling struct {
	be      device.Backend
	limit   time.Duration
	bytes   int64 // that a point may take
	batches []int
}

func (f *scaleFlags) run(out io.Writer) error {
	s, w, err := f.prepare()
	if err != nil {
		return err
	}
	defer s.be.Close()
	var all []point
	for _, sw := range sweeps() {
		if !slices.Contains(f.sweeps, sw.name) {
			continue
		}
		if sw.of != nil && sw.of(w) == 0 {
			if !f.json && !f.csv {
				fmt.Fprintf(out, "%s: no one number says the %s of %s\n\n", sw.name, sw.axis(w), w.name)
			}
			continue
		}
		points, err := sw.points(s, w)
		if err != nil {
			return fmt.Errorf("%s: %w", sw.name, err)
		}
		all = append(all, points...)
		if err := f.draw(sw, w, points); err != nil {
			return err
		}
		if !f.json && !f.csv {
			if err := writeSweep(out, sw, w, s, points); err != nil {
				return err
			}
		}
	}
	_, err = printed(f.formatFlags, out, all)
	return err
}

// prepare checks the flags and opens the device.
func (f *scaleFlags) prepare() (*scaling, workload, error) {
	batches := f.batches
	f.batches = nil // they are a sweep's, not workloads
	w, err := f.only()
	if err != nil {
		return nil, w, err
	}
	for _, b := range batches {
		if b < 1 || b > mostBatch {
			return nil, w, usagef("--batch is %d: it must be from 1 to %d", b, mostBatch)
		}
	}
	for _, name := range f.sweeps {
		if !slices.Contains(sweepNames(), name) {
			return nil, w, usagef("--sweep %q: use some of %s", name, strings.Join(sweepNames(), ", "))
		}
	}
	if err := f.check(); err != nil {
		return nil, w, err
	}
	limit, err := budget(f.seconds)
	if err != nil {
		return nil, w, err
	}
	if !(f.gib > 0 && f.gib <= 1<<20) {
		return nil, w, usagef("--gib is %v: it must be above 0", f.gib)
	}
	if len(batches) == 0 {
		batches = []int{1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024}
	}
	be, err := f.open()
	if err != nil {
		return nil, w, err
	}
	counts := slices.Contains(f.sweeps, "cores") || slices.Contains(f.sweeps, "neighbour")
	if counts && workers(be) == 0 {
		be.Close()
		return nil, w, usagef("%s has no cores to count: give --device cpu, or a --sweep without cores and neighbour", be.Name())
	}
	return &scaling{be, limit, int64(f.gib * (1 << 30)), batches}, w, nil
}

// measure times a workload as a point, if its memory allows it. A model that cannot be built so is said too.
func (s *scaling) measure(be device.Backend, p point, w workload) (point, error) {
	p.Preset, p.Batch, p.Mode, p.Work = w.name, w.batch, w.mode, training
	budgets, err := flowgpu.Plan(w.model, w.stepping(), w.mode)
	if err != nil {
		p.Skipped = err.Error()
		return p, nil
	}
	if need := budgets[0].Total(); need > s.bytes {
		p.Skipped = fmt.Sprintf("takes %s GiB", show.Number(float64(need)/(1<<30)))
		return p, nil
	}
	r, err := timeSteps(be, w, s.limit)
	if err != nil {
		return p, err
	}
	p.record = *r
	p.MsPerSample = r.Median / float64(w.batch)
	return p, nil
}

// each measures a workload with every value set.
func (s *scaling) each(name string, w workload, values []int, set func(*workload, int)) (points []point, err error) {
	for _, v := range values {
		now := w
		set(&now, v)
		p, err := s.measure(s.be, point{Sweep: name, Value: v}, now)
		if err != nil {
			return nil, err
		}
		points = append(points, p)
	}
	return points, nil
}

func (s *scaling) batch(w workload) ([]point, error) {
	return s.each("batch", w, s.batches, func(w *workload, v int) { w.batch = v })
}

func (s *scaling) width(w workload) ([]point, error) {
	return s.each("width", w, around(widthOf(w), 4, 4), func(w *workload, v int) { w.model.Hidden = v })
}

func (s *scaling) depth(w workload) ([]point, error) {
	return s.each("depth", w, around(depthOf(w), 4, 4), func(w *workload, v int) { w.model.Steps = v })
}

func (s *scaling) size(w workload) ([]point, error) {
	if w.model.Height > 1 {
		return s.each("size", w, around(w.model.Height, 4, 2), func(w *workload, v int) { w.model.Height, w.model.Width = v, v })
	}
	return s.each("size", w, []int{2, 4, 8, 16, 32, 64, 128, 256, 512}, func(w *workload, v int) { w.model.Channels = v })
}

// around are a value's halves and doubles, down to a part and up to a multiple of it, from 1 on.
func around(v, part, multiple int) (all []int) {
	for ; part > 1; part /= 2 {
		if v%part == 0 {
			all = append(all, v/part)
		}
	}
	for by := 1; by <= multiple && v > 0; by *= 2 {
		all = append(all, by*v)
	}
	return all
}

func (s *scaling) memory(w workload) (points []point, err error) {
	for _, mode := range allModes() {
		reports, err := planMemory(w, around(depthOf(w), 4, 16), []flowgpu.Mode{mode})
		if err != nil {
			return nil, err
		}
		for _, m := range reports {
			p := point{Sweep: "memory", Series: string(mode), Value: m.Steps, Skipped: m.Skipped}
			p.Preset, p.Batch, p.Mode, p.memoryBytes, p.StepFlops = w.name, w.batch, mode, m.memoryBytes, m.StepFlops
			points = append(points, p)
		}
	}
	return points, nil
}

// on measures a workload on a number of cores.
func (s *scaling) on(cores int, p point, w workload) (point, error) {
	be, err := onCores(s.be.Name(), cores)
	if err != nil {
		return p, err
	}
	defer be.Close()
	p.Value = cores
	return s.measure(be, p, w)
}

func (s *scaling) cores(w workload) (points []point, err error) {
	n := workers(s.be)
	all, err := standard()
	if err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(all, func(o workload) bool { return o.name == w.name && o.batch == w.batch }) {
		all = append([]workload{w}, all...)
	}
	for _, w := range all {
		for cores := 1; cores <= n; cores = nextCores(cores, n) {
			p, err := s.on(cores, point{Sweep: "cores", Series: fmt.Sprintf("%s, %d", w.name, w.batch)}, w)
			if err != nil {
				return nil, err
			}
			points = append(points, p)
		}
	}
	return points, nil
}

// nextCores doubles a number of cores, and does not leave out n.
func nextCores(cores, n int) int {
	if cores < n && 2*cores > n {
		return n
	}
	return 2 * cores
}

func (s *scaling) neighbour(w workload) (points []point, err error) {
	n := workers(s.be)
	add := func(series string) error {
		for _, cores := range slices.Compact([]int{max(n-1, 1), n}) {
			p, err := s.on(cores, point{Sweep: "neighbour", Series: series}, w)
			if err != nil {
				return err
			}
			points = append(points, p)
		}
		return nil
	}
	if err := add("alone"); err != nil {
		return nil, err
	}
	return points, besideNeighbour(func() error { return add("beside a busy process") })
}
