package train

import (
	"fmt"
	"math"

	"cuflow/device"
	"cuflow/flowgpu"
)

// Config describes a run completely: with the same Config and the same kind of device, training gives the same bits. It is
// kept in the checkpoint, so that a run's folder is all that later commands need.
type Config struct {
	Preset string         `json:"preset"` // where the settings started from
	Model  flowgpu.Config `json:"model"`
	Data   string         `json:"data"` // "digits" or a folder of idx files
	Pad    bool           `json:"pad"`  // images smaller than the model's are padded to its size

	Batch    int         `json:"batch"`
	Steps    int         `json:"steps"`
	LR       float64     `json:"lr"`       // after warming up
	Warmup   int         `json:"warmup"`   // steps of linear rise
	Schedule string      `json:"schedule"` // after warming up: "constant" or "cosine"
	Adam     device.Adam `json:"adam"`     // of the loss in bits/dim: see stepping
	Seed     uint64      `json:"seed"`     // of weights, order and all noise

	Memory flowgpu.Mode `json:"memory"`
	Device string       `json:"device"` // as opened, such as "cpu:avx2"

	EvalEvery       int `json:"eval_every"`       // steps; 0: only at the end
	EvalSamples     int `json:"eval_samples"`     // held-out images scored before the end; 0: all. At the end it is always all
	SampleEvery     int `json:"sample_every"`     // steps; 0: only at the end
	CheckpointEvery int `json:"checkpoint_every"` // steps; 0: at the start, the end and when interrupted
	LogEvery        int `json:"log_every"`        // steps

	Samples     int     `json:"samples"`     // images of a sample grid
	Temperature float64 `json:"temperature"` // they are drawn at
}

// maxSteps keeps the step's number exact as a float32, as noise and optimiser take it.
const maxSteps = 1 << 24

// Validate says what is wrong with a setting, and what would be right. Its errors are UsageErrors.
func (c Config) Validate() error {
	if err := c.Model.Validate(); err != nil {
		return UsageError{fmt.Errorf("model: %w", err)}
	}
	if _, err := flowgpu.ParseMode(string(c.Memory)); err != nil {
		return UsageError{err}
	}
	if c.Schedule != constant && c.Schedule != cosine {
		return usagef("unknown schedule %q: use constant or cosine", c.Schedule)
	}
	for _, f := range []struct {
		name        string
		value       int
		least, most int
	}{
		{"batch", c.Batch, 1, 1 << 16},
		{"steps", c.Steps, 1, maxSteps},
		{"warmup", c.Warmup, 0, maxSteps},
		{"eval-every", c.EvalEvery, 0, maxSteps},
		{"eval-samples", c.EvalSamples, 0, math.MaxInt32},
		{"sample-every", c.SampleEvery, 0, maxSteps},
		{"checkpoint-every", c.CheckpointEvery, 0, maxSteps},
		{"log-every", c.LogEvery, 1, flowgpu.RingSize},
		{"samples", c.Samples, 1, maxGrid},
	} {
		if f.value < f.least || f.value > f.most {
			return usagef("--%s is %d: it must be from %d to %d", f.name, f.value, f.least, f.most)
		}
	}
	for _, f := range []struct {
		name  string
		value float64
		ok    bool
		want  string
	}{
		{"lr", c.LR, c.LR > 0 && c.LR <= 10, "above 0, and at most 10"},
		{"beta1", float64(c.Adam.Beta1), c.Adam.Beta1 >= 0 && c.Adam.Beta1 < 1, "from 0 to below 1"},
		{"beta2", float64(c.Adam.Beta2), c.Adam.Beta2 >= 0 && c.Adam.Beta2 < 1, "from 0 to below 1"},
		{"eps", float64(c.Adam.Eps), c.Adam.Eps > 0 && c.Adam.Eps <= 1, "above 0, and at most 1"},
		{"clip", float64(c.Adam.Clip), c.Adam.Clip >= 0 && c.Adam.Clip <= math.MaxFloat32, "0 (no clipping) or a positive number"},
		{"ema", float64(c.Adam.EMADecay), c.Adam.EMADecay >= 0 && c.Adam.EMADecay < 1, "from 0 (no averaging) to below 1"},
		{"temperature", c.Temperature, temperatureOK(c.Temperature), "from 0 to 10"},
	} {
		if !f.ok {
			return usagef("--%s is %g: it must be %s", f.name, f.value, f.want)
		}
	}
	return nil
}

func temperatureOK(t float64) bool { return t >= 0 && t <= 10 }

// stepping is how a Stepper trains the run. Steppers take the loss in nats; scaled by nats per bit/dim, clipping and epsilon act as
// on the loss in bits/dim, and so alike on images of all sizes.
func (c Config) stepping(mode flowgpu.Mode) flowgpu.StepConfig {
	a := c.Adam
	a.Clip *= float32(c.natsPerBit())
	a.Eps *= float32(c.natsPerBit())
	return flowgpu.StepConfig{Batch: c.Batch, Mode: mode, Adam: a, Seed: c.Seed}
}

// natsPerBit is what one bit/dim is of an image's log-likelihood, D ln 2.
func (c Config) natsPerBit() float64 { return float64(c.Model.D()) * math.Ln2 }

// optimizer is the name of the update rule.
func (c Config) optimizer() string {
	if c.Adam.Max {
		return "adamax"
	}
	return "adam"
}
