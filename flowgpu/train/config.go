package train

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// Config describes a run completely: with the same Config and the same kind of device, training gives the same bits. It is
// kept in the checkpoint, so that a run's folder is all that later commands need.
type Config struct {
	Preset string         `json:"preset"` // where the settings started from
	Model  flowgpu.Config `json:"model"`

	Data       string  `json:"data"`                 // what data.OpenWith takes, or of vectors data.OpenVectors
	Fit        string  `json:"fit"`                  // how images of another size than the model's are made to fit: "crop", "resize", "pad", or "" not
	Channels   int     `json:"channels"`             // that images are converted to: 1, 3 or 4; 0: as the data has them
	Bits       int     `json:"bits"`                 // that intensities are reduced to; 0: as the data has them
	Validation float64 `json:"val_fraction"`         // share held out where the data has no split of its own; 0: a tenth
	BadFiles   string  `json:"bad_files"`            // pictures that cannot be read: "fail" (or "") or "skip"
	Flip       bool    `json:"flip"`                 // training images are mirrored at random
	Shift      int     `json:"shift"`                // and moved by up to so many pixels
	Workers    int     `json:"workers"`              // images read at once; 0: as the data needs
	SplitSeed  uint64  `json:"split_seed,omitempty"` // of what is held out where the data has no split of its own

	// Of vectors; see data.VectorOptions.
	Columns   string `json:"columns,omitempty"` // names between commas; "": all
	Context   string `json:"context,omitempty"` // of a conditional model, what it is told: names between commas, NAME:class for categories in numbers
	Range     string `json:"range,omitempty"`   // LO,HI: of a model on a circle or an interval, what of it is in the units of the data
	Delimiter string `json:"delimiter,omitempty"`
	Header    string `json:"header,omitempty"`
	Missing   string `json:"missing,omitempty"`
	Quantum   string `json:"quantum,omitempty"`
	Raw       bool   `json:"raw,omitempty"`

	// Patience is the number of validations without a new best one after which training ends; the weights of the best one are
	// then the run's. 0: training goes on to the last step, whose weights they are.
	Patience int `json:"patience,omitempty"`

	Method    string  `json:"method,omitempty"`    // "gradient" (or ""), or "em": Steps are then iterations, at most
	Tolerance float64 `json:"tolerance,omitempty"` // em: least gain of an iteration, in bits/dim or nats of a vector, for another to follow

	Batch    int         `json:"batch"`
	Steps    int         `json:"steps"`
	LR       float64     `json:"lr"`       // after warming up
	Warmup   int         `json:"warmup"`   // steps of linear rise
	Schedule string      `json:"schedule"` // after warming up: "constant" or "cosine"
	Adam     device.Adam `json:"adam"`     // of the loss in bits/dim, of vectors in nats: see stepping
	Seed     uint64      `json:"seed"`     // of weights, order and all noise

	Memory flowgpu.Mode `json:"memory"`
	Device string       `json:"device"` // as opened, such as "cpu:avx2"

	Precision string `json:"precision,omitempty"` // of conditioners' products: "fp32", "tf32" or "bf16"; "": as suits the device
	NoGraph   bool   `json:"no_graph,omitempty"`  // a GPU's steps are enqueued op by op

	EvalEvery       int `json:"eval_every"`       // steps; 0: only at the end
	EvalSamples     int `json:"eval_samples"`     // held-out images scored before the end; 0: all. At the end it is always all
	SampleEvery     int `json:"sample_every"`     // steps; 0: only at the end
	CheckpointEvery int `json:"checkpoint_every"` // steps; 0: at the start, the end and when interrupted
	LogEvery        int `json:"log_every"`        // steps

	Samples     int     `json:"samples"`     // images of a sample grid
	Temperature float64 `json:"temperature"` // they are drawn at
}

// pad is the Fit that puts images in the middle of zeros.
const pad = "pad"

// maxWorkers is more than any machine has use for.
const maxWorkers = 1 << 10

// maxSteps keeps the step's number exact as a float32, as noise and optimiser take it.
const maxSteps = 1 << 24

