package flowgpu

import (
	"fmt"
	"math"

	"cuflow/device"
)

// RingSize is how many steps may pass between two calls of Stepper.Read.
const RingSize = 64

// StepConfig says how a Stepper trains.
type StepConfig struct {
	Batch int
	Mode  Mode
	Adam  device.Adam
	Seed  uint64 // of the dequantisation noise

	ReverseEvery int // a continuous flow measures the error of its way back every so many steps; 0: never
}

// Stepper trains a model: it holds the optimiser's state and the memory of one batch. A step enqueues work and waits for
// nothing; it allocates nothing.
type Stepper struct {
	m     *Model
	cfg   StepConfig
	w     *Workspace
	m1    device.Buffer // Adam's first moment
	m2    device.Buffer // Adam's second moment, or Adamax's norm
	ema   device.Buffer // averaged weights, if they are wanted
	hyper device.Buffer // [2] learning rate, step
	now   device.Buffer // [3] loss, squared gradient norm and drift of the last step
	ring  device.Buffer // [RingSize][3] those of the last steps

	whole    repeat[struct{}] // a step, from the batch on the device to the new parameters
	takeStep func()           // work, as a value that need not be made in every step
	caution  *caution         // of a model whose solves may fail, else nil

	hyperHost [2]float32
	ringHost  [3 * RingSize]float32
	records   [RingSize]Record
	steps     int // done
	read      int // of them read
	asked     int // of them asked for, see Ask
}

// Record is what is known of a step afterwards.
type Record struct {
	Step     int     // 1, 2, ...
	Loss     float64 // nats per sample with every constant: the mean of -log p
	GradNorm float64 // of Loss, before clipping
	Drift    float64 // mode reversible: greatest error of a recovered batch, in units of x

	Solves Solves `json:",omitzero"`  // of a continuous flow: what the step's solves took; Drift is by how much one back missed where it began
	Undone string `json:",omitempty"` // of a continuous flow: why the step was not taken, and the one before undone
}

// NewStepper prepares training. The model's averaged weights start as the weights are now.
func NewStepper(m *Model, cfg StepConfig) (*Stepper, error) {
	w, err := m.NewWorkspace(cfg.Batch, cfg.Mode)
	if err != nil {
		return nil, err
	}
	t := &Stepper{m: m, cfg: cfg, w: w}
	t.takeStep = t.work
	t.whole.live = m.live()
	n := m.values.Len()
	for _, b := range []struct {
		buf  *device.Buffer
		size int
	}{{&t.m1, n}, {&t.m2, n}, {&t.hyper, 2}, {&t.now, 3}, {&t.ring, 3 * RingSize}, {&t.ema, n}} {
		if b.buf == &t.ema && cfg.Adam.EMADecay == 0 {
			continue
		}
		if *b.buf, err = m.be.Alloc(b.size); err != nil {
			t.Close()
			return nil, fmt.Errorf("the optimiser's state: %w", err)
		}
	}
	if !t.ema.Nil() {
		m.be.Copy(t.ema, m.values)
	}
	if err := t.beCautious(); err != nil {
		t.Close()
		return nil, err
	}
	return t, nil
}

// Close frees the memory, but not the model.
func (t *Stepper) Close() {
	t.whole.close()
	t.caution.close(t.m.be)
	t.w.Close()
	for _, b := range []device.Buffer{t.m1, t.m2, t.hyper, t.now, t.ring, t.ema} {
		if !b.Nil() {
			t.m.be.Free(b)
		}
	}
}

// Steps is how many steps have been taken.
func (t *Stepper) Steps() int { return t.steps }

// Initialise lets every actnorm that still waits set itself from one batch of whole-number intensities, channel-major. A model
// that has been initialised, now or before it was saved, stays as it is.
func (t *Stepper) Initialise(x []float32) {
	if t.m.Initialised() {
		return
	}
	w := t.w
	w.s.Upload(w.pixels, x)
	w.noiseAt(0, 0)
	w.dequantize(w.batch, device.Stream{Seed: t.cfg.Seed, ID: streamInit})
	w.s.Init = true
	w.forward(w.batch, true) // as a step does, so that the memory is there
	w.s.Init = false
	if !t.ema.Nil() {
		t.m.be.Copy(t.ema, t.m.values)
	}
}

