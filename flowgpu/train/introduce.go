package train

import (
	"fmt"
	"strings"

	"cuflow/device"
	"cuflow/flowgpu"
)

// introduce says what is about to be trained, on what, and where the result goes.
func (r *run) introduce() {
	c, set := r.cfg, r.train
	r.show.say("device    %s", c.Device)
	r.show.say("data      %s: %s images to train on, %s held out, %s, %d intensities",
		c.Data, thousands(set.N), thousands(r.test.N), size(set.C, set.H, set.W), set.Levels)
	r.show.say("model     %s: %s; %s parameters", c.Preset, describe(c.Model), thousands(r.model.NumParams()))
	r.show.say("memory    %s", r.memory())
	r.show.say("training  %s", c.describe())
	r.show.say("cadence   %s", c.cadence())
	r.show.say("output    %s: %s, %s, %s/", r.dir, checkpointFile, logFile, samplesFolder)
}

// describe names a model's architecture.
func describe(m flowgpu.Config) string {
	return fmt.Sprintf("Glow for %s, %s of %s, %d hidden channels, %s coupling, %s permutation, %s prior",
		size(m.Channels, m.Height, m.Width), plural(m.Levels, "level"), plural(m.Steps, "step"), m.Hidden, m.Coupling, m.Permutation, m.Prior)
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
	for _, mode := range []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible} {
		if mode != r.cfg.Memory {
			text += fmt.Sprintf("; %s would take %s", mode, mebibytes(r.cfg.plan(mode)))
		}
	}
	return text
}

// plan is the bytes that training takes in a mode, counted on a device that allocates nothing.
func (c Config) plan(mode flowgpu.Mode) int64 {
	m, err := flowgpu.New(&device.Tally{}, c.Model)
	if err != nil {
		panic("train: a model that was built before cannot be planned")
	}
	defer m.Close()
	s, err := flowgpu.NewStepper(m, c.stepping(mode))
	if err != nil {
		panic("train: a model that was built before cannot be planned")
	}
	defer s.Close()
	return s.Memory().Total()
}
