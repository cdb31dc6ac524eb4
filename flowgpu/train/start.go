package train

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Env is what a run needs from its surroundings.
type Env struct {
	Open     func(device.Choice) (device.Backend, error)
	Out      io.Writer // what people read
	Notes    io.Writer // what they should know about data and device where Out is a result; nil: nowhere
	Terminal bool      // Out is one, so that a progress bar can be drawn

	// Scored, where it is given, is told of every validation of a run: after which step it was, how many seconds training has taken,
	// and what came of it.
	Scored func(step int, seconds float64, s Score)
}

// note tells of the data or the device beside a result.
func (e Env) note(text string) {
	if e.Notes != nil {
		fmt.Fprintln(e.Notes, "note:", text)
	}
}

// Result is what a finished run has come to.
type Result struct {
	Dir     string
	Steps   int
	Best    int    // step whose weights are the run's, where training stops early; 0: the last
	Score   Score  // of all held-out samples (of vectors, of the test part), averaged weights
	Samples string // path of the grid, or of the vectors
	Curves  string // path of the picture of bits/dim or nats by step
}

// Start trains a new run in the folder dir. Where ctx ends first, the run writes a checkpoint and returns ErrInterrupted.
func Start(ctx context.Context, cfg Config, dir string, env Env) (*Result, error) {
	cfg.Model.Seed = cfg.Seed
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := vacant(dir); err != nil {
		return nil, err
	}
	if err := cfg.anchorData(); err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, dir: dir, saved: -1, show: &display{out: env.Out, terminal: env.Terminal}, scored: env.Scored}
	return r.finish(r.begin(ctx, env))
}

func (r *run) begin(ctx context.Context, env Env) error {
	s, err := r.cfg.open(r.show.note)
	if err != nil {
		return err
	}
	r.cfg.adapt(s)
	if err := checkDomain(r.cfg.Model, s); err != nil {
		return err
	}
	be, err := env.Open(r.cfg.choice(r.show.note))
	if err != nil {
		return err
	}
	defer be.Close()
	r.cfg.Device = be.Name()
	if err := r.cfg.fits(be); err != nil {
		return err
	}
	m, err := flowgpu.New(be, r.cfg.Model)
	if err != nil {
		return err
	}
	defer m.Close()
	r.cfg.Model = m.Config()
	began := ""
	if r.cfg.Model.Kind == "gmm" {
		if began, err = r.cfg.startMixture(ctx, m, s.train); err != nil {
			return err
		}
	}
	return r.with(m, s, func() error {
		if err := occupy(r.dir); err != nil {
			return err
		}
		r.introduce()
		if began != "" {
			r.show.say("start     %s", began)
		}
		if err := r.initialise(); err != nil {
			return err
		}
		if err := r.save(); err != nil {
			return err
		}
		return r.loop(ctx)
	})
}

// initialise sets the actnorms, where there are any, from the first batch, which is also that of the first step.
func (r *run) initialise() error {
	l := r.newLoader(0, 0)
	defer l.Close()
	b := l.Next()
	if b == nil {
		return l.Err()
	}
	if err := r.stepper.Label(b.Labels); err != nil {
		return err
	}
	if err := r.stepper.Condition(b.Context); err != nil {
		return err
	}
	if !r.model.Initialised() {
		r.stepper.Initialise(b.X)
		r.show.say("actnorm initialised from the first batch")
	}
	l.Release(b)
	return nil
}

// newLoader gives the training batches from a position on.
func (r *run) newLoader(epoch, batches int) *data.Loader {
	return data.NewLoaderWith(r.train, r.cfg.Batch, r.cfg.Seed, epoch, batches, data.LoaderOptions{
		Workers: r.cfg.Workers, Augment: r.cfg.augment(), Bytes: r.bytes(),
	})
}

