package train

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"cuflow/device"
	"cuflow/device/meter"
	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
	"cuflow/flowgpu/train/events"
)

// Estimate is what a run would take.
type Estimate struct {
	Config Config // completed by what the data has

	Params  int
	Modes   []flowgpu.Mode
	Budgets []flowgpu.Budget // of a step of Config.Batch, by mode
	Eval    int64            // bytes that validation takes beside them

	Batch    int     // that was measured: Config.Batch unless that takes too long to try
	Measured int     // steps
	Took     float64 // seconds of them
	Step     float64 // seconds of one step of Config.Batch
	Scaled   float64 // by which the measured step was multiplied, 1 where it is the run's own
	Grown    float64 // and by this, since solves of a continuous flow grow longer in training; 1 for other models

	Parts   []portion
	Seconds float64 // of them all
	Notes   []string
}

const (
	dryTime   = 2 * time.Second // that steps are measured for
	drySteps  = 3               // at least
	dryFlops  = 150e9           // of a measured step, at most: about a second on a small computer
	dryBytes  = 4 << 30         // of memory that a measured step takes, at most
	drySave   = 64 << 20        // bytes of a checkpoint that is written to see how long it takes, at most
	dryPasses = 256             // samples scored, at most
)

// DryRun tells what a run would take, from its plan and from a few steps, validations and samples that it takes on the run's device and
// data. All that it writes is removed. Where the data is not there yet, noise stands for it.
func DryRun(ctx context.Context, cfg Config, env Env) (*Estimate, error) {
	cfg.Model.Seed = cfg.Seed
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := cfg.anchorData(); err != nil {
		return nil, err
	}
	e := &Estimate{Modes: modes(), Scaled: 1, Grown: 1}
	s, err := e.sources(&cfg)
	if err != nil {
		return nil, err
	}
	cfg.adapt(s)
	if err := checkDomain(cfg.Model, s); err != nil {
		return nil, err
	}
	be, err := env.Open(cfg.choice(e.note))
	if err != nil {
		return nil, err
	}
	defer be.Close()
	cfg.Device = be.Name()
	e.Config = cfg
	if e.Budgets, err = flowgpu.Plan(cfg.Model, cfg.stepping(cfg.Memory), e.Modes...); err != nil {
		return nil, err
	}
	if e.Eval, err = flowgpu.PlanEvaluator(cfg.Model, cfg.Batch); err != nil {
		return nil, err
	}
	e.Params = e.Budgets[0].Params
	if err := cfg.fits(be); err != nil {
		e.note("such a run would not start: " + err.Error())
		return e, nil
	}
	return e, e.rehearse(ctx, be, s)
}

func (e *Estimate) note(text string) { e.Notes = append(e.Notes, text) }

// sources opens the run's data, or makes noise of its shape if it is not there.
func (e *Estimate) sources(cfg *Config) (sources, error) {
	s, err := cfg.open(e.note)
	if err == nil {
		return s, nil
	}
	if _, missing := os.Stat(cfg.Data); builtIn(cfg.Data) || !errors.Is(missing, fs.ErrNotExist) {
		return sources{}, err
	}
	e.note(fmt.Sprintf("%s is not there: noise stands for it, and how much of it would be held out is not known", cfg.Data))
	if cfg.Model.Channels == AutoDims {
		cfg.Model.Channels = nominalDims
		e.note(fmt.Sprintf("vectors of %d dimensions stand for the table's", nominalDims))
	}
	if cfg.Model.Classes == AutoClasses {
		cfg.Model.Classes = 1
	}
	m := cfg.Model
	info := data.Info{Name: "noise", C: m.Channels, H: m.Height, W: m.Width, Levels: m.Intensities, N: cfg.Batch, Classes: max(m.Classes, 0)}
	set := noise{info: info, model: m}
	return sources{set, set, set}, nil
}

