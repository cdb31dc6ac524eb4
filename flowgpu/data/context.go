package data

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Condition is one column of the context that a conditional model of p(x | c) is told, and how its values become what the model sees: a
// number v becomes (v - Mean)/Std, a category as many numbers as there are categories, 1 for its own and 0 for the others.
type Condition struct {
	Name   string
	Mean   float64
	Std    float64  // 1 (and Mean 0) where columns are taken as they are
	Values []string // the categories; none: a column of numbers
}

// Features is how many numbers a model sees of the column.
func (c Condition) Features() int { return max(1, len(c.Values)) }

// Parse reads a value: a number, or of a category its number among Values.
func (c Condition) Parse(text string) (float64, error) {
	text = strings.TrimSpace(text)
	if len(c.Values) > 0 {
		i := slices.Index(c.Values, word(text))
		if i < 0 {
			return 0, fmt.Errorf("context %s has no category %q: it is one of %s", c.Name, text, some(c.Values))
		}
		return float64(i), nil
	}
	v, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
		return 0, fmt.Errorf("context %s is %q: give a number", c.Name, text)
	}
	return v, nil
}

// Text writes a value as Parse reads it.
func (c Condition) Text(v float64) string {
	if len(c.Values) > 0 {
		return c.Values[int(v)]
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}

// put writes the features of a value, as sample i of a batch of n.
func (c Condition) put(v float64, dst []float32, i, n int) {
	if len(c.Values) == 0 {
		dst[i] = float32((v - c.Mean) / c.Std)
		return
	}
	for k := range c.Values {
		dst[k*n+i] = 0
	}
	dst[int(v)*n+i] = 1
}

// Features is how many numbers a model sees of a context.
func Features(context []Condition) (n int) {
	for _, c := range context {
		n += c.Features()
	}
	return n
}

// PutContext writes the features of a context's values as sample i of a batch of n, [E][n].
func PutContext(context []Condition, values []float64, dst []float32, i, n int) {
	for k, c := range context {
		c.put(values[k], dst, i, n)
		dst = dst[c.Features()*n:]
	}
}

// ParseContext reads NAME=VALUE,... with a value for every column of a context, and gives the values in their order.
func ParseContext(text string, context []Condition) ([]float64, error) {
	var names []string
	for _, c := range context {
		names = append(names, c.Name)
	}
	values := make([]float64, len(context))
	given := make([]bool, len(context))
	for _, pair := range strings.Split(text, ",") {
		name, value, ok := strings.Cut(pair, "=")
		i := slices.Index(names, strings.TrimSpace(name))
		switch {
		case !ok:
			return nil, fmt.Errorf("context %q: %q is no NAME=VALUE: give %s", text, pair, pattern(names))
		case i < 0:
			return nil, fmt.Errorf("context %q: no column %q: give %s", text, strings.TrimSpace(name), pattern(names))
		case given[i]:
			return nil, fmt.Errorf("context %q: %s is given twice", text, names[i])
		}
		var err error
		if values[i], err = context[i].Parse(value); err != nil {
			return nil, err
		}
		given[i] = true
	}
	if i := slices.Index(given, false); i >= 0 {
		return nil, fmt.Errorf("context %q: %s is missing: give %s", text, names[i], pattern(names))
	}
	return values, nil
}

// pattern is how values of columns are given.
func pattern(names []string) string { return strings.Join(names, "=VALUE,") + "=VALUE" }

// Given must not be asked for: images have no context.
func (s *Set) Given([]float32, int, int, int) { panic("data: images have no context") }

// Given must not be asked for: images have no context.
func (f *folder) Given([]float32, int, int, int) { panic("data: images have no context") }

// Given must not be asked for: images have no context.
func (f *files) Given([]float32, int, int, int) { panic("data: images have no context") }

// Given writes the features of a row's context, as sample i of a batch of n, [E][n].
func (s *Vectors) Given(dst []float32, sample, i, n int) {
	PutContext(s.context, s.rows.given(sample, len(s.context)), dst, i, n)
}

// Context says what the columns of the context are. The slice is not to be changed.
func (s *Vectors) Context() []Condition { return s.context }

// ContextRow is the values of a row's context: numbers, and the numbers of categories.
func (s *Vectors) ContextRow(i int) []float64 { return s.rows.given(i, len(s.context)) }

// role is one column of a context as it is asked for.
type role struct {
	name  string
	class bool // its values are categories, numbers too
}

// roles are the columns of the context: NAME, or NAME:class where numbers are categories.
func (o VectorOptions) roles() (roles []role) {
	for _, c := range o.Given {
		roles = append(roles, role{c.Name, len(c.Values) > 0})
	}
	if o.Given != nil {
		return roles
	}
	for _, text := range o.Context {
		name, class := strings.CutSuffix(text, ":class")
		roles = append(roles, role{name, class})
	}
	return roles
}

// checkRoles refuses columns of two roles.
func (o VectorOptions) checkRoles() error {
	roles := o.roles()
	for i, r := range roles {
		switch {
		case r.name == "":
			return fmt.Errorf("a column of the context has no name: give NAME,...")
		case slices.ContainsFunc(roles[:i], func(other role) bool { return other.name == r.name }):
			return fmt.Errorf("context %q is given twice", r.name)
		case slices.Contains(o.Columns, r.name):
			return fmt.Errorf("column %q is asked for as a dimension and as context: choose", r.name)
		}
	}
	return nil
}

// pick is the columns that are wanted of those that there are: the dimensions, and behind them the context. nil means all.
func (o VectorOptions) pick(names []string) (wanted []string) {
	wanted = o.Columns
	if o.As != nil {
		wanted = []string{}
		for _, c := range o.As {
			wanted = append(wanted, c.Name)
		}
	}
	roles := o.roles()
	if len(roles) == 0 {
		return wanted
	}
	isContext := func(name string) bool {
		return slices.ContainsFunc(roles, func(r role) bool { return r.name == name })
	}
	if wanted == nil {
		for _, name := range names {
			if !isContext(name) {
				wanted = append(wanted, name)
			}
		}
	}
	wanted = slices.Clone(wanted)
	for _, r := range roles {
		wanted = append(wanted, r.name)
	}
	return wanted
}

// dictionary are the words of a column that is context, as they are met. A column of numbers has none.
type dictionary struct {
	class bool // the values are words
	begun bool // there has been a value
	known bool // the words are those of a trained model
	words []string
	index map[string]int
}

// dictionaries are those of all columns that are context, by name: a set may lie in several files.
type dictionaries map[string]*dictionary

func (o VectorOptions) dictionaries() dictionaries {
	all := dictionaries{}
	for _, r := range o.roles() {
		all[r.name] = &dictionary{class: r.class, index: map[string]int{}}
	}
	for _, c := range o.Given {
		d := all[c.Name]
		d.known, d.begun, d.words = true, true, c.Values
		for i, w := range c.Values {
			d.index[w] = i
		}
	}
	return all
}

// word is the one way to write a category: 1, 1.0 and 1e0 are the same.
func word(text string) string {
	if v, err := strconv.ParseFloat(text, 64); err == nil {
		return strconv.FormatFloat(v+0, 'g', -1, 64) // +0: no "-0"
	}
	return text
}

// value reads a value of the column of that name. ok is false where it is one of numbers and this is none.
func (d *dictionary) value(text string) (v float64, ok bool, err error) {
	if !d.begun {
		d.begun = true
		d.class = d.class || !isNumber(text)
	}
	if !d.class {
		v, err := strconv.ParseFloat(text, 64)
		return v, err == nil, nil
	}
	w := word(text)
	i, known := d.index[w]
	switch {
	case known:
	case d.known:
		return 0, false, fmt.Errorf("%q is no category that the model knows, which are %s", text, some(d.words))
	case len(d.words) == maxColumns:
		return 0, false, fmt.Errorf("more than %d categories", maxColumns)
	default:
		i = len(d.words)
		d.index[w] = i
		d.words = append(d.words, w)
	}
	return float64(i), true, nil
}

// classify makes categories of the numbers of a table that are to be some.
func (d dictionaries) classify(t *table) error {
	for c, name := range t.names {
		dict := d[name]
		if dict == nil || !dict.class {
			continue
		}
		for i := range t.rows() {
			v, _, err := dict.value(strconv.FormatFloat(t.at(i)[c], 'g', -1, 64))
			if err != nil {
				return fmt.Errorf("row %d: context %s: %w", i, name, err)
			}
			t.at(i)[c] = v
		}
	}
	return nil
}

// conditions measures the columns of the context: means and standard deviations on the training part of the table, categories on all of
// it. Categories are sorted, numbers by value.
func (o VectorOptions) conditions(name string, t *table, train part) ([]Condition, error) {
	if o.Given != nil {
		return o.Given, nil
	}
	var context []Condition
	for c := t.dims(); c < len(t.names); c++ {
		column := t.names[c]
		if d := o.words[column]; d.class {
			if len(d.words) < 2 {
				return nil, fmt.Errorf("data %q: context %s is %s in all rows: leave it out of --context", name, column, some(d.words))
			}
			context = append(context, Condition{Name: column, Values: d.sort(t, c)})
			continue
		}
		mean, variance := moments(train, c)
		if !(variance > 0) || math.IsInf(variance, 1) {
			return nil, fmt.Errorf("data %q: context %s has a variance of %g in the training part: leave it out of --context, or give it in other units",
				name, column, variance)
		}
		condition := Condition{Name: column, Std: 1}
		if !o.Raw {
			condition.Mean, condition.Std = mean, math.Sqrt(variance)
		}
		context = append(context, condition)
	}
	if n := Features(context); n > maxColumns {
		return nil, fmt.Errorf("data %q: the context makes %d features, its categories one each: at most %d are taken", name, n, maxColumns)
	}
	return context, nil
}

// sort orders the words, and changes column c of the table to match.
func (d *dictionary) sort(t *table, c int) []string {
	sorted := slices.SortedFunc(slices.Values(d.words), func(a, b string) int {
		x, errX := strconv.ParseFloat(a, 64)
		y, errY := strconv.ParseFloat(b, 64)
		if errX == nil && errY == nil {
			return cmp.Compare(x, y)
		}
		return cmp.Compare(a, b)
	})
	place := make([]float64, len(sorted))
	for i, w := range d.words {
		place[i] = float64(slices.Index(sorted, w))
	}
	for i := range t.rows() {
		t.at(i)[c] = place[int(t.at(i)[c])]
	}
	return sorted
}

// moments are the mean and the variance of a column of a part, by Welford's running mean and sum of squares about it.
func moments(p part, c int) (mean, variance float64) {
	squares := 0.
	for i, row := range p.index {
		delta := p.at(int(row))[c] - mean
		mean += delta / float64(i+1)
		squares += delta * (p.at(int(row))[c] - mean)
	}
	return mean, squares / float64(len(p.index))
}

// OpenContext gives the rows of a table as contexts of a trained model, whose columns o.Given are. Other columns are passed over.
func OpenContext(name string, o VectorOptions) (*Vectors, error) {
	o.As, o.Columns = []Column{}, nil
	return OpenRows(name, o)
}

// reorder gives the table with its columns in another order, of which the last so many are context.
func (t *table) reorder(order []int, context int) *table {
	u := &table{names: pickNames(t.names, order), exact: t.exact, context: context}
	for i := range t.rows() {
		for _, c := range order {
			u.values = append(u.values, t.at(i)[c])
		}
	}
	return u
}
