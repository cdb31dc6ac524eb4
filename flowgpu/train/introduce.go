package train

import (
	"fmt"
	"strings"

	"cuflow/flowgpu"
)

// introduce says what is about to be trained, on what, and where the result goes.
func (r *run) introduce() {
	c, set := r.cfg, r.train.Info()
	r.show.say("device    %s", c.Device)
	held := thousands(r.test.Info().N) + " held out"
	if c.vectors() {
		held = fmt.Sprintf("%s to validate and %s to test with", thousands(r.val.Info().N), thousands(r.test.Info().N))
	}
	r.show.say("data      %s: %ss to train on, %s", c.dataset(), thousands(set.N)+" "+c.unit().thing, held)
	r.show.say("model     %s: %s; %s parameters", c.Preset, describe(c.Model), thousands(r.model.NumParams()))
	r.show.say("memory    %s", r.memory())
	r.show.say("training  %s", c.describe())
	r.show.say("cadence   %s", c.cadence())
	if c.Patience > 0 && r.val == r.test {
		r.show.note("the held-out images choose among weights and score those chosen, so that the score flatters a little")
	}
	samples := samplesFolder + "/"
	if c.vectors() {
		samples = rowsFile
	}
	r.show.say("output    %s: %s, %s, %s, %s, events for TensorBoard", r.dir, checkpointFile, logFile, curvesFile, samples)
}

// describe names a model's architecture.
func describe(m flowgpu.Config) string {
	parts := []string{}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	shape := sampleShape(m)
	switch m.Kind {
	case "nice":
		add("NICE for %s", shape)
		add("%s by %s", plural(m.Steps, "additive coupling"), partition(m.Layout))
		add("%s of %s", plural(m.Depth, "hidden layer"), plural(m.Hidden, "unit"))
	case "realnvp":
		add("RealNVP for %s", shape)
		add("%s in the layout of the %s", plural(m.Levels, "level"), m.Layout)
		add("networks of %s and %s, doubled from level to level", plural(m.Depth, "residual block"), plural(m.Hidden, "channel"))
		add("%s coupling", m.Coupling)
	case "realnvp-vector":
		add("RealNVP for %s", shape)
		add("%s by %s", plural(m.Steps, m.Coupling+" coupling"), partition(m.Layout))
		add("%s of %s", plural(m.Depth, "hidden layer"), plural(m.Hidden, "unit"))
		if m.Norm != "none" {
			add("%s between", m.Norm)
		}
	case "nsf":
		add("neural spline flow for %s", shape)
		add("%s by %s", plural(m.Steps, curveName(m)+" coupling"), partition(m.Layout))
		addNetwork(add, m)
	case "maf", "iaf":
		name := "masked autoregressive flow"
		if m.Kind == "iaf" {
			name = "inverse autoregressive flow"
		}
		add("%s for %s", name, shape)
		add("%s", plural(m.Steps, curveName(m)+" layer"))
		addNetwork(add, m)
	case "jet", "tarflow":
		addTransformers(add, m)
	case "ffjord":
		describeODE(add, m, shape)
	case "flowpp":
		add("Flow++ for %s", shape)
		add("%s of %s", plural(2*m.Steps-1+m.Steps/2, "coupling"), curveName(m))
		add("%s of %s and %s", plural(m.Depth, "gated block"), plural(m.Hidden, "channel"), plural(m.Heads, "head"))
		if m.Dropout > 0 {
			add("dropout of %g", m.Dropout)
		}
	case "chain":
		add("chain for %s: %s", shape, m.Layers)
	case "gmm":
		add("mixture of %s for %s", plural(m.Components, "Gaussian"), shape)
		add("%s covariances, variances of at least %.3g", m.Covariance, m.Floor)
	default:
		add("Glow for %s", shape)
		add("%s of %s", plural(m.Levels, "level"), plural(m.Steps, "step"))
		add("%s", plural(m.Hidden, "hidden channel"))
		add("%s coupling", m.Coupling)
		add("%s permutation", m.Permutation)
	}
	switch {
	case m.Kind == "gmm":
	case m.Prior == "mixture":
		add("%s-covariance mixture prior of %s", m.Covariance, plural(m.Components, "Gaussian"))
	default:
		add("%s prior", m.Prior)
	}
	if m.Classes > 0 {
		add("%d classes", m.Classes)
	}
	if text := givenText(m); text != "" {
		add("given %s", text)
	}
	if text := noiseText(m); text != "" {
		add("%s", text)
	}
	if m.Logit > 0 {
		add("logit from %g", m.Logit)
	}
	return strings.Join(parts, ", ")
}

// curveName is the function that a coupling or a layer moves numbers by.
func curveName(m flowgpu.Config) string {
	switch m.Curve {
	case "affine":
		return m.Curve
	case "logistics":
		return fmt.Sprintf("mixture of %d logistics", m.Bins)
	case "gaussians":
		return fmt.Sprintf("mixture of %d Gaussians", m.Bins)
	}
	return fmt.Sprintf("%s spline of %s", m.Curve, plural(m.Bins, "bin"))
}

