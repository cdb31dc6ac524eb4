package flowgpu

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cuflow/device"
)

// A conditional model is one of p(x | c): for every context c another density of x. Its conditioners see the features of c beside what
// they see anyway; c itself is no dimension, has no part in a log-determinant and no gradient.

// Condition is one column of a context, and how its values become features: a number v is one, and a category as many as there are
// categories, 1 for its own and 0 for the others.
//
//	(v - Mean)/Std
type Condition struct {
	Name   string   `json:"name"`
	Mean   float64  `json:"mean,omitempty"`
	Std    float64  `json:"std,omitempty"`
	Values []string `json:"values,omitempty"` // the categories; none: a column of numbers
}

// Features is how many numbers a network sees of the column.
func (c Condition) Features() int { return max(1, len(c.Values)) }

// put writes the features of a value, of a category its number among Values, of sample i of n: dst is [Features][n].
func (c Condition) put(v float64, dst []float32, i, n int) error {
	if len(c.Values) == 0 {
		dst[i] = float32((v - c.Mean) / c.Std)
		return nil
	}
	for k := range c.Values {
		dst[k*n+i] = 0
	}
	k := int(v)
	if float64(k) != v || k < 0 || k >= len(c.Values) {
		return fmt.Errorf("context %q of sample %d is %g: it must be the number of a category, 0 to %d", c.Name, i, v, len(c.Values)-1)
	}
	dst[k*n+i] = 1
	return nil
}

// Context is the columns of a context that, unlike a slice, can be compared: their JSON.
type Context struct{ text string }

// ContextOf makes the context of some columns.
func ContextOf(list []Condition) Context {
	if len(list) == 0 {
		return Context{}
	}
	text, err := json.Marshal(list)
	if err != nil { // numbers that are not finite
		panic("flowgpu: a context whose mean or std is no number")
	}
	return Context{string(text)}
}

// List gives the columns back, to the last bit.
func (c Context) List() (list []Condition) {
	if c.text == "" {
		return nil
	}
	if err := json.Unmarshal([]byte(c.text), &list); err != nil {
		panic("flowgpu: a context that was never valid")
	}
	return list
}

// Features is how many numbers networks see of the context.
func (c Context) Features() (n int) {
	for _, l := range c.List() {
		n += l.Features()
	}
	return n
}

// MarshalJSON writes the list.
func (c Context) MarshalJSON() ([]byte, error) {
	if c.text == "" {
		return []byte("null"), nil
	}
	return []byte(c.text), nil
}

// UnmarshalJSON reads a list.
func (c *Context) UnmarshalJSON(text []byte) error {
	var list []Condition
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	*c = ContextOf(list)
	return nil
}

// ContextKinds are the kinds of model that take a context.
func ContextKinds() []string { return []string{"realnvp-vector", "nsf", "maf", "iaf"} }

// maxFeatures is the most numbers that a context is made of.
const maxFeatures = 1 << 10

// checkContext says whether a model takes its context.
func (c Config) checkContext() error {
	list := c.Context.List()
	if len(list) == 0 {
		return nil
	}
	if !slices.Contains(ContextKinds(), c.Kind) {
		return fmt.Errorf("%s takes no context: use %s", c.Kind, strings.Join(ContextKinds(), ", "))
	}
	for i, l := range list {
		if slices.ContainsFunc(list[:i], func(o Condition) bool { return o.Name == l.Name }) {
			return fmt.Errorf("two columns of the context are named %q: name each once", l.Name)
		}
		if len(l.Values) == 0 && !(l.Std > 0) {
			return fmt.Errorf("context %q has the standard deviation %g: it must be positive, and 1 to be taken as it is", l.Name, l.Std)
		}
	}
	if n := c.Context.Features(); n > maxFeatures {
		return fmt.Errorf("the context makes %d features, its categories one each: at most %d are taken", n, maxFeatures)
	}
	return nil
}

// givenNet is a network that sees the context of a State behind its input. The gradient of the context is computed with that of the
// input, and goes where the State wants it, or nowhere.
type givenNet struct {
	net  Net // from the channels of the input and the features of the context
	c, e int // channels, features

	both device.Buffer // [C+E][N][P]
}

// newGivenNet makes a network for c channels and e features of a context: build is told how many channels it has to take. Without a
// context the network is its own.
func newGivenNet(c, e int, build func(cin int) Net) Net {
	if e == 0 {
		return build(c)
	}
	return &givenNet{net: build(c + e), c: c, e: e}
}

func (g *givenNet) Forward(s *State, a *device.Arena, in, out device.Buffer) {
	g.both = a.Take((g.c + g.e) * s.M())
	x, given := halves(g.both, g.c, s.M())
	if g.c > 0 {
		s.Copy(x, in)
	}
	s.Copy(given, s.Context)
	g.net.Forward(s, a, g.both, out)
}

func (g *givenNet) Backward(s *State, _, dout, din device.Buffer) {
	mark := s.Scratch.Mark()
	dboth := s.Scratch.Take(g.both.Len())
	s.Fill(dboth, 0)
	g.net.Backward(s, g.both, dout, dboth)
	dx, dgiven := halves(dboth, g.c, s.M())
	if g.c > 0 {
		s.Axpy(1, dx, din)
	}
	if !s.DContext.Nil() {
		s.Axpy(1, dgiven, s.DContext)
	}
	s.Scratch.Release(mark)
}

func (g *givenNet) Params() []*Param { return g.net.Params() }
