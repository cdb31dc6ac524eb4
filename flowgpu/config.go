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
	Kind        string `json:"kind"`              // "glow", "realnvp", "nice", "flowpp", "jet", "tarflow", "realnvp-vector", "nsf", "maf", "iaf", "chain" or "gmm"
	Channels    int    `json:"channels"`          // of the data
	Height      int    `json:"height"`            // of the data
	Width       int    `json:"width"`             // of the data
	Intensities int    `json:"intensities"`       // whole-number values that a pixel takes, 0 .. Intensities-1; 0: real-valued data
	Classes     int    `json:"classes,omitempty"` // glow: the prior, tarflow: everything depends on a class below this; 0: it does not
	// Columns of vector data (Height and Width 1, Intensities 0), one for each of its Channels; none: x is the data.
	Columns Columns `json:"columns,omitzero"`
	Context Context `json:"context,omitzero"` // the model is of p(x | context), see ContextKinds; none: of p(x)
	Seed    uint64  `json:"seed"`             // of initial weights, rotations and permutations

	Levels int `json:"levels,omitempty"` // glow, realnvp: L scales
	Steps  int `json:"steps"`            // glow: S flow steps per level; nice, realnvp-vector: couplings
	Hidden int `json:"hidden"`           // channels or units of the conditioners; realnvp: of the first scale, twice as many in each next
	Depth  int `json:"depth,omitempty"`  // nice, realnvp-vector: hidden layers of a conditioner; realnvp: residual blocks

	Coupling    string `json:"coupling,omitempty"`    // glow, realnvp, realnvp-vector, jet: "sigmoid", "exp", "tanh" or "additive"; jet: also "shifted"
	Permutation string `json:"permutation,omitempty"` // glow: "lu" (invertible 1x1 convolution), "reverse" or "shuffle"
	Prior       string `json:"prior,omitempty"`       // "learned" (Gaussian, per channel of the last level), "standard", "logistic", "mixture" (of Gaussians, of the last level); chain: also "uniform", "beta", "beta(a,b)", see Base
	Layout      string `json:"layout,omitempty"`      // realnvp: "notes" or "paper", see realnvp; nice, realnvp-vector: partition "evenodd" or "half"
	Norm        string `json:"norm,omitempty"`        // realnvp-vector: after each coupling "actnorm", "batchnorm" or "none"

	Curve   string  `json:"curve,omitempty"`    // nsf, maf, iaf: "rational", "quadratic" or "linear" splines, mixtures of "logistics" or "gaussians", or "affine"
	Bins    int     `json:"bins,omitempty"`     // of a spline; "logistics", "gaussians": components
	Bound   float64 `json:"bound,omitempty"`    // splines bend from -Bound to Bound
	Domain  string  `json:"domain,omitempty"`   // nsf, maf, iaf: "line", "circle" (angles, -pi to pi) or "interval" (0 to 1), on which splines bend, see OnDomain
	Dropout float64 `json:"dropout,omitempty"`  // nsf with net residual: share of what a block computes that training leaves out
	NetNorm string  `json:"net_norm,omitempty"` // nsf with net residual: "none" or "batchnorm", inside the blocks
	Net     string  `json:"net,omitempty"`      // nsf, maf, iaf: "residual" (Depth blocks of two layers) or "mlp" (Depth hidden layers); realnvp-vector: "mlp"; glow: "conv"; all but maf and iaf also "transformer" (Depth blocks)

	Components int     `json:"components,omitempty"` // prior "mixture": K
	Covariance string  `json:"covariance,omitempty"` // of each component: "diagonal" or "full"
	Floor      float64 `json:"floor,omitempty"`      // least variance of a component, see NoiseFloor and RealFloor; of a gmm of images in intensities squared

	Patch int     `json:"patch,omitempty"` // jet, tarflow: a token is a patch of so many pixels squared
	Heads int     `json:"heads,omitempty"` // of transformers
	Noise float64 `json:"noise,omitempty"` // tarflow: images get Gaussian noise of this standard deviation in place of the noise of dequantisation; pixels are -1 to 1

	ODE ODE `json:"ode,omitzero"` // ffjord: how it is made and solved

	Layers string `json:"layers,omitempty"` // chain: the layers in the order in which data meets them, see chain

	// Of images: "uniform" (or "") noise spreads whole numbers, or "variational", a flow of DequantSteps couplings with networks of
	// DequantHidden channels; see dequant.go.
	Dequantization string `json:"dequantization,omitempty"`
	DequantSteps   int    `json:"dequant_steps,omitempty"`
	DequantHidden  int    `json:"dequant_hidden,omitempty"`

	Logit float64 `json:"logit,omitempty"` // alpha of logit(alpha + (1-alpha) x) before the flow; 0: the flow sees x-1/2
}

