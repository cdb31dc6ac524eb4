package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// Evaluator scores and draws images in batches of one size. Images are channel-major [C][n][H][W] on the host. Vectors, [D][n],
// are scaled as Column says, without the noise.
type Evaluator struct {
	w    *Workspace
	logp []float32

	scoring repeat[uint64]  // of whole batches, by seed
	drawing repeat[drawKey] // of whole batches
}

// drawKey is what drawing a batch depends on beside where its samples lie.
type drawKey struct {
	temperature float32
	seed        uint64
}

// NewEvaluator prepares batches of up to batch samples.
func NewEvaluator(m *Model, batch int) (*Evaluator, error) {
	w, err := m.NewWorkspace(batch, "")
	if err != nil {
		return nil, err
	}
	e := &Evaluator{w: w, logp: make([]float32, batch)}
	e.scoring.live, e.drawing.live = m.live(), m.live()
	return e, nil
}

// Close frees the memory.
func (e *Evaluator) Close() {
	e.scoring.close()
	e.drawing.close()
	e.w.Close()
}

// Batch is the greatest n.
func (e *Evaluator) Batch() int { return e.w.batch }

// Label sets the classes of the samples that the next LogProb or Sample is about, for a class-conditional model; others take
// no notice. The error names a class that the model does not know.
func (e *Evaluator) Label(classes []int32) error { return e.w.setLabels(classes) }

// Condition sets the context of the samples that the next LogProb, Terms or Sample is about, for a conditional model; others take no
// notice. features are [E][n]: see Condition. The error says what does not fit.
func (e *Evaluator) Condition(features []float32) error { return e.w.setContext(features) }

// LogProb writes to out [n] the log-density in nats, with every constant counted, of n samples of whole-number
// intensities plus uniform noise: bits per dimension are -out/(D ln 2). The noise of sample i of x is that of index
// first+i for the seed, whatever the batch size.
func (e *Evaluator) LogProb(x []float32, n, first int, seed uint64, out []float64) error {
	w := e.w
	if err := w.m.cfg.CheckData(x, n, first); err != nil {
		return err
	}
	if err := w.conditioned(n); err != nil {
		return err
	}
	w.s.Upload(w.pixels.Slice(0, w.m.cfg.D()*n), x[:w.m.cfg.D()*n])
	w.noiseAt(0, first)
	work := func() {
		w.dequantize(n, device.Stream{Seed: seed, ID: streamEval})
		w.forward(n, false)
	}
	if n == w.batch {
		e.scoring.do(w.s.Backend, seed, work)
	} else {
		work()
	}
	return e.read(n, out)
}

// score runs the flow on what lies in x and reads the log-densities.
func (e *Evaluator) score(n int, out []float64) error {
	e.w.forward(n, false)
	return e.read(n, out)
}

// read waits for the log-densities.
func (e *Evaluator) read(n int, out []float64) error {
	w := e.w
	if err := w.s.Download(e.logp[:n], w.logdet.Slice(0, n)); err != nil {
		return fmt.Errorf("scoring %d samples: %w", n, err)
	}
	if err := w.solved(); err != nil {
		return fmt.Errorf("scoring %d samples: %w", n, err)
	}
	for i, v := range e.logp[:n] {
		out[i] = float64(v) + w.m.logVolume()
	}
	return nil
}

// Sample draws n samples into out, as continuous intensities: to be shown, they are rounded down and clamped. Vectors come
// scaled: Column.Value and Column.Floor are the way back. The latent
// is drawn at the given temperature (the factor on its spread; 1 samples the model). Sample i depends on seed and
// first+i alone.
func (e *Evaluator) Sample(n int, temperature float32, seed uint64, first int, out []float32) error {
	w := e.w
	if err := w.conditioned(n); err != nil {
		return err
	}
	w.noiseAt(0, first)
	work := func() {
		w.draw(n, temperature, seed)
		w.inverse(n)
	}
	if n == w.batch {
		e.drawing.do(w.s.Backend, drawKey{temperature, seed}, work)
	} else {
		work()
	}
	return e.readSamples(n, out)
}

// draw fills x with n latents.
func (w *Workspace) draw(n int, temperature float32, seed uint64) {
	w.enter(n)
	w.eachRegion(n, func(i int, r device.Rows, lo int) {
		rng := device.Stream{Seed: seed, ID: streamSample + uint32(i)}
		w.priors[i].Sample(&w.s, r, temperature, rng, w.at, w.s.x.Slice(lo, lo+r.Len()))
	})
}

// decode takes the latent that lies in x back to intensities.
func (e *Evaluator) decode(n int, out []float32) error {
	e.w.inverse(n)
	return e.readSamples(n, out)
}

// readSamples waits for what lies in x, as intensities.
func (e *Evaluator) readSamples(n int, out []float32) error {
	w := e.w
	size := w.m.cfg.D() * n
	if err := w.s.Download(out[:size], w.s.x.Slice(0, size)); err != nil {
		return fmt.Errorf("sampling %d images: %w", n, err)
	}
	if err := w.solved(); err != nil {
		return fmt.Errorf("sampling %d samples: %w", n, err)
	}
	if k := float32(w.m.cfg.Intensities); k > 0 {
		for i, v := range out[:size] {
			out[i] = (v + 0.5) * k
		}
	}
	return nil
}
