package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"time"

	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/train"

	"github.com/spf13/cobra"
)

const (
	warmUpSteps  = 3       // not timed: memory is touched for the first time, parameters leave their start
	leastSteps   = 5       // timed
	mostSteps    = 1 << 16 // timed
	learningRate = 1e-4    // small: the parameters should move, not diverge
)

type stepFlags struct {
	workloadFlags
	memory string
	deviceFlags
	seconds float64
	json    bool
}

func stepCommand() *cobra.Command {
	var f stepFlags
	c := &cobra.Command{
		Use:   "step",
		Short: "Time whole training steps",
		Long: `Time whole training steps: upload, dequantisation, forward, backward and optimiser, on random images.

gflops counts the products and convolutions of a step as the memory mode does them, peak_share compares them with the
fused multiply-adds that the same device did in the same run.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return runStep(c.OutOrStdout(), f) },
	}
	f.workloadFlags.add(c)
	c.Flags().StringVar(&f.memory, "memory", "", "`mode`: stash, recompute or reversible (default: the preset's)")
	f.deviceFlags.add(c)
	c.Flags().Float64Var(&f.seconds, "seconds", 8, "measure for at least this long")
	c.Flags().BoolVar(&f.json, "json", false, "print one JSON object")
	return c
}

func runStep(out io.Writer, f stepFlags) error {
	w, err := f.workload()
	if err != nil {
		return err
	}
	if f.memory != "" {
		if w.mode, err = flowgpu.ParseMode(f.memory); err != nil {
			return train.UsageError{Err: err}
		}
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
	r, err := timeSteps(be, w, limit)
	if err != nil {
		return err
	}
	if f.json {
		return json.NewEncoder(out).Encode(r)
	}
	return r.write(out)
}

// stepReport is what is known of a preset's training step on a device.
type stepReport struct {
	Preset  string       `json:"preset"`
	Device  string       `json:"device"`
	Workers int          `json:"workers,omitempty"`
	Batch   int          `json:"batch"`
	Mode    flowgpu.Mode `json:"memory"`

	Precision string `json:"precision,omitempty"` // of a GPU
	Recorded  bool   `json:"graph,omitempty"`     // steps are replayed as one graph

	WarmUp     int     `json:"warmup_steps"`
	TimedSteps int     `json:"timed_steps"`
	Seconds    float64 `json:"timed_seconds"`

	Median          float64 `json:"ms"`
	Min             float64 `json:"min"`
	P95             float64 `json:"p95"`
	ImagesPerSecond float64 `json:"images_per_second"`

	StepFlops  int64    `json:"flops_per_step"`
	GFLOPS     float64  `json:"gflops"`
	PeakGFLOPS float64  `json:"peak_gflops,omitempty"`
	PeakShare  *float64 `json:"peak_share,omitempty"`

	memoryBytes

	// Of the Go heap, by the whole program during the timed steps: a thread that the runtime starts in that time counts too.
	AllocsPerStep     uint64 `json:"allocs_per_step"`
	AllocBytesPerStep uint64 `json:"alloc_bytes_per_step"`
}

// memoryBytes is flowgpu.Memory as reports have it.
type memoryBytes struct {
	Total       int64 `json:"memory_bytes"`
	Parameters  int64 `json:"parameter_bytes"`
	Optimiser   int64 `json:"optimiser_bytes"`
	Activations int64 `json:"activation_bytes"`
}

func bytesOf(m flowgpu.Memory) memoryBytes {
	return memoryBytes{m.Total(), m.Parameters, m.Optimiser, m.Activations}
}

// stepsPerRead is how many steps a GPU takes between two looks at their losses, as in training: the host enqueues ahead.
const stepsPerRead = 16

// timeSteps trains on one batch of random images and times steps from before their upload until their losses have come back: one
// at a time on a CPU, stepsPerRead elsewhere.
func timeSteps(be device.Backend, w workload, limit time.Duration) (*stepReport, error) {
	m, err := flowgpu.New(be, w.model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s, err := flowgpu.NewStepper(m, flowgpu.StepConfig{Batch: w.batch, Mode: w.mode, Adam: w.adam})
	if err != nil {
		return nil, err
	}
	defer s.Close()

	x := randomImages(w.model, w.batch)
	group, warmUp, least := 1, warmUpSteps, leastSteps
	if precision(be) != "" {
		group, warmUp, least = stepsPerRead, 1, 2
	}
	steps := func() error {
		for range group {
			s.Step(x, learningRate)
		}
		records, err := s.Read()
		if err != nil {
			return err
		}
		for _, r := range records {
			if math.IsNaN(r.Loss) || math.IsInf(r.Loss, 0) {
				return fmt.Errorf("the loss of step %d is %v: such steps are not worth timing", r.Step, r.Loss)
			}
		}
		return nil
	}
	room := make(times, 0, mostSteps)
	// A collection now leaves none for the timed steps, which make no garbage.
	runtime.GC()
	s.Initialise(x)
	for range warmUp {
		if err := steps(); err != nil {
			return nil, err
		}
	}
	peak := fmaPeak(be)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t, err := measure(room, least, limit, steps)
	if err != nil {
		return nil, err
	}
	runtime.ReadMemStats(&after)
	peak = max(peak, fmaPeak(be))

	n := uint64(len(t) * group)
	ms := func(d time.Duration) float64 { return milliseconds(d) / float64(group) }
	gflops := perNanosecond(int64(group)*s.Flops(), t.median())
	recorded, _ := s.Recorded()
	return &stepReport{
		Preset: w.name, Device: be.Name(), Workers: workers(be), Batch: w.batch, Mode: w.mode, Precision: precision(be),
		Recorded: recorded,
		WarmUp:   warmUp * group, TimedSteps: len(t) * group, Seconds: t.sum().Seconds(),
		Median: ms(t.median()), Min: ms(t[0]), P95: ms(t.p95()),
		ImagesPerSecond: float64(group*w.batch) / t.median().Seconds(),
		StepFlops:       s.Flops(), GFLOPS: gflops, PeakGFLOPS: peak, PeakShare: share(gflops, peak),
		memoryBytes:   bytesOf(s.Memory()),
		AllocsPerStep: (after.Mallocs - before.Mallocs) / n, AllocBytesPerStep: (after.TotalAlloc - before.TotalAlloc) / n,
	}, nil
}

// randomImages is a batch of uniform intensities, the same in every run, or of normal values where data is real.
func randomImages(c flowgpu.Config, batch int) []float32 {
	r := rand.New(rand.NewPCG(1, 2))
	x := make([]float32, batch*c.D())
	for i := range x {
		if c.Intensities > 0 {
			x[i] = float32(r.IntN(c.Intensities))
		} else {
			x[i] = float32(r.NormFloat64())
		}
	}
	return x
}

func (r *stepReport) write(out io.Writer) error {
	on := r.Device
	if r.Workers > 0 {
		on += fmt.Sprintf(" on %d cores", r.Workers)
	}
	if r.Precision != "" {
		on += " in " + r.Precision
	}
	if r.Recorded {
		on += ", one graph a step"
	}
	peak := ""
	if r.PeakShare != nil {
		peak = fmt.Sprintf(", %s of the measured peak of %s", percent(r.PeakShare), number(r.PeakGFLOPS))
	}
	t := table{left: 2}
	t.add("model", fmt.Sprintf("%s, batches of %d, memory %s, %s", r.Preset, r.Batch, r.Mode, on))
	t.add("step", fmt.Sprintf("%s ms median, %s min, %s p95: %d steps in %.1f s after %d to warm up",
		number(r.Median), number(r.Min), number(r.P95), r.TimedSteps, r.Seconds, r.WarmUp))
	t.add("speed", fmt.Sprintf("%s images/s", number(r.ImagesPerSecond)))
	t.add("arithmetic", fmt.Sprintf("%s GFLOP a step, %s GFLOP/s%s", number(float64(r.StepFlops)/1e9), number(r.GFLOPS), peak))
	t.add("memory", fmt.Sprintf("%s MiB: %s parameters, %s optimiser, %s activations",
		mebibytes(r.Total), mebibytes(r.Parameters), mebibytes(r.Optimiser), mebibytes(r.Activations)))
	t.add("Go heap", fmt.Sprintf("%d bytes in %d allocations a step", r.AllocBytesPerStep, r.AllocsPerStep))
	return t.write(out)
}
