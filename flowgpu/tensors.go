package flowgpu

import (
	"fmt"

	"cuflow/device"

	"gorgonia.org/tensor"
)

// tensorBatch is how many samples the tensor API moves through the model at a time.
const tensorBatch = 64

func (m *Model) evaluator() (*Evaluator, error) {
	if m.tensors == nil {
		e, err := NewEvaluator(m, tensorBatch)
		if err != nil {
			return nil, err
		}
		m.tensors = e
	}
	return m.tensors, nil
}

// LogProb is log p(x) in nats, a tensor of shape (N), for x of shape (N, C, H, W) in intensities: pixel values 0 ..
// Intensities-1 to which uniform noise from [0, 1) has been added. Bits per dimension are -log p / (D ln 2). Vectors are of
// shape (N, D), here and below, in the units of their columns.
func (m *Model) LogProb(x *tensor.Dense) (*tensor.Dense, error) {
	data, n, err := m.images(x)
	if err != nil {
		return nil, err
	}
	e, err := m.evaluator()
	if err != nil {
		return nil, err
	}
	if err := m.conditioned(n); err != nil {
		return nil, err
	}
	out := make([]float32, n)
	logp := make([]float64, tensorBatch)
	for i := 0; i < n; i += tensorBatch {
		k := min(tensorBatch, n-i)
		m.load(e, data, i, k)
		if err := m.given(e, i, k); err != nil {
			return nil, err
		}
		if err := e.score(k, logp); err != nil {
			return nil, err
		}
		for j, v := range logp[:k] {
			out[i+j] = float32(v)
		}
	}
	return tensor.New(tensor.WithShape(n), tensor.WithBacking(out)), nil
}

// Encode maps x (N, C, H, W), as LogProb takes it, to its latent z (N, D), which under the model has the prior's distribution; of a
// prior on (0, 1) it is the logit: see Base.Shown. A row of z lists the last level's latent first, then those that each split left
// behind, from the last to the first, each in (C, H, W) order.
func (m *Model) Encode(x *tensor.Dense) (*tensor.Dense, error) {
	data, n, err := m.images(x)
	if err != nil {
		return nil, err
	}
	e, err := m.evaluator()
	if err != nil {
		return nil, err
	}
	if err := m.conditioned(n); err != nil {
		return nil, err
	}
	d := m.cfg.D()
	z := make([]float32, n*d)
	latent := make([]float32, tensorBatch*d)
	for i := 0; i < n; i += tensorBatch {
		k := min(tensorBatch, n-i)
		m.load(e, data, i, k)
		if err := m.given(e, i, k); err != nil {
			return nil, err
		}
		e.w.forward(k, false)
		if err := m.be.Download(latent[:k*d], e.w.s.x.Slice(0, k*d)); err != nil {
			return nil, fmt.Errorf("encoding %d samples: %w", n, err)
		}
		if err := e.w.solved(); err != nil {
			return nil, fmt.Errorf("encoding %d samples: %w", n, err)
		}
		e.w.eachLatent(k, func(at, sample, dim int) { z[(i+sample)*d+dim] = latent[at] })
	}
	return tensor.New(tensor.WithShape(n, d), tensor.WithBacking(z)), nil
}

// Decode maps latents z (N, D), laid out as Encode does, to x (N, C, H, W) in intensities.
func (m *Model) Decode(z *tensor.Dense) (*tensor.Dense, error) {
	d := m.cfg.D()
	data, err := floats(z)
	if err != nil {
		return nil, err
	}
	if s := z.Shape(); len(s) != 2 || s[1] != d {
		return nil, fmt.Errorf("latents have shape %v: this model takes (N, %d)", s, d)
	}
	e, err := m.evaluator()
	if err != nil {
		return nil, err
	}
	n := len(data) / d
	latent := make([]float32, tensorBatch*d)
	return m.decodeBatches(n, func(i, k int, out []float32) error {
		if err := m.given(e, i, k); err != nil {
			return err
		}
		e.w.eachLatent(k, func(at, sample, dim int) { latent[at] = data[(i+sample)*d+dim] })
		e.w.enter(k)
		m.be.Upload(e.w.s.x.Slice(0, k*d), latent[:k*d])
		return e.decode(k, out)
	})
}

