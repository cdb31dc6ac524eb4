package train

import (
	"encoding/json"
	"math"
	"testing"
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
	wantError(t, err, true, `"glow-imagenet"`, "glow-digits", "glow-mnist")
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
