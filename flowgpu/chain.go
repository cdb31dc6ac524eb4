package flowgpu

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"cuflow/device"
)

// A chain is a flow of vectors that is written down: the layers in the order in which data meets them, separated by commas, with
// options in parentheses and a number of repetitions behind a star:
//
//	affine, planar(softplus)*8, asinh, affine(qr)
//
// linkOf knows the layers.
func chain(cfg Config, b *builder) {
	b.level = 1
	links, _, _ := parseChain(cfg.Layers, cfg.Prior) // Validate has seen them
	count := map[string]int{}
	for _, l := range links {
		for range l.count {
			count[l.name]++
			b.step(fmt.Sprintf("%s%d", l.name, count[l.name]), l.build(b.c, b.r))
		}
	}
}

func checkChain(c Config) error {
	if c.Height != 1 || c.Width != 1 {
		return fmt.Errorf("a chain is for vectors, the data is of %dx%d pixels: use height 1 and width 1", c.Height, c.Width)
	}
	if c.Intensities != 0 {
		return fmt.Errorf("a chain is for real-valued data: intensities must be 0, not %d", c.Intensities)
	}
	if err := inRange(number{"levels", c.Levels, 0, 0}, number{"steps", c.Steps, 0, 0}, number{"depth", c.Depth, 0, 0}); err != nil {
		return err
	}
	links, _, err := parseChain(c.Layers, c.Prior)
	if err != nil {
		return err
	}
	for _, l := range links {
		if l.check != nil {
			if err := l.check(c.Channels); err != nil {
				return fmt.Errorf("layer %s: %w", l.name, err)
			}
		}
	}
	return nil
}

// interval is where the numbers between two layers lie.
type interval int

const (
	realLine  interval = iota
	unit               // (0, 1)
	symmetric          // (-1, 1)
	positive           // (0, inf)
	closed             // [0, 1]
	angle              // [-pi, pi)
)

func (i interval) String() string {
	return [...]string{"the real line", "(0, 1)", "(-1, 1)", "(0, inf)", "[0, 1]", "[-pi, pi)"}[i]
}

// link is one kind of layer of a chain, with its options.
type link struct {
	name     string
	count    int
	from, to interval
	build    func(c int, r *rand.Rand) Layer
	check    func(c int) error // whether vectors of c dimensions will do; nil: all
	mixture  *device.Mixture   // of a mixcdf, whose link passUnit chooses
}

// maxLayers keeps a mistyped count from taking all memory.
const maxLayers = 4096

// parseChain reads a chain that ends in the prior's support. data is the interval that the data must lie in.
func parseChain(text, prior string) (links []link, data interval, err error) {
	items, err := splitChain(text)
	if err != nil {
		return nil, 0, err
	}
	layers := 0
	for _, item := range items {
		l, err := parseLink(item)
		if err != nil {
			return nil, 0, fmt.Errorf("layers: %q: %w", item, err)
		}
		if n := len(links); n > 0 && l.from != links[n-1].to {
			return nil, 0, fmt.Errorf("layers: %s gives numbers of %v, but %s takes those of %v: put a layer between them that goes from one to the other",
				links[n-1].name, links[n-1].to, l.name, l.from)
		}
		if l.count > 1 && l.from != l.to {
			return nil, 0, fmt.Errorf("layers: %q: %s gives numbers of %v and takes those of %v, so it cannot follow itself", item, l.name, l.to, l.from)
		}
		if layers += l.count; layers > maxLayers {
			return nil, 0, fmt.Errorf("layers: more than %d in all", maxLayers)
		}
		links = append(links, l)
	}
	if links, err = passUnit(links, prior); err != nil {
		return nil, 0, err
	}
	if last := links[len(links)-1]; last.to != supportOf(prior) {
		return nil, 0, fmt.Errorf("layers: the last, %s, gives numbers of %v, but the %s prior is a density on %v: end with a layer that gives those",
			last.name, last.to, prior, supportOf(prior))
	}
	return links, links[0].from, nil
}

// supportOf is where a prior has its mass.
func supportOf(prior string) interval {
	if b, err := ParseBase(prior); err == nil && b.onUnit() {
		return unit
	}
	return realLine
}