// Resume goes on with the run at path, a folder or the checkpoint in it. change may alter its settings first: more steps,
// another learning rate, clipping, device or place of the data.
func Resume(ctx context.Context, path string, change func(*Config), env Env) (*Result, error) {
	s, err := open(path)
	if err != nil {
		return nil, err
	}
	cfg := s.Config
	change(&cfg)
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if err := cfg.anchorData(); err != nil {
		return nil, err
	}
	r := &run{cfg: cfg, dir: s.dir, at: s.Position, saved: s.Position.Step, show: &display{out: env.Out, terminal: env.Terminal}, scored: env.Scored}
	switch {
	case cfg.Steps == s.Config.Steps && cfg.Patience == s.Config.Patience && r.at.Final != nil:
		more := fmt.Sprintf("--steps %d", 2*cfg.Steps)
		if r.at.Step < cfg.Steps {
			more = fmt.Sprintf("--patience %d", 2*cfg.Patience)
		}
		r.show.say("%s is finished: train it further with `train resume %s %s`", s.dir, s.dir, more)
		return r.finish(nil)
	case cfg.Steps != s.Config.Steps && cfg.Steps <= r.at.Step:
		return nil, usagef("%s has done %s already: give --steps a greater number", s.dir, plural(r.at.Step, "step"))
	case cfg.Patience != s.Config.Patience && r.at.Final != nil && r.at.Step >= cfg.Steps:
		return nil, usagef("%s has done all of its %s: give --steps a greater number too", s.dir, plural(r.at.Step, "step"))
	}
	if r.at.Final != nil { // it had ended, and is to go on
		r.at.Final, r.at.Stale = nil, 0
	}
	return r.finish(r.resume(ctx, s, env))
}

func (r *run) resume(ctx context.Context, s *saved, env Env) error {
	data, err := r.cfg.open(r.show.note)
	if err != nil {
		return fmt.Errorf("%w (the run's data may be given a new place with --data)", err)
	}
	be, err := env.Open(r.cfg.choice(r.show.note))
	if err != nil {
		return fmt.Errorf("%w (the run was trained on %s; --device auto goes on with the best device here, and rounds differently)", err, s.Config.Device)
	}
	defer be.Close()
	r.cfg.Device = be.Name()
	if err := r.cfg.fits(be); err != nil {
		return err
	}
	m, err := flowgpu.NewFromCheckpoint(be, s.c)
	if err != nil {
		return fmt.Errorf("%s: %w", s.path, err)
	}
	defer m.Close()
	if err := r.loadBest(s); err != nil {
		return err
	}
	return r.with(m, data, func() error {
		if err := r.stepper.Load(s.c, r.at.Step); err != nil {
			return fmt.Errorf("%s: %w", s.path, err)
		}
		s.c.Sections = nil // on the device now
		r.introduce()
		r.show.say("resumed after step %s of %s", thousands(r.at.Step), thousands(r.cfg.Steps))
		return r.loop(ctx)
	})
}

// with runs f while the run has all it needs to train m.
func (r *run) with(m *flowgpu.Model, s sources, f func() error) error {
	if _, err := data.Batches(s.train, r.cfg.Batch); err != nil {
		return UsageError{err}
	}
	stepper, err := flowgpu.NewStepper(m, r.cfg.stepping(r.cfg.Memory))
	if err != nil {
		return err
	}
	defer stepper.Close()
	eval, err := flowgpu.NewEvaluator(m, r.cfg.Batch)
	if err != nil {
		return err
	}
	defer eval.Close()
	r.model, r.stepper, r.eval, r.sources = m, stepper, eval, s
	r.loader = r.newLoader(r.at.Epoch, r.at.Batches)
	defer r.loader.Close()
	return f()
}

// finish turns the end of a run into its result.
func (r *run) finish(err error) (*Result, error) {
	if err != nil {
		return nil, err
	}
	result := &Result{
		Dir: r.dir, Steps: r.at.Step, Score: *r.at.Final,
		Samples: filepath.Join(r.dir, samplesFile), Curves: filepath.Join(r.dir, curvesFile),
	}
	if r.cfg.vectors() {
		result.Samples = filepath.Join(r.dir, rowsFile)
	}
	if r.at.Best != nil {
		result.Best = r.at.Best.Step
	}
	return result, nil
}