// addNetwork adds the networks of a flow with curves, and what is between its steps.
func addNetwork(add func(format string, args ...any), m flowgpu.Config) {
	parts := "hidden layer"
	switch m.Net {
	case "residual":
		parts = "residual block"
	case "transformer":
		parts = "transformer block"
	}
	add("%s of %s", plural(m.Depth, parts), plural(m.Hidden, "unit"))
	if m.NetNorm == "batchnorm" {
		add("batchnorm inside")
	}
	if m.Dropout > 0 {
		add("dropout of %g", m.Dropout)
	}
	if m.Domain == "circle" || m.Domain == "interval" {
		add("on the %s", m.Domain)
	}
	add("%s order", m.Permutation)
	if m.Norm != "none" {
		add("%s between", m.Norm)
	}
}

// partition says what the two parts of a coupling on vectors are.
func partition(layout string) string {
	if layout == "evenodd" {
		return "even and odd dimensions"
	}
	return "halves"
}

// sampleShape is what a model is for.
func sampleShape(m flowgpu.Config) string {
	switch {
	case !vectors(m):
		return size(m.Channels, m.Height, m.Width)
	case m.Channels == AutoDims:
		return "vectors"
	}
	return "vectors of " + plural(m.Channels, "dimension")
}

// dataset says what a run's images or vectors are and what is done to them.
func (c Config) dataset() string {
	if c.vectors() {
		return c.table()
	}
	parts := []string{c.Data, fmt.Sprintf("%d intensities", c.Model.Intensities)}
	add := func(when bool, format string, args ...any) {
		if when {
			parts = append(parts, fmt.Sprintf(format, args...))
		}
	}
	sides := fmt.Sprintf("%dx%d", c.Model.Height, c.Model.Width)
	add(c.Fit == pad, "padded to %s", sides)
	add(c.Fit == "crop", "cropped to %s", sides)
	add(c.Fit == "resize", "scaled to cover %s and cropped", sides)
	add(c.Channels > 0, "converted to %s", plural(c.Channels, "channel"))
	add(c.Bits > 0, "reduced to %s", plural(c.Bits, "bit"))
	add(c.Flip, "mirrored at random")
	add(c.Shift > 0, "moved at random by up to %s", plural(c.Shift, "pixel"))
	return strings.Join(parts, ", ")
}

// describe says how a run trains.
func (c Config) describe() string {
	if c.em() {
		return fmt.Sprintf("at most %s of EM, ending below a gain of %g %s; read in batches of %s, seed %d",
			plural(c.Steps, "iteration"), c.Tolerance, c.unit().name, plural(c.Batch, c.unit().thing), c.Seed)
	}
	parts := []string{
		fmt.Sprintf("%s of %s", plural(c.Steps, "step"), plural(c.Batch, c.unit().thing)),
		fmt.Sprintf("%s at %g (%s of warm-up, then %s)", c.optimizer(), c.LR, plural(c.Warmup, "step"), c.Schedule),
	}
	if c.Adam.Clip > 0 {
		parts = append(parts, fmt.Sprintf("gradient of %s clipped at %g", c.unit().name, c.Adam.Clip))
	}
	if c.Patience > 0 {
		parts = append(parts, fmt.Sprintf("stopped when %s bring no better one", plural(c.Patience, "validation")))
	}
	if c.Adam.EMADecay > 0 {
		parts = append(parts, fmt.Sprintf("weights averaged at %g", c.Adam.EMADecay))
	}
	return strings.Join(append(parts, fmt.Sprintf("seed %d", c.Seed)), ", ")
}

// cadence says how often what is done.
func (c Config) cadence() string {
	every := func(what string, n int) string {
		if n == 0 {
			return what + " at the end"
		}
		return fmt.Sprintf("%s every %s and at the end", what, plural(n, "step"))
	}
	validation := every("validation", c.EvalEvery)
	if c.EvalSamples > 0 && c.EvalEvery > 0 {
		validation += fmt.Sprintf(" (%s on the way)", plural(c.EvalSamples, c.unit().thing))
	}
	samples := every(plural(c.Samples, "sample")+fmt.Sprintf(" at temperature %g", c.Temperature), c.SampleEvery)
	if c.vectors() {
		samples = every(plural(c.Samples, "sample")+fmt.Sprintf(" at temperature %g", c.Temperature), 0)
	}
	return strings.Join([]string{
		fmt.Sprintf("a line every %s", plural(c.LogEvery, "step")), validation, samples, every("a checkpoint", c.CheckpointEvery),
	}, ", ")
}

// memory says what the run's mode takes, by part, and what the others would.
func (r *run) memory() string {
	m := r.stepper.Memory()
	text := fmt.Sprintf("%s in mode %s: parameters %s, optimiser %s, activations %s",
		mebibytes(m.Total()), r.cfg.Memory, mebibytes(m.Parameters), mebibytes(m.Optimiser), mebibytes(m.Activations))
	budgets, err := flowgpu.Plan(r.cfg.Model, r.cfg.stepping(r.cfg.Memory), modes()...)
	if err != nil {
		panic("train: a model that was built before cannot be planned")
	}
	for i, mode := range modes() {
		if mode != r.cfg.Memory {
			text += fmt.Sprintf("; %s would take %s", mode, mebibytes(budgets[i].Total()))
		}
	}
	return text
}
