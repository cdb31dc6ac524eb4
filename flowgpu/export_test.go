package flowgpu

import "math"

// PoisonGradients leaves nothing in the gradients that could be added to.
func (m *Model) PoisonGradients() {
	m.eachTrained(func(p *Param) { m.be.Fill(p.G, float32(math.NaN())) })
}

func (m *Model) eachTrained(f func(p *Param)) {
	for _, p := range m.params {
		if !p.Fixed {
			f(p)
		}
	}
}

// OnlyAdd has every layer add to gradients that a step fills with 0 first.
func (m *Model) OnlyAdd() {
	m.set = nil
	m.added = append(m.added[:0], m.grads)
}

// SetGradients is how many parameters' gradients are set.
func (m *Model) SetGradients() int { return len(m.set) }