// D is the dimensions of one sample.
func (c Config) D() int { return c.Channels * c.Height * c.Width }

// vectors says whether samples are vectors of real numbers, and no images.
func (c Config) vectors() bool { return c.Height == 1 && c.Width == 1 && c.Intensities == 0 }

// kind is what a kind of model has of its own.
type kind struct {
	defaults Config              // for what is left empty
	choices  map[string][]string // allowed values by field
	check    func(c Config) error
	build    func(c Config, b *builder)
	plain    bool // without conditioners, and so without Hidden
}

var laws = map[string]device.Law{
	"sigmoid": device.SigmoidScale, "exp": device.ExpScale, "tanh": device.TanhScale, "additive": device.Additive,
	"shifted": device.GaussScale,
}

var netNames, normNames = []string{"residual", "mlp"}, []string{"none", "actnorm", "batchnorm"}

var lawNames = []string{"sigmoid", "exp", "tanh", "additive"}

func kindOf(name string) (kind, bool) {
	switch name {
	case "glow":
		return kind{
			defaults: Config{Coupling: "sigmoid", Net: "conv", Permutation: "lu", Prior: "learned"},
			choices: map[string][]string{"coupling": lawNames, "net": {"conv", "transformer"}, "permutation": {"lu", "reverse", "shuffle"},
				"prior": {"learned", "standard", "mixture"}},
			check: checkGlow, build: glow,
		}, true
	case "realnvp":
		return kind{
			defaults: Config{Coupling: "tanh", Prior: "standard", Layout: "notes"},
			choices:  map[string][]string{"coupling": lawNames, "prior": {"learned", "standard", "mixture"}, "layout": {"notes", "paper"}},
			check:    checkRealNVP, build: realnvp,
		}, true
	case "nice":
		return kind{
			defaults: Config{Prior: "logistic", Layout: "evenodd"},
			choices:  map[string][]string{"prior": {"logistic", "standard", "mixture"}, "layout": {"evenodd", "half"}},
			check:    checkNICE, build: nice,
		}, true
	case "realnvp-vector":
		return kind{
			defaults: Config{Coupling: "exp", Net: "mlp", Prior: "standard", Layout: "half", Norm: "none"},
			choices: map[string][]string{"coupling": lawNames, "net": {"mlp", "transformer"}, "prior": {"standard", "learned", "logistic", "mixture"},
				"layout": {"half", "evenodd"}, "norm": {"none", "actnorm", "batchnorm"}},
			check: checkRealNVPVector, build: realnvpVector,
		}, true
	case "nsf":
		return kind{
			defaults: Config{Curve: "rational", Domain: onLine, Net: "residual", NetNorm: "none", Permutation: "lu", Prior: "standard", Layout: "half", Norm: "none"},
			choices: map[string][]string{"curve": curveNames, "net": {"residual", "mlp", "transformer"}, "net norm": {"none", "batchnorm"},
				"permutation": {"lu", "reverse", "shuffle", "natural"}, "prior": {"standard", "learned", "logistic", "mixture", "uniform"},
				"layout": {"half", "evenodd"}, "norm": normNames, "domain": domainNames},
			check: checkNSF, build: nsf,
		}, true
	case "maf":
		return kind{
			defaults: Config{Curve: "affine", Domain: onLine, Net: "mlp", Permutation: "reverse", Prior: "standard", Norm: "batchnorm"},
			choices: map[string][]string{"curve": curveNames, "net": netNames, "permutation": {"reverse", "shuffle", "natural", "lu"},
				"prior": {"standard", "learned", "logistic", "mixture", "uniform"}, "norm": normNames, "domain": domainNames},
			check: checkMAF, build: maf,
		}, true
	case "iaf":
		return kind{
			defaults: Config{Curve: "affine", Domain: onLine, Net: "mlp", Permutation: "reverse", Prior: "standard", Norm: "none"},
			choices: map[string][]string{"curve": curveNames, "net": netNames, "permutation": {"reverse", "shuffle", "natural", "lu"},
				"prior": {"standard", "learned", "logistic", "mixture", "uniform"}, "norm": normNames, "domain": domainNames},
			check: checkMAF, build: iaf,
		}, true
	case "jet":
		return kind{
			defaults: Config{Coupling: "exp", Prior: "standard"},
			choices:  map[string][]string{"coupling": append([]string{"shifted"}, lawNames...), "prior": {"standard", "learned"}},
			check:    checkJet, build: jet,
		}, true
	case "tarflow":
		return kind{
			defaults: Config{Prior: "standard"}, choices: map[string][]string{"prior": {"standard"}},
			check: checkTarflow, build: tarflow,
		}, true
	case "flowpp":
		return kind{
			defaults: Config{Curve: "logistics", Permutation: "lu", Prior: "standard"},
			choices: map[string][]string{"curve": {"logistics"}, "permutation": {"lu", "reverse", "shuffle"},
				"prior": {"standard", "learned"}},
			check: checkFlowpp, build: flowpp,
		}, true
	case "chain":
		return kind{
			defaults: Config{Prior: "standard"}, choices: map[string][]string{"prior": {"standard", "logistic", "uniform", "beta"}},
			check: checkChain, build: chain, plain: true,
		}, true
	case "ffjord":
		return kind{
			defaults: Config{Prior: "standard", Norm: "none"},
			choices:  map[string][]string{"prior": {"standard", "learned", "logistic", "mixture"}, "norm": normNames},
			check:    checkFFJORD, build: ffjord,
		}, true
	case "gmm":
		return kind{
			defaults: Config{Prior: "mixture"}, choices: map[string][]string{"prior": {"mixture"}},
			check: checkGMM, build: gmm, plain: true,
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
	return []choice{{"coupling", &c.Coupling}, {"permutation", &c.Permutation}, {"prior", &c.Prior}, {"layout", &c.Layout}, {"norm", &c.Norm},
		{"curve", &c.Curve}, {"net", &c.Net}, {"net norm", &c.NetNorm}, {"domain", &c.Domain}}
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
	return c.curveDefaults().dequantDefaults().mixtureDefaults().odeDefaults()
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
		return fmt.Errorf("unknown kind of model %q: use glow, realnvp, nice, flowpp, jet, tarflow, realnvp-vector, nsf, maf, iaf, ffjord, chain or gmm", c.Kind)
	}
	c = c.withDefaults()
	for _, f := range c.choiceFields() {
		if allowed := k.choices[f.name]; len(allowed) > 0 && !slices.Contains(allowed, withoutNumbers(*f.value)) {
			return fmt.Errorf("unknown %s %q: %s takes %s", f.name, *f.value, c.Kind, strings.Join(allowed, ", "))
		} else if len(allowed) == 0 && *f.value != "" {
			return fmt.Errorf("%s is %q: %s has none, leave it empty", f.name, *f.value, c.Kind)
		}
	}
	hidden := number{"hidden", c.Hidden, 1, 1 << 14}
	if k.plain {
		hidden.least = 0
	}
	if err := inRange(
		number{"channels", c.Channels, 1, 1 << 10}, number{"height", c.Height, 1, 1 << 12}, number{"width", c.Width, 1, 1 << 12},
		number{"steps", c.Steps, 0, 1 << 12}, hidden, number{"depth", c.Depth, 0, 1 << 8},
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
	if c.Classes > 0 && c.Kind != "glow" && c.Kind != "tarflow" {
		return fmt.Errorf("classes is %d, but only glow and tarflow know of classes: leave it 0", c.Classes)
	}
	if c.Layers != "" && c.Kind != "chain" {
		return fmt.Errorf("layers is %q, but only a chain has them: leave it empty", c.Layers)
	}
	if err := c.checkTokens(); err != nil {
		return err
	}
	if err := c.checkColumns(); err != nil {
		return err
	}
	if err := c.checkContext(); err != nil {
		return err
	}
	if err := c.checkDequant(); err != nil {
		return err
	}
	if err := c.checkDropout(); err != nil {
		return err
	}
	if err := c.checkMixture(); err != nil {
		return err
	}
	if err := c.checkBounded(); err != nil {
		return err
	}
	if err := c.checkCurve(); err != nil {
		return err
	}
	if err := c.checkODE(); err != nil {
		return err
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
