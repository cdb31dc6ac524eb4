package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"cuflow/flowgpu"
	"cuflow/flowgpu/train/curves"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
)

// due says whether something that happens every so many steps happens now. The last step is the business of report.
func (r *run) due(every int) bool { return every > 0 && r.at.Step%every == 0 }

// report does what is due after the step just taken: a line of the log, validation, samples, a checkpoint. It changes
// the position only when all but the checkpoint is done.
func (r *run) report(ctx context.Context) error {
	last := r.at.Step == r.cfg.Steps
	validate, samples := last || r.due(r.cfg.EvalEvery), r.due(r.cfg.SampleEvery)
	line, checkpoint := validate || r.due(r.cfg.LogEvery), last || r.due(r.cfg.CheckpointEvery)
	if !line && !samples && !checkpoint {
		r.at.Reported = r.at.Step
		return nil
	}
	if err := r.read(); err != nil {
		return err
	}
	speed := r.speed()
	s, err := r.look(ctx, validate, samples, last)
	if err != nil {
		return err
	}
	if line {
		if err := r.writeLine(speed, s); err != nil {
			return err
		}
	}
	if samples || last {
		if err := r.drawCurves(); err != nil {
			return err
		}
	}
	if err := r.board.Flush(); err != nil {
		return r.cannotWrite(err)
	}
	if last {
		r.at.Final = s
	}
	r.at.Reported = r.at.Step
	if checkpoint {
		if err := r.save(); err != nil {
			return err
		}
	}
	r.startClock()
	return nil
}

// look scores held-out images and draws samples, as asked, with the averaged weights.
func (r *run) look(ctx context.Context, validate, samples, last bool) (s *Score, err error) {
	if !validate && !samples {
		return nil, nil
	}
	err = r.stepper.WithEMA(func() error {
		if validate {
			if s, err = r.validate(ctx, last); err != nil {
				return err
			}
		}
		if samples {
			if err := r.samples(filepath.Join(samplesFolder, fmt.Sprintf("step-%06d.png", r.at.Step)), true); err != nil {
				return err
			}
		}
		if last {
			return r.samples(samplesFile, !samples)
		}
		return nil
	})
	return s, err
}

// validate scores the held-out images, at the end all of them.
func (r *run) validate(ctx context.Context, last bool) (*Score, error) {
	n := r.test.Info().N
	if limit := r.cfg.EvalSamples; limit > 0 && !last {
		n = min(n, limit)
	}
	s, err := score(ctx, r.eval, r.test, n, r.cfg.Seed)
	if errors.Is(err, errNotFinite) {
		err = fmt.Errorf("validation after step %d: %w; the checkpoint of step %d is untouched: go on from it with `train resume %s --lr %.2g`",
			r.at.Step, err, r.saved, r.dir, r.cfg.LR/2)
	}
	return &s, err
}

// samples draws a grid, and shows it to TensorBoard; the noise is the same all run long.
func (r *run) samples(name string, show bool) error {
	path := filepath.Join(r.dir, name)
	err := drawGrid(path, r.eval, r.cfg.Model, r.cfg.Samples, r.cfg.Temperature, r.cfg.Seed)
	if errors.Is(err, errNotFinite) {
		r.show.say("warning: %v", err)
		err = nil
	}
	if err == nil && show {
		err = r.board.ImageFile(r.at.Step, "samples", path)
	}
	if err != nil {
		return r.cannotWrite(err)
	}
	return nil
}

// drawCurves draws what the log says so far.
func (r *run) drawCurves() error {
	train, val, err := curves.ReadLog(filepath.Join(r.dir, logFile))
	if err == nil && train.Len() > 0 {
		var p *plot.Plot
		if p, err = curves.Plot(r.cfg.Preset, "training steps", "bits/dim", []curves.Series{train, val}); err == nil {
			err = curves.WritePNG(filepath.Join(r.dir, curvesFile), p, 8*vg.Inch, 4.5*vg.Inch)
		}
	}
	if err != nil {
		return r.cannotWrite(err)
	}
	return nil
}

// writeLine logs the steps since the line before.
func (r *run) writeLine(speed float64, s *Score) error {
	l := Line{Step: r.at.Step, Epoch: r.at.Epoch + 1, LR: r.cfg.LearningRate(r.at.Step), ImagesPerSecond: speed, Seconds: r.seconds()}
	if s != nil {
		l.Validation = &Validation{BitsPerDim: s.BitsPerDim, Stderr: s.Stderr, N: s.N}
	}
	drift, n := 0.0, float64(len(r.at.Pending))
	for _, rec := range r.at.Pending {
		l.Loss += rec.Loss / n
		l.GradNorm += rec.GradNorm / n / r.cfg.natsPerBit()
		drift = max(drift, rec.Drift)
	}
	l.BitsPerDim = l.Loss / r.cfg.natsPerBit()
	if r.cfg.Memory == flowgpu.Reversible {
		l.Drift = &drift
	}
	if err := errors.Join(r.log.write(l), r.board.Line(l.Step, l)); err != nil {
		return r.cannotWrite(err)
	}
	r.at.Pending = r.at.Pending[:0]
	left := 0.0
	if speed > 0 {
		left = float64((r.cfg.Steps-r.at.Step)*r.cfg.Batch) / speed
	}
	r.show.line(l, duration(left))
	if s != nil {
		r.show.say("step %d: held-out %s", r.at.Step, s)
	}
	return nil
}

// startClock begins the steps that the next line's speed is measured over: those since the last pause for something else.
func (r *run) startClock() { r.timed, r.timedFrom = time.Now(), r.at.Step }

// speed is images per second since the clock started; 0 where there was no step.
func (r *run) speed() float64 {
	if r.timedFrom == r.at.Step {
		return 0
	}
	return float64((r.at.Step-r.timedFrom)*r.cfg.Batch) / time.Since(r.timed).Seconds()
}

func (r *run) seconds() float64 { return r.before + time.Since(r.began).Seconds() }
