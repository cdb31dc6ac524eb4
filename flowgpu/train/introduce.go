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
	r.show.say("data      %s: %s images to train on, %s held out", c.dataset(), thousands(set.N), thousands(r.test.Info().N))
	r.show.say("model     %s: %s; %s parameters", c.Preset, describe(c.Model), thousands(r.model.NumParams()))
	r.show.say("memory    %s", r.memory())
	r.show.say("training  %s", c.describe())
	r.show.say("cadence   %s", c.cadence())
	r.show.say("output    %s: %s, %s, %s, %s/, events for TensorBoard", r.dir, checkpointFile, logFile, curvesFile, samplesFolder)
}

// describe names a model's architecture.
func describe(m flowgpu.Config) string {
	parts := []string{}
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	shape := size(m.Channels, m.Height, m.Width)
	switch m.Kind {
	case "nice":
		add("NICE for %s", shape)
		add("%s by %s", plural(m.Steps, "additive coupling"), map[string]string{"evenodd": "even and odd dimensions", "half": "halves"}[m.Layout])
		add("%s of %s", plural(m.Depth, "hidden layer"), plural(m.Hidden, "unit"))
	case "realnvp":
		add("RealNVP for %s", shape)
		add("%s in the layout of the %s", plural(m.Levels, "level"), m.Layout)
		add("networks of %s and %s, doubled from level to level", plural(m.Depth, "residual block"), plural(m.Hidden, "channel"))
		add("%s coupling", m.Coupling)
	default:
		add("Glow for %s", shape)
		add("%s of %s", plural(m.Levels, "level"), plural(m.Steps, "step"))
		add("%s", plural(m.Hidden, "hidden channel"))
		add("%s coupling", m.Coupling)
		add("%s permutation", m.Permutation)
	}
	add("%s prior", m.Prior)
	if m.Classes > 0 {
		add("%d classes", m.Classes)
	}
	if m.Logit > 0 {
		add("logit from %g", m.Logit)
	}
	return strings.Join(parts, ", ")
}

// dataset says what a run's images are and what is done to them.
func (c Config) dataset() string {
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
	parts := []string{
		fmt.Sprintf("%s of %s", plural(c.Steps, "step"), plural(c.Batch, "image")),
		fmt.Sprintf("%s at %g (%s of warm-up, then %s)", c.optimizer(), c.LR, plural(c.Warmup, "step"), c.Schedule),
	}
	if c.Adam.Clip > 0 {
		parts = append(parts, fmt.Sprintf("gradient of bits/dim clipped at %g", c.Adam.Clip))
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
		validation += fmt.Sprintf(" (%s on the way)", plural(c.EvalSamples, "image"))
	}
	return strings.Join([]string{
		fmt.Sprintf("a line every %s", plural(c.LogEvery, "step")), validation,
		every(plural(c.Samples, "sample")+fmt.Sprintf(" at temperature %g", c.Temperature), c.SampleEvery),
		every("a checkpoint", c.CheckpointEvery),
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
