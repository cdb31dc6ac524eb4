package train

import (
	"encoding/json"
	"math"
	"strings"
	"testing"

	"cuflow/flowgpu"
)

func TestConfigValidate(t *testing.T) {
	if err := tiny(t).Validate(); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name   string
		change func(*Config)
		want   []string
	}{
		{"size not divisible", func(c *Config) { c.Model.Levels = 4 }, []string{"8x8", "not divisible by 16", "16x16"}},
		{"coupling", func(c *Config) { c.Model.Coupling = "linear" }, []string{`"linear"`, "sigmoid"}},
		{"memory", func(c *Config) { c.Memory = "disk" }, []string{`"disk"`, "stash, recompute or reversible"}},
		{"schedule", func(c *Config) { c.Schedule = "linear" }, []string{`"linear"`, "constant or cosine"}},
		{"batch", func(c *Config) { c.Batch = 0 }, []string{"--batch is 0", "from 1 to 65536"}},
		{"steps", func(c *Config) { c.Steps = 1<<24 + 1 }, []string{"--steps is 16777217", "16777216"}},
		{"warmup", func(c *Config) { c.Warmup = -1 }, []string{"--warmup is -1"}},
		{"log", func(c *Config) { c.LogEvery = 65 }, []string{"--log-every is 65", "from 1 to 64"}},
		{"eval", func(c *Config) { c.EvalEvery = -5 }, []string{"--eval-every is -5"}},
		{"samples", func(c *Config) { c.Samples = 1 << 20 }, []string{"--samples is 1048576"}},
		{"lr 0", func(c *Config) { c.LR = 0 }, []string{"--lr is 0", "above 0"}},
		{"lr NaN", func(c *Config) { c.LR = math.NaN() }, []string{"--lr is NaN"}},
		{"lr infinite", func(c *Config) { c.LR = math.Inf(1) }, []string{"--lr is +Inf"}},
		{"beta1", func(c *Config) { c.Adam.Beta1 = 1 }, []string{"--beta1 is 1"}},
		{"beta2", func(c *Config) { c.Adam.Beta2 = float32(math.NaN()) }, []string{"--beta2 is NaN"}},
		{"eps", func(c *Config) { c.Adam.Eps = 0 }, []string{"--eps is 0"}},
		{"clip", func(c *Config) { c.Adam.Clip = -1 }, []string{"--clip is -1"}},
		{"clip infinite", func(c *Config) { c.Adam.Clip = float32(math.Inf(1)) }, []string{"--clip is +Inf"}},
		{"ema", func(c *Config) { c.Adam.EMADecay = 1 }, []string{"--ema is 1"}},
		{"fit", func(c *Config) { c.Fit = "stretch" }, []string{`"stretch"`, "crop, resize or pad"}},
		{"channels", func(c *Config) { c.Channels = 2 }, []string{"--channels is 2", "3 (RGB)"}},
		{"channels of another model", func(c *Config) { c.Channels = 3 }, []string{"3 channels", "a model of 1"}},
		{"bits", func(c *Config) { c.Bits = 17 }, []string{"--bits is 17", "from 1 to 16"}},
		{"bits of another model", func(c *Config) { c.Bits = 5 }, []string{"5 bits", "17 intensities"}},
		{"validation", func(c *Config) { c.Validation = 1 }, []string{"--val-fraction is 1"}},
		{"validation NaN", func(c *Config) { c.Validation = math.NaN() }, []string{"--val-fraction is NaN"}},
		{"bad files", func(c *Config) { c.BadFiles = "hide" }, []string{`"hide"`, "fail or skip"}},
		{"workers", func(c *Config) { c.Workers = -1 }, []string{"--workers is -1"}},
		{"shift", func(c *Config) { c.Shift = 8 }, []string{"--shift", "8 pixels", "8x8"}},
		{"classes of another kind", func(c *Config) {
			c.Model = flowgpu.Config{Kind: "nice", Channels: 1, Height: 8, Width: 8, Intensities: 17, Steps: 2, Hidden: 4, Depth: 1, Classes: AutoClasses}
		}, []string{"only glow"}},
		{"temperature", func(c *Config) { c.Temperature = -0.1 }, []string{"--temperature is -0.1"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tiny(t)
			tc.change(&c)
			wantError(t, c.Validate(), true, tc.want...)
		})
	}
}

