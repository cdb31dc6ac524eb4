package train

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
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
	validate, samples := last || r.due(r.cfg.EvalEvery), r.due(r.cfg.SampleEvery) && !r.cfg.vectors()
	line, checkpoint := validate || r.due(r.cfg.LogEvery), last || r.due(r.cfg.CheckpointEvery)
	if !line && !samples && !checkpoint {
		r.at.Reported = r.at.Step
		return nil
	}
	now := moment{r.at.Step, r.at.Epoch + 1}
	if !validate && !samples && !checkpoint && !r.cfg.em() && r.stepper.Ask() {
		r.owed = &now
		return nil
	}
	if err := r.read(); err != nil {
		return err
	}
	speed := r.speed(r.at.Step)
	seen, err := r.look(ctx, validate, samples, last)
	if err != nil {
		return err
	}
	last = last || seen.stop
	var final *Score
	if last {
		if final, err = r.conclude(ctx, seen); err != nil {
			return err
		}
	}
	if line {
		if err := r.writeLine(now, speed, seen.val); err != nil {
			return err
		}
	}
	if seen.stop {
		r.show.say("step %d: no better validation in %d: stopped; the best was that of step %d", r.at.Step, seen.stale, seen.best.Step)
	}
	if samples || last {
		if err := r.drawCurves(); err != nil {
			return err
		}
	}
	if err := r.board.Flush(); err != nil {
		return r.cannotWrite(err)
	}
	if validate {
		r.at.Best, r.at.Stale = seen.best, seen.stale
	}
	if last {
		r.at.Final = final
	}
	r.at.Reported = r.at.Step
	if checkpoint || last {
		if err := r.save(); err != nil {
			return err
		}
	}
	r.startClock()
	return nil
}

// looked is what a look at the model has shown.
type looked struct {
	val   *Score // nil where there was no validation
	best  *best  // the run's, this one counted
	stale int    // validations since the best
	stop  bool   // patience is at its end
}

// look scores held-out samples and draws some, as asked, with the averaged weights.
func (r *run) look(ctx context.Context, validate, samples, last bool) (l looked, err error) {
	if !validate && !samples {
		return l, nil
	}
	err = r.stepper.WithEMA(func() error {
		if validate {
			whole := last && r.cfg.Patience == 0 // else the last is compared with those before, of as many samples
			if l.val, err = r.validate(ctx, r.val, whole); err != nil {
				return err
			}
			if r.scored != nil {
				r.scored(r.at.Step, r.seconds(), *l.val)
			}
			if l.best, l.stale, err = r.judge(*l.val); err != nil {
				return err
			}
			l.stop = !last && r.cfg.Patience > 0 && l.stale >= r.cfg.Patience
		}
		if samples {
			return r.samples(filepath.Join(samplesFolder, fmt.Sprintf("step-%06d.png", r.at.Step)), true)
		}
		return nil
	})
	return l, err
}

// conclude scores the test part with the weights that the run ends with, and draws samples. Where that has been the last
// validation already, it is not done again.
func (r *run) conclude(ctx context.Context, l looked) (final *Score, err error) {
	final = l.val
	err = r.withBest(l.best, func() error {
		if r.val != r.test || l.best != nil {
			if final, err = r.validate(ctx, r.test, true); err != nil {
				return err
			}
		}
		if r.cfg.vectors() {
			return r.rows()
		}
		return r.samples(samplesFile, !r.due(r.cfg.SampleEvery))
	})
	return final, err
}

// validate scores held-out samples, at the end all of them.
func (r *run) validate(ctx context.Context, set data.Source, last bool) (*Score, error) {
	n := set.Info().N
	if limit := r.cfg.EvalSamples; limit > 0 && !last {
		n = min(n, limit)
	}
	s, err := score(ctx, r.eval, set, n, r.cfg.Seed)
	if errors.Is(err, errNotFinite) {
		err = fmt.Errorf("validation after step %d: %w; the checkpoint of step %d is untouched: go on from it with `train resume %s --lr %.2g`",
			r.at.Step, err, r.saved, r.dir, r.cfg.LR/2)
	}
	return &s, err
}