// Validate says what is wrong with a setting, and what would be right. Its errors are UsageErrors.
func (c Config) Validate() error {
	m := c.Model
	if m.Classes == AutoClasses {
		m.Classes = 1 // there is at least that
	}
	if m.Channels == AutoDims {
		m.Channels = nominalDims
	}
	if err := m.Validate(); err != nil {
		return UsageError{fmt.Errorf("model: %w", err)}
	}
	if err := c.validateData(); err != nil {
		return UsageError{err}
	}
	if err := c.checkContext(); err != nil {
		return UsageError{err}
	}
	if _, err := c.scale(); err != nil {
		return UsageError{err}
	}
	if err := c.validateMethod(); err != nil {
		return UsageError{err}
	}
	if _, err := flowgpu.ParseMode(string(c.Memory)); err != nil {
		return UsageError{err}
	}
	if c.Patience > 0 && c.EvalEvery == 0 {
		return usagef("--patience is %d, but there is no validation before the end: give --eval-every too", c.Patience)
	}
	if c.Schedule != constant && c.Schedule != cosine {
		return usagef("unknown schedule %q: use constant or cosine", c.Schedule)
	}
	samples := maxGrid
	if c.vectors() {
		samples = maxRows
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
		{"samples", c.Samples, 1, samples},
		{"patience", c.Patience, 0, maxSteps},
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

// validateData checks how images are read.
func (c Config) validateData() error {
	switch {
	case c.Fit != "" && c.Fit != "crop" && c.Fit != "resize" && c.Fit != pad:
		return fmt.Errorf("unknown --fit %q: use crop, resize or pad", c.Fit)
	case c.Channels != 0 && !convertible(c.Channels):
		return fmt.Errorf("--channels is %d: it must be 1 (grey), 3 (RGB) or 4 (RGBA)", c.Channels)
	case c.Channels != 0 && c.Channels != c.Model.Channels:
		return fmt.Errorf("images converted to %s for a model of %d: they must agree", plural(c.Channels, "channel"), c.Model.Channels)
	case c.Bits < 0 || c.Bits > 16:
		return fmt.Errorf("--bits is %d: it must be from 1 to 16, or 0 for those of the data", c.Bits)
	case c.Bits > 0 && c.Model.Intensities != 1<<c.Bits:
		return fmt.Errorf("images reduced to %s for a model of %d intensities: they must agree", plural(c.Bits, "bit"), c.Model.Intensities)
	case c.vectors():
		return c.validateVectors()
	case !(c.Validation >= 0 && c.Validation < 1):
		return fmt.Errorf("--val-fraction is %g: it must be from 0 (a tenth) to below 1", c.Validation)
	case c.BadFiles != "" && c.BadFiles != "fail" && c.BadFiles != "skip":
		return fmt.Errorf("unknown --bad-files %q: use fail or skip", c.BadFiles)
	case c.Workers < 0 || c.Workers > maxWorkers:
		return fmt.Errorf("--workers is %d: it must be from 0 (as many as the data needs) to %d", c.Workers, maxWorkers)
	}
	if err := c.imageOnly(); err != nil {
		return err
	}
	if err := c.augment().Check(c.Model.Height, c.Model.Width); err != nil {
		return fmt.Errorf("--shift: %w", err)
	}
	return nil
}

// augment is what happens to training images alone.
func (c Config) augment() data.Augment { return data.Augment{Flip: c.Flip, Shift: c.Shift} }

// UnmarshalJSON knows all settings and refuses others. Runs begun before there was Fit have "pad" instead.
func (c *Config) UnmarshalJSON(text []byte) error {
	type plain Config // without this method
	settings := struct {
		*plain
		Pad bool `json:"pad"`
	}{plain: (*plain)(c)}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&settings); err != nil {
		return err
	}
	if settings.Pad {
		c.Fit = pad
	}
	return nil
}

// choice is what the run computes on. say is told what device.Choice tells.
func (c Config) choice(say func(string)) device.Choice {
	return device.Choice{Name: c.Device, Precision: c.Precision, NoGraph: c.NoGraph, Say: say}
}

func temperatureOK(t float64) bool { return t >= 0 && t <= 10 }

// stepping is how a Stepper trains the run. Steppers take the loss in nats; scaled by nats per bit/dim, clipping and epsilon act as
// on the loss in bits/dim, and so alike on images of all sizes. On vectors they act on nats.
func (c Config) stepping(mode flowgpu.Mode) flowgpu.StepConfig {
	a := c.Adam
	a.Clip *= float32(c.unit().nats)
	a.Eps *= float32(c.unit().nats)
	return flowgpu.StepConfig{Batch: c.Batch, Mode: mode, Adam: a, Seed: c.Seed, ReverseEvery: c.LogEvery}
}

// optimizer is the name of the update rule.
func (c Config) optimizer() string {
	if c.Adam.Max {
		return "adamax"
	}
	return "adam"
}