// Label sets the classes of the samples that the next Step is about, for a class-conditional model; others take no notice. The
// error names a class that the model does not know.
func (t *Stepper) Label(classes []int32) error {
	return t.w.setTrainLabels(classes, t.cfg.Seed, t.steps+1)
}

// Condition sets the context of the samples that the next Step or Initialise is about, for a conditional model; others take no notice.
// features are [E][N]: see Condition. The error says what does not fit.
func (t *Stepper) Condition(features []float32) error { return t.w.setContext(features) }

// Step takes one training step on a batch of whole-number intensities, channel-major [C][N][H][W].
func (t *Stepper) Step(x []float32, lr float32) {
	t.m.be.Upload(t.w.pixels, x)
	t.step(lr)
}

// TakesBytes says whether StepBytes is there, and better than Step: whether the model is on a device behind a bus.
func (t *Stepper) TakesBytes() bool {
	_, ok := t.m.be.(device.ByteUploader)
	return ok
}

// StepBytes is Step on a batch of bytes. TakesBytes must have said that it is there.
func (t *Stepper) StepBytes(x []byte, lr float32) {
	t.m.be.(device.ByteUploader).UploadBytes(t.w.pixels, x)
	t.step(lr)
}

// step takes one on the batch that has been uploaded.
func (t *Stepper) step(lr float32) {
	if t.steps-t.read >= RingSize {
		panic("flowgpu: more than RingSize steps without a Read")
	}
	be := t.m.be
	slot := t.steps % RingSize * 3
	t.steps++
	t.hyperHost = [2]float32{lr * t.caution.rate(), float32(t.steps)}
	be.Upload(t.hyper, t.hyperHost[:])
	t.w.noiseAt(t.steps, 0)
	t.prepare()
	t.whole.do(be, struct{}{}, t.takeStep)
	t.judge()
	be.Copy(t.ring.Slice(slot, slot+3), t.now)
}

// work is what is the same in every step.
func (t *Stepper) work() {
	be, w := t.m.be, t.w
	loss, norm, drift := t.now.Slice(0, 1), t.now.Slice(1, 2), t.now.Slice(2, 3)

	w.dequantize(w.batch, device.Stream{Seed: t.cfg.Seed, ID: streamTrain})
	w.forward(w.batch, true)
	be.Sum(-1/float32(w.batch), w.logdet, loss)
	if w.s.Solving.Err != nil {
		return
	}

	t.m.blankGradients()
	be.Fill(drift, 0)
	if t.cfg.Mode == Reversible {
		w.s.Drift = drift
	}
	w.backward()
	t.m.settleGradients()
	be.SumSquares(t.m.grads, norm)
	t.caution.keep(t)
	be.AdamStep(t.cfg.Adam, t.hyper, norm, t.m.grads, t.m.values, t.m1, t.m2, t.ema)
	t.m.constrain(t.m.values)
	t.m.constrain(t.ema)
}

// Read waits for the steps taken since the last Read and tells their losses. The records are overwritten by the next Read.
func (t *Stepper) Read() ([]Record, error) {
	if err := t.m.be.Download(t.ringHost[:], t.ring); err != nil {
		return nil, fmt.Errorf("training step %d: %w", t.steps, err)
	}
	return t.readTo(t.steps), t.caution.failure()
}

// Ask asks for the losses of the steps so far, so that Asked need not wait for steps that are taken after it. It is false where the
// device cannot do that: Read is then the way.
func (t *Stepper) Ask() bool {
	f, ok := t.m.be.(device.Fetcher)
	if ok = ok && t.caution == nil; ok {
		t.asked = t.steps
		f.Fetch(t.ring)
	}
	return ok
}

