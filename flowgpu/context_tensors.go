package flowgpu

import (
	"fmt"

	"gorgonia.org/tensor"
)

// Condition sets the context of what LogProb, Encode, Decode and Sample of a conditional model are about from now on: c is (N, K), a row
// for each of their samples in order, or (1, K), one for all, in the units of the K columns of the Config's Context, of a category its
// number. The error says what does not fit.
func (m *Model) Condition(c *tensor.Dense) error {
	list := m.cfg.Context.List()
	if len(list) == 0 {
		return fmt.Errorf("a context for a model that is not conditional: build it with one, or do without")
	}
	data, err := floats(c)
	if err != nil {
		return err
	}
	s := c.Shape()
	if len(s) != 2 || s[1] != len(list) {
		return fmt.Errorf("the context has shape %v: this model takes (N, %d)", s, len(list))
	}
	n := s[0]
	features := make([]float32, m.features*n)
	for i := range n {
		at := features
		for k, column := range list {
			if v := data[i*len(list)+k]; v != v {
				return fmt.Errorf("context %q of sample %d is NaN: clean the data first", column.Name, i)
			} else if err := column.put(float64(v), at, i, n); err != nil {
				return err
			}
			at = at[column.Features()*n:]
		}
	}
	m.context = features
	return nil
}

// conditioned says whether there is a context for n samples, where one is needed.
func (m *Model) conditioned(n int) error {
	if m.features == 0 {
		return nil
	}
	switch given := len(m.context) / m.features; given {
	case 0:
		return fmt.Errorf("the model is conditional: give it a context with Condition")
	case 1, n:
		return nil
	default:
		return fmt.Errorf("the context is of %d samples, but there are %d: give Condition as many rows, or one", given, n)
	}
}

// given hands the context of samples i .. i+k-1 on.
func (m *Model) given(e *Evaluator, i, k int) error {
	if m.features == 0 {
		return nil
	}
	n := len(m.context) / m.features
	features := make([]float32, 0, m.features*k)
	for f := range m.features {
		row := m.context[f*n:][:n]
		for j := range k {
			features = append(features, row[min(i+j, n-1)])
		}
	}
	return e.Condition(features)
}
