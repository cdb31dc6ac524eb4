package flowgpu

import (
	"fmt"
	"slices"
	"strings"

	"cuflow/device"
)

// Config describes a model completely: it is what New builds from and what a checkpoint stores. Fields that a kind of
// model does not use are left at their zero value.
type Config struct {
	Kind        string `json:"kind"`              // "glow", "realnvp" or "nice"
	Channels    int    `json:"channels"`          // of the data
	Height      int    `json:"height"`            // of the data
	Width       int    `json:"width"`             // of the data
	Intensities int    `json:"intensities"`       // whole-number values that a pixel takes, 0 .. Intensities-1; 0: real-valued data
	Classes     int    `json:"classes,omitempty"` // glow: the prior depends on a class below this; 0: it does not
	Seed        uint64 `json:"seed"`              // of initial weights, rotations and permutations

	Levels int `json:"levels,omitempty"` // glow, realnvp: L scales
	Steps  int `json:"steps"`            // glow: S flow steps per level; nice: couplings
	Hidden int `json:"hidden"`           // channels or units of the conditioners; realnvp: of the first scale, twice as many in each next
	Depth  int `json:"depth,omitempty"`  // nice: hidden layers of a conditioner; realnvp: residual blocks

	Coupling    string `json:"coupling,omitempty"`    // glow, realnvp: "sigmoid", "exp", "tanh" or "additive"
	Permutation string `json:"permutation,omitempty"` // glow: "lu" (invertible 1x1 convolution), "reverse" or "shuffle"
	Prior       string `json:"prior,omitempty"`       // "learned" (Gaussian, per channel of the last level), "standard" or "logistic"
	Layout      string `json:"layout,omitempty"`      // realnvp: "notes" or "paper", see realnvp; nice: partition "evenodd" or "half"

	Logit float64 `json:"logit,omitempty"` // alpha of logit(alpha + (1-alpha) x) before the flow; 0: the flow sees x-1/2
}

// D is the dimensions of one sample.
func (c Config) D() int { return c.Channels * c.Height * c.Width }

// kind is what a kind of model has of its own.
type kind struct {
	defaults Config              // for what is left empty
	choices  map[string][]string // allowed values by field
	check    func(c Config) error
	build    func(c Config, b *builder)
}

var laws = map[string]device.Law{
	"sigmoid": device.SigmoidScale, "exp": device.ExpScale, "tanh": device.TanhScale, "additive": device.Additive,
}

var lawNames = []string{"sigmoid", "exp", "tanh", "additive"}

func kindOf(name string) (kind, bool) {
	switch name {
	case "glow":
		return kind{
			defaults: Config{Coupling: "sigmoid", Permutation: "lu", Prior: "learned"},
			choices: map[string][]string{"coupling": lawNames, "permutation": {"lu", "reverse", "shuffle"},
				"prior": {"learned", "standard"}},
			check: checkGlow, build: glow,
		}, true
	case "realnvp":
		return kind{
			defaults: Config{Coupling: "tanh", Prior: "standard", Layout: "notes"},
			choices:  map[string][]string{"coupling": lawNames, "prior": {"learned", "standard"}, "layout": {"notes", "paper"}},
			check:    checkRealNVP, build: realnvp,
		}, true
	case "nice":
		return kind{
			defaults: Config{Prior: "logistic", Layout: "evenodd"},
			choices:  map[string][]string{"prior": {"logistic", "standard"}, "layout": {"evenodd", "half"}},
			check:    checkNICE, build: nice,
		}, true
	}
	return kind{}, false
}

// choice is a field of words.
type choice struct {
	name  string
	value *string
}

func (c *Config) choiceFields() []choice {
	return []choice{{"coupling", &c.Coupling}, {"permutation", &c.Permutation}, {"prior", &c.Prior}, {"layout", &c.Layout}}
}

// withDefaults fills in what is left empty.
func (c Config) withDefaults() Config {
	k, _ := kindOf(c.Kind)
	defaults := k.defaults.choiceFields()
	for i, f := range c.choiceFields() {
		if *f.value == "" {
			*f.value = *defaults[i].value
		}
	}
	return c
}

// number is a field of a whole number and the range that it must lie in.
type number struct {
	name       string
	value      int
	least, top int
}

func inRange(numbers ...number) error {
	for _, f := range numbers {
		if f.value < f.least || f.value > f.top {
			return fmt.Errorf("%s is %d: it must be from %d to %d", f.name, f.value, f.least, f.top)
		}
	}
	return nil
}

// Validate says what is wrong with a description, and what would be right.
func (c Config) Validate() error {
	k, ok := kindOf(c.Kind)
	if !ok {
		return fmt.Errorf("unknown kind of model %q: use glow, realnvp or nice", c.Kind)
	}
	c = c.withDefaults()
	for _, f := range c.choiceFields() {
		if allowed := k.choices[f.name]; len(allowed) > 0 && !slices.Contains(allowed, *f.value) {
			return fmt.Errorf("unknown %s %q: %s takes %s", f.name, *f.value, c.Kind, strings.Join(allowed, ", "))
		} else if len(allowed) == 0 && *f.value != "" {
			return fmt.Errorf("%s is %q: %s has none, leave it empty", f.name, *f.value, c.Kind)
		}
	}
	if err := inRange(
		number{"channels", c.Channels, 1, 1 << 10}, number{"height", c.Height, 1, 1 << 12}, number{"width", c.Width, 1, 1 << 12},
		number{"steps", c.Steps, 0, 1 << 12}, number{"hidden", c.Hidden, 1, 1 << 14}, number{"depth", c.Depth, 0, 1 << 8},
		number{"classes", c.Classes, 0, 1 << 16},
	); err != nil {
		return err
	}
	if c.Intensities < 0 || c.Intensities == 1 || c.Intensities > 1<<16 {
		return fmt.Errorf("intensities is %d: it must be from 2 to 65536, or 0 for real-valued data", c.Intensities)
	}
	if !(c.Logit >= 0 && c.Logit < 0.5) {
		return fmt.Errorf("logit is %g: it must be at least 0 (none) and below 0.5", c.Logit)
	}
	if c.Logit > 0 && c.Intensities == 0 {
		return fmt.Errorf("logit is %g, but real-valued data has no range to take the logit of: leave it 0", c.Logit)
	}
	if c.Classes > 0 && c.Kind != "glow" {
		return fmt.Errorf("classes is %d, but only glow has a class-conditional prior: leave it 0", c.Classes)
	}
	return k.check(c)
}

// checkSqueezes says whether an image can be halved so often.
func (c Config) checkSqueezes(squeezes int) error {
	if m := 1 << squeezes; c.Height%m != 0 || c.Width%m != 0 {
		return fmt.Errorf("%d levels halve the image %d times, but %dx%d is not divisible by %d: pad it to %dx%d or use fewer levels",
			c.Levels, squeezes, c.Height, c.Width, m, (c.Height+m-1)/m*m, (c.Width+m-1)/m*m)
	}
	return nil
}