// rehearse does of everything a little, in a folder that is removed.
func (e *Estimate) rehearse(ctx context.Context, be device.Backend, s sources) error {
	dir, err := os.MkdirTemp("", "train-dry-run-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	cfg := e.Config
	e.Batch = e.affordable(be)
	cfg.Batch = e.Batch
	if cfg.em() {
		s.train = firstOf{s.train, min(s.train.Info().N, max(dryPasses, cfg.Batch))}
	}
	m, err := flowgpu.New(be, cfg.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	cfg.Model = m.Config()
	if cfg.Model.Kind == "gmm" {
		if _, err := cfg.startMixture(ctx, m, s.train); err != nil {
			return err
		}
	}
	r := &run{cfg: cfg, dir: dir, saved: -1, show: &display{out: io.Discard}}
	return r.with(m, s, func() error {
		rates, err := e.rates(ctx, r)
		if err != nil {
			return err
		}
		val, test := s.val.Info().N, s.test.Info().N
		if _, unknown := s.val.(noise); unknown {
			val, test = 0, 0
		}
		e.Parts = e.Config.amounts(val, test, s.val == s.test).portions(rates, e.Config)
		for _, p := range e.Parts {
			e.Seconds += p.seconds
		}
		return nil
	})
}

// affordable is the batch that is measured: the run's, or on a CPU one that takes no more than a second or so and no great memory.
func (e *Estimate) affordable(be device.Backend) int {
	batch, mine := e.Config.Batch, e.Budgets[0]
	for i, mode := range e.Modes {
		if mode == e.Config.Memory {
			mine = e.Budgets[i]
		}
	}
	if _, gpu := be.(interface{ Chip() device.Chip }); gpu || e.Config.em() {
		return batch
	}
	flops, bytes := float64(mine.Flops), float64(mine.Activations)
	for ; batch > 1 && (flops > dryFlops || bytes > dryBytes); batch /= 2 {
		flops, bytes = flops/2, bytes/2
	}
	return batch
}

// rates measures how long everything takes.
func (e *Estimate) rates(ctx context.Context, r *run) (all rates, err error) {
	if err := r.prepare(); err != nil {
		return all, err
	}
	defer r.log.close()
	defer r.board.Close()
	if err := e.steps(ctx, r); err != nil {
		return all, err
	}
	all.step = e.Step
	seconds := func(f func() error) (s float64) {
		if err == nil {
			start := time.Now()
			err = f()
			s = time.Since(start).Seconds()
		}
		return s
	}
	for step := 1; step <= 2; step++ { // curves need two points
		seconds(func() error { return r.writeLine(moment{step: step, epoch: 1}, 0, nil) })
	}
	all.curve = seconds(r.drawCurves)

	r.cfg.EvalSamples = min(dryPasses, r.val.Info().N)
	validate := func() error {
		_, err := r.validate(ctx, r.val, false)
		return err
	}
	seconds(validate) // memory is touched for the first time
	all.validate = e.Grown * seconds(validate) / float64(r.cfg.EvalSamples)

	r.cfg.Samples = min(r.cfg.Samples, max(r.cfg.Batch, 64))
	draw := r.rows
	if !r.cfg.vectors() {
		draw = func() error { return r.samples(samplesFile, true) }
	}
	all.draw = e.Grown * seconds(draw) / float64(r.cfg.Samples)

	if m := r.stepper.Memory(); m.Parameters+m.Optimiser <= drySave {
		all.save = seconds(r.save)
	} else {
		e.note("the time of checkpoints, of " + mebibytes(m.Parameters+m.Optimiser) + " at most, is not counted")
	}
	return all, err
}

// prepare makes a run ready for its first step, as loop does.
func (r *run) prepare() (err error) {
	if err := r.initialise(); err != nil {
		return err
	}
	if r.log, err = openJournal(r.dir+"/"+logFile, 0); err != nil {
		return err
	}
	if r.board, err = events.Create(r.dir, time.Now(), 0); err != nil {
		r.log.close()
		return err
	}
	r.began = time.Now()
	return nil
}

// steps measures training steps, or an iteration of EM on a part of the data.
func (e *Estimate) steps(ctx context.Context, r *run) error {
	group := 1
	var solves growth
	timed := false
	work := func() error {
		if r.cfg.em() {
			return r.iterate(ctx)
		}
		for range group {
			if err := r.step(); err != nil {
				return err
			}
		}
		err := r.read()
		solves.add(r.at.Pending, timed)
		r.at.Pending = r.at.Pending[:0]
		return err
	}
	var once time.Duration
	for range 2 { // the first touches memory
		start := time.Now()
		if err := work(); err != nil {
			return err
		}
		once = time.Since(start)
	}
	if !r.cfg.em() { // losses are read as seldom as in the run, but the time is not exceeded by much
		group = max(1, min(r.cfg.LogEvery, flowgpu.RingSize, int(dryTime/4/max(once, 1))))
	}
	timed = true
	start := time.Now()
	for e.Measured < drySteps || time.Since(start) < dryTime {
		if ctx.Err() != nil {
			return ErrInterrupted
		}
		if err := work(); err != nil {
			return err
		}
		e.Measured += group
	}
	e.Took = time.Since(start).Seconds()
	if err := e.scale(r); err != nil {
		return err
	}
	e.Grown = solves.factor(r.cfg.Model)
	e.Step = e.Took / float64(e.Measured) * e.Scaled * e.Grown
	e.mature(r, solves)
	return nil
}

// scale finds by what the measured step is multiplied: for EM by the data that was left out; else, for a smaller batch, by the least
// times that the device's peaks allow for both.
func (e *Estimate) scale(r *run) error {
	if r.cfg.em() {
		whole := r.train.(firstOf)
		e.Scaled = float64(whole.Source.Info().N) / float64(whole.n)
		return nil
	}
	if e.Batch == e.Config.Batch {
		return nil
	}
	peaks, err := meter.Measure(r.model.Backend(), 1<<24, 50*time.Millisecond)
	if err != nil {
		return err
	}
	e.Scaled, err = e.Config.ratio(peaks, e.Batch)
	return err
}

// ratio is how much longer than a step of a small batch one of the run's own takes at least.
func (c Config) ratio(peaks meter.Peaks, small int) (float64, error) {
	var least [2]float64
	for i, batch := range []int{c.Batch, small} {
		c.Batch = batch
		calls, err := c.calls()
		if err != nil {
			return 0, err
		}
		least[i] = peaks.LimitOf(calls).Seconds()
	}
	return least[0] / least[1], nil
}

// calls are the ops of a step.
func (c Config) calls() ([]meter.Call, error) {
	count := meter.Count()
	m, err := flowgpu.New(count, c.Model)
	if err != nil {
		return nil, err
	}
	defer m.Close()
	s, err := flowgpu.NewStepper(m, c.stepping(c.Memory))
	if err != nil {
		return nil, err
	}
	defer s.Close()
	count.Reset()
	s.Step(make([]float32, c.Batch*c.Model.D()), float32(c.LR))
	return count.Calls(), nil
}
