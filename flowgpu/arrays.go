package flowgpu

import "fmt"

// Array is one parameter of a model, downloaded: what an export to another framework is made of.
type Array struct {
	Name  string // layer, then parameter: "level1.step2.1.l"
	Shape []int
	Fixed bool // not trained
	Data  []float32
}

// Arrays downloads all parameters in layer order. A name is the block's (see Layers), the place of the layer within the block,
// and the parameter's.
func (m *Model) Arrays() ([]Array, error) {
	var arrays []Array
	for _, b := range m.blocks {
		for i, l := range b.chain {
			for _, p := range l.Params() {
				data := make([]float32, p.Len())
				if err := m.be.Download(data, p.V); err != nil {
					return nil, fmt.Errorf("reading %s: %w", b.name, err)
				}
				arrays = append(arrays, Array{fmt.Sprintf("%s.%d.%s", b.name, i, p.Name), p.Shape, p.Fixed, data})
			}
		}
	}
	return arrays, nil
}

// SetArrays uploads parameters that were taken from Arrays of a model of the same description, in any order. The error
// names what is missing, unknown, or of another shape; the model is then as it was. Actnorms count as initialised.
func (m *Model) SetArrays(arrays []Array) error {
	given := map[string]Array{}
	for _, a := range arrays {
		if _, twice := given[a.Name]; twice {
			return fmt.Errorf("parameter %s is given twice", a.Name)
		}
		given[a.Name] = a
	}
	type set struct {
		p *Param
		a Array
	}
	var sets []set
	for _, b := range m.blocks {
		for i, l := range b.chain {
			for _, p := range l.Params() {
				name := fmt.Sprintf("%s.%d.%s", b.name, i, p.Name)
				a, ok := given[name]
				if !ok {
					return fmt.Errorf("parameter %s is missing", name)
				}
				if fmt.Sprint(a.Shape) != fmt.Sprint(p.Shape) || len(a.Data) != p.Len() {
					return fmt.Errorf("parameter %s has shape %v, the model wants %v", name, a.Shape, p.Shape)
				}
				delete(given, name)
				sets = append(sets, set{p, a})
			}
		}
	}
	for name := range given {
		return fmt.Errorf("the model has no parameter %s", name)
	}
	for _, s := range sets {
		m.be.Upload(s.p.V, s.a.Data)
		if s.p.FromData {
			s.p.Done = true
		}
	}
	return nil
}
