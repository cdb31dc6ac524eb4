package train

import (
	"fmt"
	"slices"
	"strings"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// modelContext is the data's context as the model has it.
func modelContext(context []data.Condition) flowgpu.Context {
	var list []flowgpu.Condition
	for _, c := range context {
		list = append(list, flowgpu.Condition(c))
	}
	return flowgpu.ContextOf(list)
}

// contextOf is a model's context as the data has it.
func contextOf(m flowgpu.Config) (context []data.Condition) {
	for _, c := range m.Context.List() {
		context = append(context, data.Condition(c))
	}
	return context
}

// conditional says whether the run's model is told a context.
func (c Config) conditional() bool { return c.Context != "" }

// checkContext refuses a context for a model that takes none.
func (c Config) checkContext() error {
	if kinds := flowgpu.ContextKinds(); c.conditional() && !slices.Contains(kinds, c.Model.Kind) {
		return fmt.Errorf("--context is for models of %s, and preset %s is a %s: use a preset such as nsf-tab or maf-tab",
			strings.Join(kinds, ", "), c.Preset, c.Model.Kind)
	}
	return nil
}

// givenText names the columns of a model's context: "a, kind (3 categories)".
func givenText(m flowgpu.Config) string {
	var names []string
	for _, c := range m.Context.List() {
		name := c.Name
		if len(c.Values) > 0 {
			name += fmt.Sprintf(" (%d categories)", len(c.Values))
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// given is the context of some samples: the values of its columns for sample i. nil: there is none.
type given func(i int) []float64

// features are those of samples from .. from+n-1, [E][n], in memory that is reused.
func (g given) features(context []data.Condition, from, n int, into []float32) []float32 {
	if g == nil {
		return nil
	}
	size := data.Features(context) * n
	into = slices.Grow(into[:0], size)[:size]
	for i := range n {
		data.PutContext(context, g(from+i), into, i, n)
	}
	return into
}

// given is the context that samples are drawn under.
func (g Sampling) given(m flowgpu.Config, options data.VectorOptions) (rows int, context given, err error) {
	list := contextOf(m)
	switch {
	case len(list) == 0 && g.Context == "":
		return 0, nil, nil
	case len(list) == 0:
		return 0, nil, usagef("--context is %q, but the model has none: do without", g.Context)
	case g.Context == "":
		return 0, nil, usagef("the model is conditional: give it --context %s, or a table with these columns", pattern(list))
	case strings.Contains(g.Context, "="):
		values, err := data.ParseContext(g.Context, list)
		if err != nil {
			return 0, nil, UsageError{fmt.Errorf("--%w", err)}
		}
		return 1, func(int) []float64 { return values }, nil
	}
	table, err := data.OpenContext(g.Context, options)
	if err != nil {
		return 0, nil, fmt.Errorf("--context: %w", err)
	}
	return table.Info().N, cycle(table), nil
}

// cycle gives the contexts of a set, over and over.
func cycle(set *data.Vectors) given {
	n := set.Info().N
	return func(i int) []float64 { return set.ContextRow(i % n) }
}

// pattern is how values of a context are given.
func pattern(list []data.Condition) string {
	var pairs []string
	for _, c := range list {
		pairs = append(pairs, c.Name+"=VALUE")
	}
	return strings.Join(pairs, ",")
}

// contexts are the features of samples from .. from+n-1 of a set, [E][n], in memory that is reused; nil of a set without.
func contexts(s data.Source, from, n int, into []float32) []float32 {
	e := s.Info().Context
	if e == 0 {
		return nil
	}
	into = slices.Grow(into[:0], e*n)[:e*n]
	for i := range n {
		s.Given(into, from+i, i, n)
	}
	return into
}

// under is a source whose samples are all under one context.
type under struct {
	data.Source
	context []data.Condition
	values  []float64
}

func (u under) Info() data.Info {
	info := u.Source.Info()
	info.Context = data.Features(u.context)
	return info
}

func (u under) Given(dst []float32, _, i, n int) { data.PutContext(u.context, u.values, dst, i, n) }

// all puts galleries under the context that was asked for, if one was.
func (p Picking) all(m flowgpu.Config, galleries []gallery) ([]gallery, error) {
	list := contextOf(m)
	switch {
	case p.Context == "":
		return galleries, nil
	case len(list) == 0:
		return nil, usagef("--context is %q, but the model has none: do without", p.Context)
	}
	values, err := data.ParseContext(p.Context, list)
	if err != nil {
		return nil, UsageError{fmt.Errorf("--%w", err)}
	}
	for i, g := range galleries {
		galleries[i].Source = under{g.Source, list, values}
	}
	return galleries, nil
}