// Asked is Read of the steps before the last Ask.
func (t *Stepper) Asked() ([]Record, error) {
	if err := t.m.be.(device.Fetcher).Fetched(t.ringHost[:]); err != nil {
		return nil, fmt.Errorf("training step %d: %w", t.asked, err)
	}
	return t.readTo(t.asked), nil
}

// readTo makes records of what ringHost holds.
func (t *Stepper) readTo(step int) []Record {
	records := t.records[:0]
	for ; t.read < step; t.read++ {
		v := t.ringHost[t.read%RingSize*3:]
		records = append(records, Record{
			Step: t.read + 1, Loss: float64(v[0]) - t.m.logVolume(), GradNorm: math.Sqrt(float64(v[1])), Drift: float64(v[2]),
		})
		t.caution.tell(&records[len(records)-1])
	}
	return records
}

// WithEMA runs f while the averaged weights are the model's, if there are any.
func (t *Stepper) WithEMA(f func() error) error {
	if t.ema.Nil() {
		return f()
	}
	// The gradient's memory is free between steps.
	be, m := t.m.be, t.m
	be.Copy(m.grads, m.values)
	be.Copy(m.values, t.ema)
	defer be.Copy(m.values, m.grads)
	return f()
}

// Recorded says whether steps are replayed as one recorded graph. Where the device records and could not, the error says why:
// steps are then enqueued op by op.
func (t *Stepper) Recorded() (bool, error) { return t.whole.recording != nil, t.whole.err }

// Flops is the arithmetic of one step in matrix products and convolutions, two per multiply-add, as its mode does it. Solves of a continuous
// flow take what they need: of them it is the mean of the steps so far, and before the first that of solves of a few steps.
func (t *Stepper) Flops() int64 {
	if c := t.caution; c != nil && c.steps > 0 {
		return t.w.flops + c.flops/c.steps
	}
	return t.w.flops + t.w.solves
}

// Memory is what training holds, in bytes.
type Memory struct {
	Parameters  int64 // values and fixed ones
	Optimiser   int64 // gradients, moments, averaged weights
	Activations int64 // the batch in flight and what the mode keeps
}

// Total is all of it.
func (m Memory) Total() int64 { return m.Parameters + m.Optimiser + m.Activations }

// Memory is what this Stepper and its model hold.
func (t *Stepper) Memory() Memory {
	return Memory{
		Parameters:  4 * int64(t.m.values.Len()+t.m.fixed.Len()),
		Optimiser:   4 * int64(t.m.grads.Len()+t.m1.Len()+t.m2.Len()+t.ema.Len()+t.hyper.Len()+t.now.Len()+t.ring.Len()),
		Activations: t.w.Bytes(),
	}
}

// state is what a checkpoint holds of the optimiser.
func (t *Stepper) state() []namedBuffer {
	s := []namedBuffer{{"adam.m", t.m1}, {"adam.v", t.m2}}
	if !t.ema.Nil() {
		s = append(s, namedBuffer{"ema", t.ema})
	}
	if t.caution != nil {
		s = append(s, namedBuffer{"caution", t.caution.slower})
	}
	return s
}

// Save adds the optimiser's state to a checkpoint. The number of steps is the caller's to keep.
func (t *Stepper) Save(c *Checkpoint) error {
	for _, part := range t.state() {
		data := make([]float32, part.buf.Len())
		if err := t.m.be.Download(data, part.buf); err != nil {
			return fmt.Errorf("reading the optimiser's %s: %w", part.name, err)
		}
		c.Add(part.name, data)
	}
	return nil
}

// Load sets the optimiser's state from a checkpoint that was written after the given number of steps.
func (t *Stepper) Load(c *Checkpoint, steps int) error {
	for _, part := range t.state() {
		data, err := c.Section(part.name)
		if err != nil {
			return err
		}
		if len(data) != part.buf.Len() {
			return fmt.Errorf("the checkpoint has %d values of %s, the model %d: it was written by another version", len(data), part.name, part.buf.Len())
		}
	}
	for _, part := range t.state() {
		data, _ := c.Section(part.name)
		t.m.be.Upload(part.buf, data)
	}
	t.steps, t.read = steps, steps
	return t.caution.load(t)
}