// rows draws vectors, those of a conditional model under the contexts of the test part in order.
func (r *run) rows() error {
	var context given
	if set, ok := r.test.(*data.Vectors); ok && len(set.Context()) > 0 {
		context = cycle(set)
	}
	x, err := draw(r.eval, r.cfg.Model, r.cfg.Samples, r.cfg.Temperature, r.cfg.Seed, func(int) int32 { return 0 }, context)
	if err != nil {
		return err
	}
	path := filepath.Join(r.dir, rowsFile)
	if err := writeRows(path, r.cfg.Model, x, nil, context); err != nil {
		return r.cannotWrite(err)
	}
	if err := badRows(path, x); err != nil {
		r.show.say("warning: %v", err)
	}
	return nil
}

// samples draws a grid, and shows it to TensorBoard; the noise is the same all run long.
func (r *run) samples(name string, show bool) error {
	path := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return r.cannotWrite(err)
	}
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
		if p, err = curves.Plot(r.cfg.Preset, "training steps", train.Unit, []curves.Series{train, val}); err == nil {
			err = curves.WritePNG(filepath.Join(r.dir, curvesFile), p, 8*vg.Inch, 4.5*vg.Inch)
		}
	}
	if err != nil {
		return r.cannotWrite(err)
	}
	return nil
}

// moment is what a line of the log says of when it was.
type moment struct{ step, epoch int }

// writeOwed writes the line that is owed, if one is.
func (r *run) writeOwed() error {
	if r.owed == nil {
		return nil
	}
	now := *r.owed
	r.owed = nil
	if err := r.keep(r.stepper.Asked()); err != nil {
		return err
	}
	if err := r.writeLine(now, r.speed(now.step), nil); err != nil {
		return err
	}
	if err := r.board.Flush(); err != nil {
		return r.cannotWrite(err)
	}
	r.at.Reported = now.step
	r.timed, r.timedFrom = time.Now(), now.step
	return nil
}

// writeLine logs the steps since the line before.
func (r *run) writeLine(now moment, speed float64, s *Score) error {
	l := Line{Step: now.step, Epoch: now.epoch, ImagesPerSecond: speed, Seconds: r.seconds()}
	if !r.cfg.em() {
		l.LR = r.cfg.LearningRate(now.step)
	}
	u := r.cfg.unit()
	if s != nil {
		l.Validation = &Validation{BitsPerDim: s.BitsPerDim, Stderr: s.Stderr, N: s.N}
		if r.cfg.vectors() {
			l.Nats = s.Nats
		}
	}
	drift, n := 0.0, float64(len(r.at.Pending))
	for _, rec := range r.at.Pending {
		l.Loss += rec.Loss / n
		l.GradNorm += rec.GradNorm / n / u.nats
		drift = max(drift, rec.Drift)
	}
	if !r.cfg.vectors() {
		l.BitsPerDim = l.Loss / u.nats
	}
	if r.cfg.Memory == flowgpu.Reversible {
		l.Drift = &drift
	}
	l.SolveLine = r.solveLine(speed)
	if err := errors.Join(r.log.write(l), r.board.Line(l.Step, l)); err != nil {
		return r.cannotWrite(err)
	}
	r.at.Pending = r.at.Pending[:0]
	left := 0.0
	if speed > 0 {
		left = float64((r.cfg.Steps-now.step)*r.perStep()) / speed
	}
	r.show.line(l, u, duration(left))
	if s != nil {
		held := "held-out"
		if r.cfg.vectors() {
			held = "validation"
		}
		r.show.say("step %d: %s %s", now.step, held, s)
	}
	return nil
}

// startClock begins the steps that the next line's speed is measured over: those since the last pause for something else.
func (r *run) startClock() { r.timed, r.timedFrom = time.Now(), r.at.Step }

// speed is samples per second since the clock started, once a step is done; 0 where there was none.
func (r *run) speed(step int) float64 {
	if r.timedFrom == step {
		return 0
	}
	return float64((step-r.timedFrom)*r.perStep()) / time.Since(r.timed).Seconds()
}

func (r *run) seconds() float64 { return r.before + time.Since(r.began).Seconds() }
