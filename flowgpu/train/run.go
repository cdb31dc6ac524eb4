package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"time"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
	"cuflow/flowgpu/train/events"
)

// run is a training run in progress.
type run struct {
	cfg Config
	dir string
	at  position

	model   *flowgpu.Model
	stepper *flowgpu.Stepper
	eval    *flowgpu.Evaluator
	sources
	loader *data.Loader

	show  *display
	log   *journal
	board *events.Writer // what TensorBoard reads: the log and the samples again
	saved int            // step of the checkpoint in the folder, -1 before the first

	scored func(step int, seconds float64, s Score) // Env.Scored

	sums     *emSums             // of EM, reused from iteration to iteration
	expected flowgpu.Expectation // of a batch, as sums

	owed *moment // of a line that is to be written when its losses have come, while the next step runs; nil: none

	before    float64   // seconds spent before this process
	began     time.Time // this process, its training
	timed     time.Time // start of the steps that the next line's speed is measured over
	timedFrom int       // and their number before
}

// loop trains to the last step. What is due after a step is done before the next: the checkpoint says which of it is
// still to do, so that a run may be stopped anywhere.
func (r *run) loop(ctx context.Context) error {
	log, err := openJournal(filepath.Join(r.dir, logFile), r.at.Reported)
	if err != nil {
		return r.cannotWrite(err)
	}
	defer log.close()
	r.log = log
	if r.board, err = events.Create(r.dir, time.Now(), r.at.Reported); err != nil {
		return r.cannotWrite(err)
	}
	defer r.board.Close()
	r.before, r.began = r.at.Seconds, time.Now()
	r.startClock()
	r.show.begin(r.at.Step, r.cfg.Steps)
	defer r.show.end()
	for {
		if r.at.Reported < r.at.Step && r.owed == nil {
			if err := r.report(ctx); err != nil {
				return r.stop(err)
			}
		}
		if r.at.Final != nil { // after the last step, or at the end of its patience
			return nil
		}
		if ctx.Err() != nil {
			return r.stop(ErrInterrupted)
		}
		if err := r.advance(ctx); err != nil {
			return r.stop(err)
		}
		if err := r.writeOwed(); err != nil {
			return r.stop(err)
		}
	}
}

// advance takes a training step, or an iteration of EM.
func (r *run) advance(ctx context.Context) error {
	if r.cfg.em() {
		return r.iterate(ctx)
	}
	return r.step()
}

// perStep is how many samples a step looks at.
func (r *run) perStep() int {
	if r.cfg.em() {
		return r.train.Info().N
	}
	return r.cfg.Batch
}

// step takes one training step without waiting for it.
func (r *run) step() error {
	b := r.loader.Next()
	if b == nil {
		return unreadable{r.loader.Err()}
	}
	if err := r.stepper.Label(b.Labels); err != nil {
		return err
	}
	if err := r.stepper.Condition(b.Context); err != nil {
		return err
	}
	r.at.Step++
	if lr := float32(r.cfg.LearningRate(r.at.Step)); b.Bytes != nil {
		r.stepper.StepBytes(b.Bytes, lr)
	} else {
		r.stepper.Step(b.X, lr)
	}
	r.at.Epoch, r.at.Batches = b.Epoch, b.Index
	r.loader.Release(b)
	r.show.tick(r.at.Step)
	return nil
}

// bytes says whether batches go to the device as bytes.
func (r *run) bytes() bool {
	levels := r.train.Info().Levels
	return r.stepper.TakesBytes() && levels >= 1 && levels <= 256
}

// stop writes a checkpoint when the run was interrupted, or cannot go on for want of an image. On any other error the one in
// the folder is the last good one.
func (r *run) stop(err error) error {
	noImage := errors.As(err, &unreadable{})
	if !noImage && !errors.Is(err, ErrInterrupted) {
		return err
	}
	if err := r.writeOwed(); err != nil {
		return err
	}
	if err := r.read(); err != nil {
		return err
	}
	if err := r.save(); err != nil {
		return err
	}
	r.show.end()
	if noImage {
		return fmt.Errorf("step %d: %w; the checkpoint of this step is written: when that is mended, go on with `train resume %s`", r.at.Step, err, r.dir)
	}
	r.show.say("interrupted after step %s, checkpoint written: go on with `train resume %s`", thousands(r.at.Step), r.dir)
	return err
}

// read waits for the steps taken and keeps what they tell for the next line. A step whose loss is no number ends the run.
func (r *run) read() error {
	return r.keep(r.stepper.Read())
}

// keep keeps what steps tell.
func (r *run) keep(records []flowgpu.Record, err error) error {
	if err != nil {
		return err
	}
	records = r.taken(records)
	for _, rec := range records {
		if !finite(rec.Loss) || !finite(rec.GradNorm) || !finite(rec.Drift) {
			return r.diverged(rec)
		}
	}
	r.at.Pending = append(r.at.Pending, records...)
	return nil
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

func (r *run) diverged(rec flowgpu.Record) error {
	clip := "set --clip 50"
	if c := r.cfg.Adam.Clip; c > 0 {
		clip = fmt.Sprintf("a lower --clip than %g", c)
	}
	return fmt.Errorf("step %d: training has diverged (loss %g, gradient norm %g, learning rate %.3g); the checkpoint of step %d is untouched: go on from it with `train resume %s --lr %.2g`, or %s",
		rec.Step, rec.Loss, rec.GradNorm/r.cfg.unit().nats, r.cfg.LearningRate(rec.Step), r.saved, r.dir, r.cfg.LR/2, clip)
}