// splitChain cuts a text at the commas that are outside parentheses.
func splitChain(text string) (items []string, err error) {
	depth, start := 0, 0
	for i, r := range text {
		switch r {
		case '(':
			depth++
		case ')':
			depth--
		case ',':
			if depth == 0 {
				items = append(items, text[start:i])
				start = i + 1
			}
		}
		if depth < 0 || depth > 1 {
			return nil, fmt.Errorf("layers: the parenthesis at character %d of %q does not match", i+1, text)
		}
	}
	if depth != 0 {
		return nil, fmt.Errorf("layers: a parenthesis of %q is not closed", text)
	}
	items = append(items, text[start:])
	for i := range items {
		if items[i] = strings.TrimSpace(items[i]); items[i] == "" {
			return nil, fmt.Errorf("layers: %q has an empty place: write the layers with a comma between them, such as \"affine, planar*8, affine\"", text)
		}
	}
	return items, nil
}

// parseLink reads name(options)*count.
func parseLink(item string) (link, error) {
	head, times, repeated := strings.Cut(item, "*")
	count := 1
	if repeated {
		n, err := strconv.Atoi(strings.TrimSpace(times))
		if err != nil || n < 1 {
			return link{}, fmt.Errorf("the number behind the star must be a whole number from 1 on")
		}
		count = n
	}
	name, rest, given := strings.Cut(strings.TrimSpace(head), "(")
	var o options
	if given {
		inner, after, _ := strings.Cut(rest, ")")
		if strings.TrimSpace(after) != "" {
			return link{}, fmt.Errorf("%q behind the options is not understood", strings.TrimSpace(after))
		}
		for _, word := range strings.Split(inner, ",") {
			o.words = append(o.words, strings.TrimSpace(word))
		}
	}
	l, err := linkOf(strings.TrimSpace(name), &o)
	if err != nil {
		return link{}, err
	}
	if o.err != nil {
		return link{}, o.err
	}
	if len(o.words) > 0 {
		return link{}, fmt.Errorf("unknown option %q: %s", o.words[0], o.known())
	}
	l.name, l.count = strings.TrimSpace(name), count
	return l, nil
}

// options are the words in a layer's parentheses. What a layer knows it takes off.
type options struct {
	words []string
	told  []string // what the layer asked for
	err   error
}

func (o *options) known() string {
	if len(o.told) == 0 {
		return "the layer takes none"
	}
	return "the layer takes " + strings.Join(o.told, ", and ")
}

// oneOf takes the first word that is among some, or gives the first of them.
func (o *options) oneOf(some ...string) string {
	o.told = append(o.told, strings.Join(some, " or "))
	for i, w := range o.words {
		if slices.Contains(some, w) {
			o.words = slices.Delete(o.words, i, i+1)
			return w
		}
	}
	return some[0]
}

// whole takes the first whole number, or gives 0: not given.
func (o *options) whole(what string) int {
	o.told = append(o.told, what)
	for i, w := range o.words {
		if n, err := strconv.Atoi(w); err == nil {
			if n < 1 && o.err == nil {
				o.err = fmt.Errorf("%s is %d: it must be from 1 on", what, n)
			}
			o.words = slices.Delete(o.words, i, i+1)
			return n
		}
	}
	return 0
}

// number takes the first number, or gives the usual one.
func (o *options) number(what string, usual, above, most float64) float64 {
	o.told = append(o.told, what)
	for i, w := range o.words {
		if v, err := strconv.ParseFloat(w, 64); err == nil {
			if !(v > above && v <= most) && o.err == nil {
				o.err = fmt.Errorf("%s is %g: it must be above %g and at most %g", what, v, above, most)
			}
			o.words = slices.Delete(o.words, i, i+1)
			return v
		}
	}
	return usual
}

// defaultSlope is that of a leaky ReLU that names none, in the flow and in a planar flow alike.
const defaultSlope = 0.2

// bend takes the function of a planar or a Sylvester flow: tanh, softplus, or leakyrelu with its slope.
func (o *options) bend() device.Map {
	name := o.oneOf("tanh", "softplus", "leakyrelu")
	switch name {
	case "softplus":
		return device.Map{Func: device.SoftplusMap}
	case "leakyrelu":
		return device.Map{Func: device.LeakyReLUMap, Slope: float32(o.number("the leaky ReLU's slope", defaultSlope, 0, 1))}
	}
	return device.Map{Func: device.TanhMap}
}

