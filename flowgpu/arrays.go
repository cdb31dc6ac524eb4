package flowgpu

import (
	"fmt"
	"slices"
	"strings"
)

// Array is one parameter of a model, downloaded: what an export to another framework is made of.
type Array struct {
	Name  string // "level1.step2.actnorm.logs"
	Shape []int
	Fixed bool // not trained
	Data  []float32
}

// namedParam is a parameter with its full name: the block's (see Layers), the layer's where a block has several, and the
// parameter's own.
type namedParam struct {
	name string
	*Param
}

func (m *Model) namedParams() (all []namedParam) {
	for _, b := range m.all() {
		seen := map[string]int{}
		for _, l := range b.chain {
			prefix := b.name
			if len(b.chain) > 1 {
				kind := layerName(l)
				prefix += "." + kind
				if seen[kind]++; seen[kind] > 1 {
					prefix += fmt.Sprint(seen[kind])
				}
			}
			for _, p := range l.Params() {
				all = append(all, namedParam{prefix + "." + p.Name, p})
			}
		}
	}
	if m.prior != nil {
		for _, p := range m.prior.Params() {
			all = append(all, namedParam{priorName + "." + p.Name, p})
		}
	}
	return all
}

// Arrays downloads all parameters in layer order. Package weights documents their names, shapes and meaning.
func (m *Model) Arrays() ([]Array, error) {
	var arrays []Array
	for _, p := range m.namedParams() {
		data := make([]float32, p.Len())
		if err := m.be.Download(data, p.V); err != nil {
			return nil, fmt.Errorf("reading %s: %w", p.name, err)
		}
		arrays = append(arrays, Array{p.name, slices.Clone(p.Shape), p.Fixed, data})
	}
	return arrays, nil
}

// SetArrays uploads parameters as Arrays of a model of the same description gives them, in any order. The error names what
// is missing, unknown, of another shape, or no possible value; the model is then as it was. Actnorms count as initialised.
func (m *Model) SetArrays(arrays []Array) error {
	given := map[string]Array{}
	for _, a := range arrays {
		if _, twice := given[a.Name]; twice {
			return fmt.Errorf("parameter %s is given twice", a.Name)
		}
		given[a.Name] = a
	}
	params := m.namedParams()
	known := map[string]bool{}
	for _, p := range params {
		known[p.name] = true
		a, ok := given[p.name]
		if !ok {
			return fmt.Errorf("parameter %s is missing", p.name)
		}
		if !slices.Equal(a.Shape, p.Shape) || len(a.Data) != p.Len() {
			return fmt.Errorf("parameter %s has shape %v, the model wants %v", p.name, a.Shape, p.Shape)
		}
		if err := checkFixed(p, given); err != nil {
			return err
		}
	}
	for _, a := range arrays {
		if !known[a.Name] {
			return fmt.Errorf("the model has no parameter %s", a.Name)
		}
	}
	for _, p := range params {
		m.be.Upload(p.V, given[p.name].Data)
		if p.FromData {
			p.Done = true
		}
	}
	return nil
}

// checkFixed refuses values that an op relies on: it would read outside an array, or invert what has no inverse.
func checkFixed(p namedParam, given map[string]Array) error {
	if !p.Fixed {
		return nil
	}
	prefix, last := "", p.name
	if i := strings.LastIndexByte(p.name, '.'); i >= 0 {
		prefix, last = p.name[:i+1], p.name[i+1:]
	}
	data := given[p.name].Data
	switch last {
	case "perm":
		seen := make([]bool, len(data))
		for _, v := range data {
			if !(v >= 0 && v < float32(len(data))) || v != float32(int(v)) || seen[int(v)] {
				return fmt.Errorf("parameter %s is no order of 0 to %d", p.name, len(data)-1)
			}
			seen[int(v)] = true
		}
	case "inverse":
		perm := given[prefix+"perm"].Data // checked: it comes before its inverse
		for i, v := range perm {
			if data[int(v)] != float32(i) {
				return fmt.Errorf("parameter %s is not the inverse of %sperm", p.name, prefix)
			}
		}
	case "sign":
		for i, v := range data {
			if v != 1 && v != -1 {
				return fmt.Errorf("parameter %s holds %v at index %d: a sign is 1 or -1", p.name, v, i)
			}
		}
	case "variance":
		for i, v := range data {
			if !(v >= 0) {
				return fmt.Errorf("parameter %s holds %v at index %d: a variance is not negative", p.name, v, i)
			}
		}
	case "zero":
		for i, v := range data {
			if v != 0 {
				return fmt.Errorf("parameter %s holds %v at index %d: it is constant 0", p.name, v, i)
			}
		}
	}
	return nil
}