// Sample draws n samples, (N, C, H, W) in intensities, with the latent's standard deviation set to temperature. The same
// seed gives the same samples on every device, within rounding.
func (m *Model) Sample(n int, temperature float32, seed uint64) (*tensor.Dense, error) {
	if n < 0 || temperature < 0 {
		return nil, fmt.Errorf("%d samples at temperature %g: neither may be negative", n, temperature)
	}
	e, err := m.evaluator()
	if err != nil {
		return nil, err
	}
	return m.decodeBatches(n, func(i, k int, out []float32) error {
		if err := m.given(e, i, k); err != nil {
			return err
		}
		return e.Sample(k, temperature, seed, i, out)
	})
}

// decodeBatches gathers the channel-major images that f writes for samples i .. i+k into one tensor.
func (m *Model) decodeBatches(n int, f func(i, k int, out []float32) error) (*tensor.Dense, error) {
	if err := m.conditioned(n); err != nil {
		return nil, err
	}
	c, p, d := m.cfg.Channels, m.cfg.Height*m.cfg.Width, m.cfg.D()
	x := make([]float32, n*d)
	out := make([]float32, tensorBatch*d)
	for i := 0; i < n; i += tensorBatch {
		k := min(tensorBatch, n-i)
		if err := f(i, k, out); err != nil {
			return nil, err
		}
		for j := range k {
			for ch := range c {
				copy(x[(i+j)*d+ch*p:][:p], out[(ch*k+j)*p:])
			}
		}
	}
	if m.cfg.vectors() {
		for i, v := range x {
			if m.columns != nil {
				x[i] = float32(m.columns[i%d].Value(v))
			}
		}
		return tensor.New(tensor.WithShape(n, d), tensor.WithBacking(x)), nil
	}
	return tensor.New(tensor.WithShape(n, c, m.cfg.Height, m.cfg.Width), tensor.WithBacking(x)), nil
}

// images checks a tensor of images and gives its values.
func (m *Model) images(x *tensor.Dense) (data []float32, n int, err error) {
	data, err = floats(x)
	if err != nil {
		return nil, 0, err
	}
	s, cfg := x.Shape(), &m.cfg
	if cfg.vectors() && len(s) == 2 && s[1] == cfg.Channels {
		s = tensor.Shape{s[0], s[1], 1, 1}
	}
	if len(s) != 4 || s[1] != cfg.Channels || s[2] != cfg.Height || s[3] != cfg.Width {
		return nil, 0, fmt.Errorf("images have shape %v: this model takes (N, %d, %d, %d)", s, cfg.Channels, cfg.Height, cfg.Width)
	}
	for i, v := range data {
		if v != v {
			return nil, 0, fmt.Errorf("image %d holds a NaN: clean the data first", i/cfg.D())
		}
	}
	return data, s[0], cfg.checkDomain(s[0], 0, func(sample, dim int) float32 {
		v := data[sample*cfg.D()+dim]
		if m.columns != nil {
			v = m.columns[dim].scaled(float64(v))
		}
		return v
	})
}

// floats gives the values of a float32 tensor in row-major order.
func floats(t *tensor.Dense) ([]float32, error) {
	if t.Dtype() != tensor.Float32 {
		return nil, fmt.Errorf("a tensor of %v: float32 is wanted", t.Dtype())
	}
	if !t.DataOrder().IsContiguous() || t.DataOrder().IsColMajor() {
		return nil, fmt.Errorf("a tensor view that is not row-major and contiguous: clone it first")
	}
	return t.Data().([]float32), nil
}

// load puts images i .. i+k of data (N, C, H, W) on the device as the flow's x: centred intensities, scaled columns.
func (m *Model) load(e *Evaluator, data []float32, i, k int) {
	c, p, d := m.cfg.Channels, m.cfg.Height*m.cfg.Width, m.cfg.D()
	host := make([]float32, k*d)
	for j := range k {
		for ch := range c {
			copy(host[(ch*k+j)*p:][:p], data[(i+j)*d+ch*p:])
		}
	}
	for ch, column := range m.columns {
		for j, v := range host[ch*k:][:k] {
			host[ch*k+j] = column.scaled(float64(v))
		}
	}
	if levels := float32(m.cfg.Intensities); levels > 0 {
		for j, v := range host {
			host[j] = v/levels - 0.5
		}
	}
	m.be.Upload(e.w.s.x.Slice(0, k*d), host)
}

// eachLatent calls f for every latent value of k samples with where it lies in the batch's memory, its sample and its
// place in a row of z.
func (w *Workspace) eachLatent(k int, f func(at, sample, dim int)) {
	dim := 0
	w.eachRegion(k, func(_ int, r device.Rows, lo int) {
		for c := range r.C {
			for n := range k {
				for p := range r.P {
					f(lo+(c*k+n)*r.P+p, n, dim+c*r.P+p)
				}
			}
		}
		dim += r.C * r.P
	})
}