// linkNames are the names that linkOf knows.
var linkNames = []string{
	"affine", "triangular", "diagonal", "actnorm", "householder", "shuffle", "reverse",
	"sigmoid", "logit", "tanh", "atanh", "softplus", "logexpm1", "asinh", "sinh", "leakyrelu",
	"planar", "radial", "sylvester", "mixcdf", "probit", "identity",
}

// one is a layer that takes the real line to itself.
func one(build func(c int, r *rand.Rand) Layer) link { return link{build: build} }

// linkOf gives the layer of a name.
func linkOf(name string, o *options) (link, error) {
	switch name {
	case "affine":
		return affineLink(o), nil
	case "triangular":
		upper := o.oneOf("upper", "lower") == "upper"
		return one(func(c int, r *rand.Rand) Layer { return NewTriangular(c, upper, r) }), nil
	case "diagonal":
		return one(func(c int, _ *rand.Rand) Layer { return NewAffine(c) }), nil
	case "actnorm":
		return one(func(c int, _ *rand.Rand) Layer { return NewActNorm(c) }), nil
	case "householder":
		k := o.whole("the number of reflections")
		return one(func(c int, r *rand.Rand) Layer { return NewHouseholder(c, orAll(k, c), r) }), nil
	case "shuffle":
		return one(func(c int, r *rand.Rand) Layer { return NewShuffle(c, r) }), nil
	case "reverse":
		return one(func(c int, _ *rand.Rand) Layer { return NewReverse(c) }), nil
	case "leakyrelu":
		slope := float32(o.number("the slope", defaultSlope, 0, math.MaxFloat32))
		return one(func(int, *rand.Rand) Layer { return NewLeakyReLU(slope) }), nil
	case "planar":
		h := o.bend()
		return one(func(c int, r *rand.Rand) Layer { return NewPlanar(c, h, r) }), nil
	case "radial":
		return one(func(c int, r *rand.Rand) Layer { return NewRadial(c, r) }), nil
	case "sylvester":
		return sylvesterLink(o), nil
	case "identity":
		return link{from: realLine, to: realLine}, nil // of which interval it is, passUnit knows
	case "mixcdf":
		return mixCDFLink(o), nil
	case "probit":
		return link{from: unit, to: realLine}, nil // a part of the mixcdf before it: see passUnit
	}
	for _, f := range elementwise {
		if f.name == name {
			return link{from: f.from, to: f.to, build: func(int, *rand.Rand) Layer { return NewElementwise(f.f) }}, nil
		}
	}
	return link{}, fmt.Errorf("unknown layer %q: use %s", name, strings.Join(linkNames, ", "))
}

// elementwise are the functions without parameters.
var elementwise = []struct {
	name     string
	f        device.Func
	from, to interval
}{
	{"sigmoid", device.SigmoidMap, realLine, unit}, {"logit", device.LogitMap, unit, realLine},
	{"tanh", device.TanhMap, realLine, symmetric}, {"atanh", device.AtanhMap, symmetric, realLine},
	{"softplus", device.SoftplusMap, realLine, positive}, {"logexpm1", device.LogExpm1Map, positive, realLine},
	{"asinh", device.AsinhMap, realLine, realLine}, {"sinh", device.SinhMap, realLine, realLine},
}

// affineLink is y = W x + b, with W by its LU factors or as an orthogonal matrix times a triangular one.
func affineLink(o *options) link {
	if o.oneOf("lu", "qr") == "lu" {
		return one(func(c int, r *rand.Rand) Layer { return NewLUAffine(c, r) })
	}
	k := o.whole("the number of reflections")
	return one(func(c int, r *rand.Rand) Layer { return NewQRAffine(c, orAll(k, c), r) })
}

// orAll is the number of reflections that was asked for, or where none was as many as an orthogonal matrix may need.
func orAll(k, c int) int {
	if k == 0 {
		return c
	}
	return k
}

// sylvesterLink bends along m directions, where nothing else is said half of them all.
func sylvesterLink(o *options) link {
	m, h := o.whole("the number of directions"), o.bend()
	return link{
		build: func(c int, r *rand.Rand) Layer {
			if m == 0 {
				return NewSylvester(c, (c+1)/2, h, r)
			}
			return NewSylvester(c, m, h, r)
		},
		check: func(c int) error {
			if m > c {
				return fmt.Errorf("%d directions in %d dimensions: use at most %d", m, c, c)
			}
			return nil
		},
	}
}
