package flowgpu

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func downloaded(t *testing.T, m *Model) []Array {
	t.Helper()
	arrays, err := m.Arrays()
	if err != nil {
		t.Fatal(err)
	}
	return arrays
}

// Names are distinct, say where an array belongs, and cover every parameter.
func TestArrayNames(t *testing.T) {
	be := openCPU(t, "cpu")
	for name, cfg := range variants() {
		m := newMoved(t, be, cfg)
		arrays := downloaded(t, m)
		if len(arrays) != len(m.params) {
			t.Errorf("%s: %d arrays of %d parameters", name, len(arrays), len(m.params))
		}
		seen := map[string]bool{}
		for _, a := range arrays {
			if seen[a.Name] {
				t.Errorf("%s: two arrays are called %s", name, a.Name)
			}
			seen[a.Name] = true
		}
	}
	for _, c := range []struct {
		model string
		names []string
	}{
		{"glow sigmoid lu", []string{"level1.step1.actnorm.logs", "level2.step3.invconv.perm", "level2.step1.coupling.conv1.w", "level1.split.conv.b", "prior.b"}},
		{"glow tanh shuffle", []string{"level1.step2.permutation.inverse", "level1.step2.coupling.g"}},
		{"realnvp notes", []string{"level1.checker1.in.gamma", "level2.channel3.block1.conv2.v", "level1.checker2.norm.variance"}},
		{"nice evenodd logistic", []string{"evenodd.perm", "coupling4.dense3.b", "scaling.logs"}},
	} {
		arrays := downloaded(t, newMoved(t, be, variants()[c.model]))
		for _, name := range c.names {
			if !slices.ContainsFunc(arrays, func(a Array) bool { return a.Name == name }) {
				t.Errorf("%s has no array %s", c.model, name)
			}
		}
	}
}

// A refused set of arrays says why and changes nothing.
func TestSetArraysRefuses(t *testing.T) {
	be := openCPU(t, "cpu")
	nan := float32(math.NaN())
	put := func(name string, v ...float32) func([]Array) []Array {
		return func(arrays []Array) []Array {
			i := slices.IndexFunc(arrays, func(a Array) bool { return strings.HasSuffix(a.Name, name) })
			copy(arrays[i].Data, v)
			return arrays
		}
	}
	for _, c := range []struct {
		model, want string
		change      func([]Array) []Array
	}{
		{"glow sigmoid lu", "prior.logs is missing", func(a []Array) []Array { return a[:len(a)-1] }},
		{"glow sigmoid lu", "no parameter level9.actnorm.b", func(a []Array) []Array { return append(a, Array{Name: "level9.actnorm.b"}) }},
		{"glow sigmoid lu", "level1.step1.actnorm.b is given twice", func(a []Array) []Array { return append(a, a[0]) }},
		{"glow sigmoid lu", "level1.step1.actnorm.b has shape [2 2], the model wants [4]", func(a []Array) []Array {
			a[0].Shape = []int{2, 2}
			return a
		}},
		{"glow sigmoid lu", "level1.step1.actnorm.b has shape", func(a []Array) []Array {
			a[0].Data = a[0].Data[:3]
			return a
		}},
		{"glow sigmoid lu", "invconv.perm is no order of 0 to 3", put("invconv.perm", 0, 1, 2, 4)},
		{"glow sigmoid lu", "invconv.perm is no order of 0 to 3", put("invconv.perm", 0, 1, 2, -1)},
		{"glow sigmoid lu", "invconv.perm is no order of 0 to 3", put("invconv.perm", 0, 1, 2, 2)},
		{"glow sigmoid lu", "invconv.perm is no order of 0 to 3", put("invconv.perm", 0, 1, 2.5, 3)},
		{"glow sigmoid lu", "invconv.perm is no order of 0 to 3", put("invconv.perm", nan)},
		{"glow sigmoid lu", "invconv.sign holds 0 at index 1", put("invconv.sign", 1, 0)},
		{"glow sigmoid reverse", "permutation.inverse is not the inverse of level1.step1.permutation.perm", put("permutation.inverse", 0, 1, 2, 3)},
		{"realnvp notes", "in.variance holds -1 at index 0", put("in.variance", -1)},
		{"realnvp notes", "norm.variance holds NaN at index 0", put("norm.variance", nan)},
		{"nice half logistic", "scaling.zero holds 1 at index 0", put("scaling.zero", 1)},
	} {
		m := newMoved(t, be, variants()[c.model])
		before := downloaded(t, m)
		err := m.SetArrays(c.change(downloaded(t, m)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.model, err, c.want)
		}
		for i, a := range downloaded(t, m) {
			if !equalBits(a.Data, before[i].Data) {
				t.Errorf("%s: %s changed although an error was returned", c.model, a.Name)
			}
		}
		if m.Initialised() && c.model == "glow sigmoid lu" {
			t.Errorf("%s: counts as initialised although an error was returned", c.model)
		}
	}
}
