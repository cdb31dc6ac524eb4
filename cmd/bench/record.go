package main

import (
	"fmt"
	"io"
	"time"

	"cuflow/cmd/bench/internal/show"
	"cuflow/cmd/bench/internal/stats"
	"cuflow/flowgpu"
)

// record is what is known of a workload on a device: training steps, or batches of samples.
type record struct {
	Work    string       `json:"work"` // "train" or "sample"
	Preset  string       `json:"preset"`
	Device  string       `json:"device"`
	Workers int          `json:"workers,omitempty"`
	Batch   int          `json:"batch"`
	Mode    flowgpu.Mode `json:"memory,omitempty"` // of training

	Precision string `json:"precision,omitempty"` // of a GPU
	Recorded  bool   `json:"graph,omitempty"`     // steps are replayed as one graph

	WarmUp     int       `json:"warmup_steps"` // of each round, not timed
	TimedSteps int       `json:"timed_steps"`
	Seconds    float64   `json:"timed_seconds"`
	RoundMs    []float64 `json:"round_ms"` // median of each round, for comparisons

	Median  float64 `json:"ms"`
	Min     float64 `json:"min"`
	P95     float64 `json:"p95"`
	Drift   float64 `json:"drift"` // second half of the steps against the first, less 1
	Warning string  `json:"warning,omitempty"`

	ImagesPerSecond float64 `json:"images_per_second"`

	StepFlops  int64    `json:"flops_per_step"`
	GFLOPS     float64  `json:"gflops"`
	PeakGFLOPS float64  `json:"peak_gflops,omitempty"`
	PeakShare  *float64 `json:"peak_share,omitempty"`

	// What the same arithmetic did at most moments of the run, 5 ms at a time, and the share of that: the machine's own ups and downs
	// are in it as they are in the median step.
	MedianPeakGFLOPS float64  `json:"median_peak_gflops,omitempty"`
	MedianPeakShare  *float64 `json:"median_peak_share,omitempty"`

	Apart []float64 `json:"line_round_trip_ns,omitempty"` // before and after each round, see apart

	memoryBytes
	PeakResident int64 `json:"peak_resident_bytes,omitempty"` // of the whole program while it ran

	// Of the Go heap, by the whole program during the timed steps: a thread that the runtime starts in that time counts too.
	AllocsPerStep     uint64 `json:"allocs_per_step"`
	AllocBytesPerStep uint64 `json:"alloc_bytes_per_step"`

	times  stats.Times // of all rounds, in the order in which they were taken
	tries  []float64   // of arithmetic alone in all rounds, in GFLOP/s
	allocs [2]uint64   // number and bytes in all rounds
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

// add joins another round of the same work to the record.
func (r *record) add(round *record) {
	r.RoundMs = append(r.RoundMs, milliseconds(round.times.Median()))
	r.times = append(r.times, round.times...)
	r.tries = append(r.tries, round.tries...)
	r.allocs[0] += round.allocs[0]
	r.allocs[1] += round.allocs[1]
	r.PeakGFLOPS = max(r.PeakGFLOPS, round.PeakGFLOPS)
	r.Apart = append(r.Apart, round.Apart...)
	r.PeakResident = max(r.PeakResident, round.PeakResident)
	r.summarise()
}

// summarise computes what follows from the times.
func (r *record) summarise() {
	t := r.times
	r.TimedSteps, r.Seconds = len(t), t.Sum().Seconds()
	r.Median, r.Min, r.P95 = milliseconds(t.Median()), milliseconds(t.Min()), milliseconds(t.P95())
	r.Drift, r.Warning = t.Drift()
	r.ImagesPerSecond = float64(r.Batch) / t.Median().Seconds()
	r.GFLOPS = perNanosecond(r.StepFlops, t.Median())
	r.PeakShare = share(r.GFLOPS, r.PeakGFLOPS)
	if len(r.tries) > 0 {
		r.MedianPeakGFLOPS = stats.MiddleOf(r.tries).Median
		r.MedianPeakShare = share(r.GFLOPS, r.MedianPeakGFLOPS)
	}
	r.AllocsPerStep, r.AllocBytesPerStep = r.allocs[0]/uint64(len(t)), r.allocs[1]/uint64(len(t))
}

// milliseconds is d as people read the time of a step.
func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// perNanosecond is a rate in units of 1e9 a second: GFLOP/s of operations, GB/s of bytes.
func perNanosecond(n int64, d time.Duration) float64 { return float64(n) / float64(max(d, 1)) }

// share is part/whole, or nothing where the whole is not known.
func share(part, whole float64) *float64 {
	if whole == 0 {
		return nil
	}
	s := part / whole
	return &s
}

// work is what is timed, in words.
func (r *record) work() string {
	if r.Work == sampling {
		return "batch of samples"
	}
	return "step"
}

// where is on what it was measured.
func (r *record) where() string {
	on := r.Device
	if r.Workers > 0 {
		on += " on " + counted(r.Workers, "core")
	}
	if r.Precision != "" {
		on += " in " + r.Precision
	}
	if r.Recorded {
		on += ", one graph a step"
	}
	return on
}

// rounds says how the times were taken.
func (r *record) rounds() string {
	text := fmt.Sprintf("%d in %.1f s after %d to warm up", r.TimedSteps, r.Seconds, r.WarmUp)
	if n := len(r.RoundMs); n > 1 {
		text += fmt.Sprintf(" in each of %d rounds", n)
	}
	return text
}

// write prints one record, a line for each thing that is known.
func (r *record) write(out io.Writer) error {
	peak := ""
	if r.PeakShare != nil {
		peak = fmt.Sprintf(", %s of the measured peak of %s", show.Percent(r.PeakShare), show.Number(r.PeakGFLOPS))
	}
	if r.MedianPeakShare != nil {
		peak += fmt.Sprintf(", %s of its median of %s", show.Percent(r.MedianPeakShare), show.Number(r.MedianPeakGFLOPS))
	}
	mode := ""
	if r.Mode != "" {
		mode = fmt.Sprintf("memory %s, ", r.Mode)
	}
	t := show.Table{Left: 2}
	t.Add("model", fmt.Sprintf("%s, batches of %d, %s%s", r.Preset, r.Batch, mode, r.where()))
	t.Add(r.work(), fmt.Sprintf("%s ms median, %s min, %s p95: %s", show.Number(r.Median), show.Number(r.Min), show.Number(r.P95), r.rounds()))
	if m := stats.MiddleOf(r.RoundMs); m.Spread() > 0 {
		t.Add("rounds", fmt.Sprintf("median %s ms, with 95 %% between %s and %s", show.Number(m.Median), show.Number(m.Lo), show.Number(m.Hi)))
	}
	t.Add("drift", fmt.Sprintf("%s from the first half to the second", show.Change(r.Drift)))
	t.Add("speed", fmt.Sprintf("%s samples/s", show.Number(r.ImagesPerSecond)))
	t.Add("arithmetic", fmt.Sprintf("%s GFLOP a %s, %s GFLOP/s%s", show.Number(float64(r.StepFlops)/1e9), r.work(), show.Number(r.GFLOPS), peak))
	if text := writtenApart(r.Apart); text != "" {
		t.Add("cores", text)
	}
	t.Add("memory", fmt.Sprintf("%s MiB: %s parameters, %s optimiser, %s activations",
		show.Mebibytes(r.Total), show.Mebibytes(r.Parameters), show.Mebibytes(r.Optimiser), show.Mebibytes(r.Activations)))
	if r.PeakResident > 0 {
		t.Add("resident", fmt.Sprintf("%s MiB at most, by the whole program", show.Mebibytes(r.PeakResident)))
	}
	t.Add("Go heap", fmt.Sprintf("%d bytes in %d allocations a %s", r.AllocBytesPerStep, r.AllocsPerStep, r.work()))
	if r.Warning != "" {
		t.Add("warning", r.Warning)
	}
	return t.Write(out)
}

// writeRecords prints many records, a line for each.
func writeRecords(out io.Writer, records []*record) error {
	t := show.Table{Left: 1}
	t.Add("workload", "batch", "ms", "min", "p95", "drift", "samples/s", "GFLOP/s", "of peak", "of its median", "MiB", "resident MiB", "measured")
	warnings := ""
	for _, r := range records {
		t.Add(r.name(), fmt.Sprint(r.Batch), show.Number(r.Median), show.Number(r.Min), show.Number(r.P95), show.Change(r.Drift), show.Number(r.ImagesPerSecond),
			show.Number(r.GFLOPS), show.Percent(r.PeakShare), show.Percent(r.MedianPeakShare), show.Mebibytes(r.Total), show.Optional(float64(r.PeakResident)/(1<<20)),
			fmt.Sprintf("%d in %.1f s", r.TimedSteps, r.Seconds))
		if r.Warning != "" {
			warnings += fmt.Sprintf("warning: %s, batch %d: %s\n", r.name(), r.Batch, r.Warning)
		}
	}
	if err := t.Write(out); err != nil {
		return err
	}
	_, err := io.WriteString(out, warnings)
	return err
}

// name is the workload in a word or two.
func (r *record) name() string {
	if r.Work == sampling {
		return r.Preset + " sampling"
	}
	return r.Preset
}