func TestConfigSurvivesJSON(t *testing.T) {
	c := tiny(t)
	c.LR, c.Adam.Clip, c.Adam.EMADecay, c.Seed = 1.0/3, 0.1, 0.999, 1<<63+1
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var back Config
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	if back != c {
		t.Errorf("came back as %+v, not %+v", back, c)
	}
}

// TestOldConfig: runs begun before there was Fit can still be used; settings of later versions are refused.
func TestOldConfig(t *testing.T) {
	var c Config
	if err := json.Unmarshal([]byte(`{"preset":"glow-mnist","pad":true,"batch":8}`), &c); err != nil || c.Fit != "pad" || c.Batch != 8 {
		t.Errorf("%+v, %v", c, err)
	}
	if err := json.Unmarshal([]byte(`{"pad":false}`), &c); err != nil {
		t.Error(err)
	}
	wantError(t, json.Unmarshal([]byte(`{"batch":8,"wings":2}`), new(Config)), false, "wings")
}

func TestPresets(t *testing.T) {
	for _, p := range Presets() {
		t.Run(p.Preset, func(t *testing.T) {
			if err := p.Validate(); err != nil {
				t.Error(err)
			}
			for what, text := range map[string]string{"title": p.Title, "source": p.Source, "expectation": p.Expect} {
				if text == "" {
					t.Error("no", what)
				}
			}
			if len(p.Deviations) == 0 {
				t.Error("no deviations: which two papers agree to the last line?")
			}
			if q, err := Preset(p.Preset); err != nil || q.Config != p.Config {
				t.Errorf("found as %+v, %v", q.Config, err)
			}
		})
	}
	short, err := Preset("mnist")
	if err != nil || short.Preset != "glow-mnist" {
		t.Errorf("mnist is %q, %v", short.Preset, err)
	}
	_, err = Preset("glow-imagenet")
	wantError(t, err, true, `"glow-imagenet"`, "glow-digits", "glow-mnist", "nice-cifar10")
}

// TestPresetPlans holds models to the numbers of parameters that are published or follow from their description.
func TestPresetPlans(t *testing.T) {
	for name, want := range map[string]int{
		"glow-cifar10": 44_149_548, // published: 44.0 million
		// published: 460.1 million; blocks of 8 layers of 12 C^2 + 13 C weights, and what is around them
		"tarflow-imagenet64": 8 * (8*(12*768*768+13*768) + 768*(12+1+32*32+2) + 24*768 + 24),
		"nice-digits":        4*(32*256+3*256*256+256*32+4*256+32) + 64,
		"nice-mnist":         4*(392*1000+4*1000*1000+1000*392+5*1000+392) + 784,
	} {
		p, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		b, err := flowgpu.Plan(p.Model, p.stepping(p.Memory), p.Memory)
		if err != nil || b[0].Params != want {
			t.Errorf("%s has %d parameters, want %d; %v", name, b[0].Params, want, err)
		}
	}
}

