package flowgpu

import "fmt"

// Weights are all parameters of a model at one moment, on the host: trained ones and fixed ones, such as running averages.
type Weights struct{ Values, Fixed []float32 }

// Weights downloads the model's parameters.
func (m *Model) Weights() (Weights, error) {
	w := Weights{make([]float32, m.values.Len()), make([]float32, m.fixed.Len())}
	if err := m.be.Download(w.Values, m.values); err != nil {
		return w, fmt.Errorf("reading the model's weights: %w", err)
	}
	if err := m.be.Download(w.Fixed, m.fixed); err != nil {
		return w, fmt.Errorf("reading the model's weights: %w", err)
	}
	return w, nil
}

// WithWeights runs f while those are the model's parameters.
func (m *Model) WithWeights(w Weights, f func() error) error {
	if len(w.Values) != m.values.Len() || len(w.Fixed) != m.fixed.Len() {
		return fmt.Errorf("weights of %d + %d values for a model of %d + %d", len(w.Values), len(w.Fixed), m.values.Len(), m.fixed.Len())
	}
	own, err := m.Weights()
	if err != nil {
		return err
	}
	set := func(w Weights) {
		m.be.Upload(m.values, w.Values)
		m.be.Upload(m.fixed, w.Fixed)
	}
	set(w)
	defer set(own)
	return f()
}
