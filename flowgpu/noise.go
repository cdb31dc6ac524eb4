package flowgpu

import (
	"fmt"

	"cuflow/device"
)

// roughen gives the n samples in pixels Gaussian noise in place of that of dequantisation, and centres them. Noise is of pixels from -1 to
// 1, and x is half as wide:
//
//	x = (v + 1/2)/Intensities - 1/2 + Noise/2 * (standard normal)
//
// Zhai et al., "Normalizing flows are capable generative models", 2024, section 3.3. Log-densities are then those of images with noise.
func (w *Workspace) roughen(n int, rng device.Stream, pixels, x device.Buffer) {
	s, k := &w.s, float32(w.m.cfg.Intensities)
	mark := s.Scratch.Mark()
	noise := s.Scratch.Take(x.Len())
	s.Normal(w.rows(n), w.m.cfg.noise(), rng, w.at, noise)
	s.Fill(x, 0.5/k-0.5)
	s.Axpy(1/k, pixels, x)
	s.Axpy(1, noise, x)
	s.Scratch.Release(mark)
}

// noise is the standard deviation of x's noise.
func (c Config) noise() float32 { return float32(c.Noise / 2) }

// dropShare is the share of a training batch that a transformer flow is not told the class of, so that it can be guided: Zhai et al., 2024,
// after Ho and Salimans, "Classifier-free diffusion guidance", 2022.
const dropShare = 0.1

// setTrainLabels is setLabels, but of a model that can be guided some classes are not told: of sample i of the batch by a number of its
// own, the same whenever the step is repeated.
func (w *Workspace) setTrainLabels(classes []int32, seed uint64, step int) error {
	if err := w.setLabels(classes); err != nil || !w.m.cfg.guided() {
		return err
	}
	rng := device.Stream{Seed: seed, ID: streamDrop}
	for i := range classes {
		if device.UniformOf(rng.Words(0, uint32(i), uint32(step))[0]) < dropShare {
			w.labels[i] = float32(w.m.cfg.Classes)
		}
	}
	w.s.Upload(w.label.Slice(0, len(classes)), w.labels[:len(classes)])
	return nil
}

// guided says whether samples can be taken further from those of no class.
func (c Config) guided() bool { return c.Kind == "tarflow" && c.Classes > 0 }

// Guide sets how far the next samples of a class are taken away from those of no class; 0, as it is to begin with, leaves them where the
// model has them. The error says that a model cannot be guided.
func (e *Evaluator) Guide(guidance float32) error {
	if !e.w.m.cfg.guided() {
		return fmt.Errorf("guidance is %g, but only a tarflow with classes can be guided", guidance)
	}
	if e.w.s.Guidance != guidance {
		e.drawing.close()
		e.drawing = repeat[drawKey]{}
		e.w.s.Guidance = guidance
	}
	return nil
}

// Denoiser takes the noise that a model was trained on off its samples, by one step along the gradient of their log-density: Zhai et al., 2024, eq.
// 8, after Tweedie's formula. With the noise's standard deviation s:
//
//	x = x + s^2 * dlog p(x)/dx
type Denoiser struct{ w *Workspace }

// NewDenoiser prepares batches of up to batch samples. The error says that a model was trained without such noise, or that there is no
// memory for the gradients.
func NewDenoiser(m *Model, batch int) (*Denoiser, error) {
	if m.cfg.Noise == 0 {
		return nil, fmt.Errorf("this model was trained without Gaussian noise, so there is none to take off: train one with noise")
	}
	w, err := m.NewWorkspace(batch, Recompute)
	if err != nil {
		return nil, err
	}
	return &Denoiser{w}, nil
}

// Close frees the memory.
func (d *Denoiser) Close() { d.w.Close() }

// Label sets the classes of the next samples, as Evaluator.Label.
func (d *Denoiser) Label(classes []int32) error { return d.w.setLabels(classes) }

// Denoise does so with n samples of intensities as Evaluator.Sample gives them, in place.
func (d *Denoiser) Denoise(n int, samples []float32) error {
	w := d.w
	s, cfg := &w.s, &w.m.cfg
	size, k := n*cfg.D(), float32(cfg.Intensities)
	if n > w.batch || len(samples) < size {
		return fmt.Errorf("%d samples in %d values to denoise, in batches of up to %d", n, len(samples), w.batch)
	}
	pixels, x := w.pixels.Slice(0, size), s.x.Slice(0, size)
	s.Upload(pixels, samples[:size])
	s.Fill(x, -0.5)
	s.Axpy(1/k, pixels, x)
	s.Fill(w.m.grads, 0)
	w.forward(n, true)
	w.backward() // of -mean log p
	s.Axpy(-float32(n)*cfg.noise()*cfg.noise(), s.dx.Slice(0, size), x)
	if err := s.Download(samples[:size], x); err != nil {
		return fmt.Errorf("denoising %d images: %w", n, err)
	}
	for i, v := range samples[:size] {
		samples[i] = (v + 0.5) * k
	}
	return nil
}