func TestRecipeWrite(t *testing.T) {
	for name, want := range map[string][]string{
		"glow-celeba256": {"256x256x3", "6 levels of 32 steps", "additive", "reduced to 5 bits", "175,088,220", "mode reversible: ", "(this preset's)", "1.03"},
		"realnvp-digits": {"RealNVP for 8x8x1", "layout of the notes", "2 residual blocks", "logit from 0.05", "Real NVP", "mode stash: ", " MFLOP"},
		"nice-digits":    {"NICE for 8x8x1", "4 additive couplings by even and odd dimensions", "4 hidden layers of 256 units", "logistic prior"},
		"glow-photos32":  {"mirrored at random", "data/photos32"},
		"glow-mnist":     {"padded to 32x32"},
	} {
		p, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		var b strings.Builder
		if err := p.Write(&b); err != nil {
			t.Fatal(err)
		}
		for _, w := range append(want, "source", "reaches", "deviations", "parameters", "to train on one image") {
			if !strings.Contains(b.String(), w) {
				t.Errorf("%s: no %q in\n%s", name, w, b.String())
			}
		}
	}
}

// TestNoAverageOfBatchNorm: the running statistics of batch normalisation belong to the last weights.
func TestNoAverageOfBatchNorm(t *testing.T) {
	for _, p := range Presets() {
		if p.Model.Kind == "realnvp" && p.Adam.EMADecay != 0 {
			t.Errorf("%s averages its weights", p.Preset)
		}
	}
}

// TestPresetShapes holds the presets to the sizes that their figures are published for.
func TestPresetShapes(t *testing.T) {
	for name, want := range map[string][8]int{ // C, H, W, intensities, L, S, hidden, batch
		"glow-digits": {1, 8, 8, 17, 2, 8, 64, 64},
		"glow-mnist":  {1, 32, 32, 256, 3, 8, 128, 64},
	} {
		p, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		m := p.Model
		got := [8]int{m.Channels, m.Height, m.Width, m.Intensities, m.Levels, m.Steps, m.Hidden, p.Batch}
		if got != want || p.LR != 1e-3 || p.Warmup != 200 || p.Adam.Clip != 50 {
			t.Errorf("%s is %v at %g after %d steps, clipped at %g", name, got, p.LR, p.Warmup, p.Adam.Clip)
		}
	}
}

func TestLearningRate(t *testing.T) {
	for _, tc := range []struct {
		schedule string
		warmup   int
		step     int
		want     float64
	}{
		{constant, 4, 1, 0.25}, {constant, 4, 3, 0.75}, {constant, 4, 4, 1}, {constant, 4, 5, 1}, {constant, 4, 11, 1},
		{constant, 0, 1, 1},
		{cosine, 4, 2, 0.5}, {cosine, 4, 4, 1},
		{cosine, 4, 8, 0.5}, // half way between step 4 and step 12, one after the last
		{cosine, 4, 11, (1 - math.Cos(math.Pi/8)) / 2},
		{cosine, 0, 6, 0.5},
		{cosine, 100, 11, 0.11}, // still warming up at the end
	} {
		c := Config{LR: 1, Warmup: tc.warmup, Steps: 11, Schedule: tc.schedule}
		if got := c.LearningRate(tc.step); math.Abs(got-tc.want) > 1e-15 {
			t.Errorf("%s after %d: step %d has %v, want %v", tc.schedule, tc.warmup, tc.step, got, tc.want)
		}
	}
	c := Config{LR: 1, Warmup: 3, Steps: 50, Schedule: cosine}
	for step := 4; step <= c.Steps; step++ {
		if a, b := c.LearningRate(step-1), c.LearningRate(step); !(0 < b && b < a) {
			t.Errorf("step %d has %v after %v", step, b, a)
		}
	}
}

// TestClippingIsPerBit: clipping and epsilon scale with the loss, so that a Stepper's nats train like bits/dim.
func TestClippingIsPerBit(t *testing.T) {
	c := tiny(t)
	c.Adam.Clip, c.Adam.Eps = 50, 1e-8
	a := c.stepping(c.Memory).Adam
	if scale := 64 * math.Ln2; math.Abs(float64(a.Clip)-50*scale) > 1e-3 || math.Abs(float64(a.Eps)-1e-8*scale) > 1e-12 || a.Beta2 != c.Adam.Beta2 {
		t.Errorf("%+v becomes %+v", c.Adam, a)
	}
}
