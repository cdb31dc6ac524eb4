package train

import (
	"bytes"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"

	"github.com/sbinet/npyio/npz"
)

// tinyVectors is a run on vectors that takes a fraction of a second.
func tinyVectors(t *testing.T, set string) Config {
	t.Helper()
	p, err := Preset("realnvp-tab")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Data = set
	c.Model.Steps, c.Model.Hidden, c.Model.Depth = 3, 8, 1
	c.Batch, c.Steps, c.Warmup, c.LR = 32, 12, 4, 1e-3
	c.LogEvery, c.EvalEvery, c.CheckpointEvery, c.EvalSamples, c.Patience = 3, 4, 5, 0, 0
	c.Samples, c.Device = 7, "cpu"
	return c
}

// tableFile writes a .csv of n rows: a is normal with mean 50 and standard deviation 4, b depends on it, c is 0 to 9 in steps of 3.
func tableFile(t *testing.T, n int) string {
	t.Helper()
	r := rand.New(rand.NewPCG(1, 2))
	var b strings.Builder
	b.WriteString("a,b,c\n")
	for range n {
		a := 50 + 4*r.NormFloat64()
		fmt.Fprintf(&b, "%v,%v,%d\n", a, 1e-3*(a+r.NormFloat64()), 3*r.IntN(4))
	}
	path := filepath.Join(t.TempDir(), "t.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestVectorRun: what a run on a table leaves, says and scores.
func TestVectorRun(t *testing.T) {
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "run")
	env := quiet()
	env.Out = &out
	r, err := Start(context.Background(), tinyVectors(t, tableFile(t, 600)), dir, env)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"note ", "c 3)", "to validate and", "RealNVP for vectors of 3 dimensions", "3 exp couplings by halves", "clipped at 50", "samples.csv",
		" nats  ", "samples/s", "nats (", "per dimension"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in\n%s", want, out.String())
		}
	}
	for _, not := range []string{"bits/dim", "image"} {
		if strings.Contains(out.String(), not) {
			t.Errorf("%q is said of vectors:\n%s", not, out.String())
		}
	}
	var l Line
	texts := lines(t, dir)
	if err := json.Unmarshal([]byte(texts[len(texts)-1]), &l); err != nil {
		t.Fatal(err)
	}
	if l.Validation == nil || l.Nats == 0 || l.Validation.Stderr <= 0 || strings.Contains(texts[0]+texts[len(texts)-1], "bits_per_dim") {
		t.Errorf("the last line is %s", texts[len(texts)-1])
	}
	if r.Score.Dims != 3 || r.Score.BitsPerDim != 0 || r.Score.Nats == l.Nats || filepath.Base(r.Samples) != "samples.csv" {
		t.Errorf("result %+v", r)
	}
	if _, err := os.Stat(filepath.Join(dir, samplesFolder)); err == nil {
		t.Error("a folder of grids of vectors")
	}
	if _, err := os.Stat(filepath.Join(dir, curvesFile)); err != nil {
		t.Error(err)
	}
	e, err := Evaluate(context.Background(), dir, Detail{Terms: true, K: 3}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if e.Score != r.Score || e.Exact != nil || e.Discrete != nil {
		t.Errorf("evaluated as %+v, trained to %+v", e, r.Score)
	}
	if b := e.Breakdown; math.Abs(b.Sum*3*math.Ln2-e.Nats) > 1e-3 || b.Terms[0].Name != "units" || b.Terms[0].Kind != "preprocessing" {
		t.Errorf("breakdown %+v of %v nats", b, e.Nats)
	}
	if b := e.Bound; b.One != e.Score || b.Nats > e.Nats+1e-9 || math.Abs(b.One.Nats-b.Nats-b.Gain) > 1e-9 || b.GainStderr <= 0 {
		t.Errorf("bound %+v", b)
	}
	var shown bytes.Buffer
	if err := Inspect(dir, &shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"column", "std", "a ", "b ", "standardised", "coupling3", "nats"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("inspect lacks %q:\n%s", want, shown.String())
		}
	}
}

// TestVectorScoreIsOfTheDataItself: a flow that is the identity is a Gaussian of each column's mean and standard deviation, and
// scores what that Gaussian takes in the units of the data, whatever these are.
func TestVectorScoreIsOfTheDataItself(t *testing.T) {
	c := tinyVectors(t, tableFile(t, 3000))
	c.Steps, c.LR, c.Warmup, c.EvalEvery = 1, 1e-12, 0, 0
	for _, raw := range []bool{false, true} {
		c.Raw, c.Columns = raw, "a,b"
		if raw { // the identity is then the standard normal itself, which hardly fits
			c.Columns = "b,c"
		}
		dir := start(t, c)
		s := checkpoint(t, dir)
		parts, err := s.Config.open(nil)
		if err != nil {
			t.Fatal(err)
		}
		test := parts.test.(*data.Vectors)
		want, v := 0., make([]float64, 2)
		for i := range test.Info().N {
			test.Row(i, v)
			for d, column := range test.Columns() {
				x := v[d] + column.Step/2 // the middle of the noise, whose variance adds to the mean square
				x, noise := (x-column.Mean)/column.Std, column.Step/column.Std
				want += (x*x+noise*noise/12)/2 + math.Log(2*math.Pi)/2 + math.Log(column.Std)
			}
		}
		want /= float64(test.Info().N)
		tolerance := 1e-4
		if raw {
			tolerance = 0.2 // the noise of some 300 rows on a step of 3, on values up to 9
		}
		if got := s.Position.Final.Nats; math.Abs(got-want) > tolerance {
			t.Errorf("raw %v: scored %v nats, want %v", raw, got, want)
		}
	}
	// A Gaussian's entropy, in units that the table has: that of a is log(4 sqrt(2 pi e)).
	c.Raw, c.Columns = false, "a,b"
	dir := start(t, c)
	entropy := math.Log(4*math.Sqrt(2*math.Pi*math.E)) + math.Log(1e-3*math.Sqrt(17)*math.Sqrt(2*math.Pi*math.E))
	if s := checkpoint(t, dir).Position.Final; math.Abs(s.Nats-entropy) > 4*s.Stderr {
		t.Errorf("two Gaussians score %v, their entropies are %v", s, entropy)
	}
}

// TestDiscreteBound: on whole numbers a model is bounded by what a uniform distribution would take, however they are scaled.
func TestDiscreteBound(t *testing.T) {
	for step, want := range map[int]float64{1: 2.5, 100: 2.5 - 2*math.Log(100)} {
		columns := []data.Column{{Step: float64(step), Std: 3}, {Step: float64(step), Std: 5}}
		if got := discrete(columns, 2.5); math.Abs(*got-want) > 1e-12 {
			t.Errorf("steps of %d: %v, want %v", step, *got, want)
		}
	}
	if discrete([]data.Column{{Step: 1}, {}}, 1) != nil {
		t.Error("a column without a step has a bound")
	}
	c := tinyVectors(t, tableFile(t, 600))
	c.Columns = "c,a"
	c.Quantum = "c=3"
	if e, err := Evaluate(context.Background(), start(t, c), Detail{}, Use{}, quiet()); err != nil || e.Discrete != nil {
		t.Errorf("a real column: %+v, %v", e, err)
	}
}

// TestToyRun: the score of a toy comes with that of its true density.
func TestToyRun(t *testing.T) {
	c := tinyVectors(t, "correlated:2000")
	c.Steps, c.LR = 40, 5e-3
	dir := start(t, c)
	e, err := Evaluate(context.Background(), dir, Detail{}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	x := e.Exact
	if x == nil || math.Abs(x.Entropy-2.837877) > 1e-5 || math.Abs(x.Nats-x.Entropy) > 0.02 || math.Abs(e.Nats-x.Nats-x.KL) > 1e-9 || !(x.KL > 3*x.KLStderr) || x.KLStderr <= 0 {
		t.Errorf("exact %+v of %+v", x, e.Score)
	}
	if x.KLStderr > e.Stderr {
		t.Errorf("differences vary by %v, more than the score by %v", x.KLStderr, e.Stderr)
	}
}

// overfit is a run that learns 40 rows by heart, and so stops early.
func overfit(t *testing.T) Config {
	c := tinyVectors(t, tableFile(t, 60))
	c.Model.Hidden, c.Model.Depth, c.Validation, c.SplitSeed = 32, 2, 0.25, 3
	c.Batch, c.Steps, c.LR, c.Warmup, c.Adam.EMADecay = 16, 400, 2e-2, 0, 0.5
	c.EvalEvery, c.Patience, c.CheckpointEvery, c.LogEvery = 3, 4, 7, 5
	return c
}

// TestEarlyStopping: the run ends when patience does, with the weights of the best validation.
func TestEarlyStopping(t *testing.T) {
	c := overfit(t)
	var out bytes.Buffer
	dir := filepath.Join(t.TempDir(), "run")
	env := quiet()
	env.Out = &out
	r, err := Start(context.Background(), c, dir, env)
	if err != nil {
		t.Fatal(err)
	}
	var bestStep int
	least := math.Inf(1)
	for _, text := range lines(t, dir) {
		var l Line
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		if l.Validation != nil && l.Nats < least {
			least, bestStep = l.Nats, l.Step
		}
	}
	if r.Steps >= c.Steps || r.Steps != bestStep+c.Patience*c.EvalEvery || r.Best != bestStep {
		t.Errorf("stopped after %d steps with the weights of step %d; the best was step %d", r.Steps, r.Best, bestStep)
	}
	if !strings.Contains(out.String(), "stopped; the best was that of step "+strconv.Itoa(bestStep)) {
		t.Errorf("not told:\n%s", out.String())
	}
	// The weights are those that a run of so many steps ends with.
	short := c
	short.Steps, short.Patience = bestStep, 0
	alone := start(t, short)
	a, err := Evaluate(context.Background(), dir, Detail{}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if b := checkpoint(t, alone).Position.Final; a.Score != *b || a.Score != r.Score {
		t.Errorf("scored %v, a run of %d steps %v", a.Score, bestStep, b)
	}
	for file, want := range map[string]string{"": "best", "raw.npz": "raw", "ema.npz": "ema"} {
		x := Exporting{}
		if file != "" {
			x = Exporting{Weights: want, Out: filepath.Join(t.TempDir(), file)}
		}
		if e, err := Export(dir, x, quiet()); err != nil || e.Weights != want {
			t.Errorf("exported %+v, %v, want the %s weights", e, err, want)
		}
	}
	// Done is done; with more patience it goes on.
	again, err := Resume(context.Background(), dir, func(*Config) {}, quiet())
	if err != nil || again.Steps != r.Steps || again.Score != r.Score {
		t.Errorf("resumed to %+v, %v", again, err)
	}
	more, err := Resume(context.Background(), dir, func(c *Config) { c.Patience = 6 }, quiet())
	if err != nil || more.Steps <= r.Steps {
		t.Errorf("with more patience %+v, %v", more, err)
	}
}

// TestResumeOfEarlyStopping stops a run at every third place where it may be stopped, and goes on with it: it ends with the same bits,
// the best weights among them, and the same log.
func TestResumeOfEarlyStopping(t *testing.T) {
	c := overfit(t)
	straight := start(t, c)
	if checkpoint(t, straight).Position.Best == nil {
		t.Fatal("no best weights")
	}
	places := 0
	for ; ; places += 3 { // between steps, in validations and in the last scoring of the test part
		dir := t.TempDir()
		_, err := Start(&countdown{context.Background(), places}, c, dir, quiet())
		if err == nil {
			break
		}
		if !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped at place %d: %v", places, err)
		}
		if _, err := Resume(context.Background(), dir, func(*Config) {}, quiet()); err != nil {
			t.Fatalf("resumed at place %d: %v", places, err)
		}
		wantSameVectorRun(t, dir, straight)
	}
	if last := checkpoint(t, straight).Position.Step; places < last {
		t.Errorf("stopped at %d places in %d steps", places, last)
	}
}

// wantSameVectorRun is wantSameRun for positions with a best validation.
func wantSameVectorRun(t *testing.T, got, want string) {
	t.Helper()
	wantSameRun(t, got, want)
	a, b := checkpoint(t, got).Position, checkpoint(t, want).Position
	if a.Best.Step != b.Best.Step || a.Best.Score != b.Best.Score || a.Stale != b.Stale || a.Step != b.Step {
		t.Errorf("best %+v after %d, %d stale, not %+v after %d, %d stale", a.Best, a.Step, a.Stale, b.Best, b.Step, b.Stale)
	}
}

// TestSampledRows look like the data: its columns, its units, its steps.
func TestSampledRows(t *testing.T) {
	dir := start(t, tinyVectors(t, tableFile(t, 600)))
	file, arrays := filepath.Join(t.TempDir(), "s.csv"), filepath.Join(t.TempDir(), "s.npz")
	g := Sampling{N: 500, Seed: 3, Class: AllClasses, Picture: file, Arrays: arrays}
	if err := Sample(dir, &g, Use{}, quiet()); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(g.Temperatures, []float64{1}) {
		t.Errorf("drawn at %v", g.Temperatures)
	}
	read := func(path string) [][]string {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		rows, err := csv.NewReader(f).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		return rows
	}
	rows := read(file)
	if len(rows) != 501 || !slices.Equal(rows[0], []string{"a", "b", "c"}) {
		t.Fatalf("%d rows under %q", len(rows), rows[0])
	}
	shape, continuous := readArray[float64](t, arrays, "continuous")
	if !slices.Equal(shape, []int{1, 500, 3}) {
		t.Fatalf("shape %v", shape)
	}
	var mean float64
	for i, row := range rows[1:] {
		a, errA := strconv.ParseFloat(row[0], 64)
		c, errC := strconv.Atoi(row[2])
		if errA != nil || errC != nil || c%3 != 0 {
			t.Fatalf("row %d is %q", i, row)
		}
		if math.Abs(a-continuous[3*i]) > 1e-5 || float64(c) > continuous[3*i+2] || continuous[3*i+2] >= float64(c)+3 {
			t.Fatalf("row %d is %q, continuous %v", i, row, continuous[3*i:3*i+3])
		}
		mean += a / 500
	}
	if math.Abs(mean-50) > 2 {
		t.Errorf("a has the mean %v", mean)
	}
	g = Sampling{N: 2, Temperatures: []float64{0, 1}, Class: AllClasses, Picture: file}
	if err := Sample(dir, &g, Use{}, quiet()); err != nil {
		t.Fatal(err)
	}
	rows = read(file)
	if len(rows) != 5 || rows[0][0] != "temperature" || rows[1][0] != "0" || rows[4][0] != "1" || !slices.Equal(rows[1], rows[2]) {
		t.Errorf("two temperatures: %q", rows)
	}
	if r, err := npz.Open(arrays); err != nil || !slices.Contains(r.Keys(), "rounded.npy") {
		t.Errorf("arrays %v, %v", r, err)
	}
	_, err := Interpolate(dir, "test:0", "test:1", Way{Steps: 3}, Use{}, quiet())
	wantError(t, err, true, "vectors", "images")
	_, err = Reconstruct(dir, Mirror{N: 1}, Use{}, quiet())
	wantError(t, err, true, "vectors", "images")
}

func TestRatedVectors(t *testing.T) {
	path := tableFile(t, 600)
	dir := start(t, tinyVectors(t, path))
	scores := filepath.Join(t.TempDir(), "s.csv")
	r, err := Rate(context.Background(), dir, Rating{Images: []string{"test"}, CSV: scores, Best: 2, Worst: 2, Picking: Picking{Class: AllClasses}}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	want := checkpoint(t, dir).Position.Final
	if math.Abs(r.Nats-want.Nats) > 1e-9 || math.Abs(r.Stderr-want.Stderr) > 1e-9 || r.Dims != 3 || r.N != want.N || r.Best[0].LogP < r.Worst[0].LogP {
		t.Errorf("rated %+v, evaluated %+v", r.Score, want)
	}
	text, err := os.ReadFile(scores)
	if err != nil || !strings.HasPrefix(string(text), "name,logp\ntest:0,") {
		t.Errorf("scores %.40q, %v", text, err)
	}
	// A table of other rows, with more columns, in another order.
	other := filepath.Join(t.TempDir(), "new.csv")
	if err := os.WriteFile(other, []byte("word,c,b,a\nx,3,0.05,50\ny,3,9,50\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if r, err = Rate(context.Background(), dir, Rating{Images: []string{other}, Worst: 1, Picking: Picking{Class: AllClasses}}, Use{}, quiet()); err != nil {
		t.Fatal(err)
	}
	if r.N != 2 || r.Worst[0].Name != other+":1" {
		t.Errorf("rated %+v", r)
	}
	for arg, want := range map[string]string{"val:99999": "val:0 to val:", "nowhere.csv": "no such file"} {
		_, err := Rate(context.Background(), dir, Rating{Images: []string{arg}, Picking: Picking{Class: AllClasses}}, Use{}, quiet())
		wantError(t, err, strings.HasPrefix(arg, "val"), want)
	}
	_, err = Rate(context.Background(), dir, Rating{Images: []string{"test"}, Best: 1, Picture: "x.png", Picking: Picking{Class: AllClasses}}, Use{}, quiet())
	wantError(t, err, true, "vectors", "--csv")
	// Evaluation on other data takes the model's columns as they are.
	if err := os.WriteFile(other, []byte("a,b\n1,2\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	_, err = Evaluate(context.Background(), dir, Detail{}, Use{Data: other}, quiet())
	wantError(t, err, false, `no column "c"`)
}

// TestExportedVectors: an exported model comes back with its columns.
func TestExportedVectors(t *testing.T) {
	path := tableFile(t, 600)
	dir := start(t, tinyVectors(t, path))
	for _, format := range []string{"safetensors", "npz"} {
		x, err := Export(dir, Exporting{Format: format, Out: filepath.Join(t.TempDir(), "w."+format)}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		out := filepath.Join(t.TempDir(), "run")
		if _, err := Import(x.Path, Importing{Data: path, Out: out}, quiet()); err != nil {
			t.Fatal(err)
		}
		e, err := Evaluate(context.Background(), out, Detail{}, Use{}, quiet())
		if err != nil || e.Score != *checkpoint(t, dir).Position.Final {
			t.Errorf("%s: comes back with %+v, %v", format, e, err)
		}
	}
}

func TestVectorErrors(t *testing.T) {
	path := tableFile(t, 600)
	for name, tc := range map[string]struct {
		change func(*Config)
		usage  bool
		want   []string
	}{
		"column":    {func(c *Config) { c.Columns = "a,d" }, false, []string{`no column "d"`}},
		"one":       {func(c *Config) { c.Columns = "a" }, false, []string{"a coupling needs two dimensions"}},
		"batch":     {func(c *Config) { c.Batch = 600 }, true, []string{"fewer than one batch of 600"}},
		"flip":      {func(c *Config) { c.Flip = true }, true, []string{"--flip", "for images"}},
		"fit":       {func(c *Config) { c.Fit = pad }, true, []string{"--fit", "for images"}},
		"grids":     {func(c *Config) { c.SampleEvery = 5 }, true, []string{"--sample-every", "at the end"}},
		"share":     {func(c *Config) { c.Validation = 0.6 }, true, []string{"--val-fraction is 0.6"}},
		"patience":  {func(c *Config) { c.Patience, c.EvalEvery = 3, 0 }, true, []string{"--patience is 3", "--eval-every"}},
		"negative":  {func(c *Config) { c.Patience = -1 }, true, []string{"--patience is -1"}},
		"norm":      {func(c *Config) { c.Model.Norm = "layer" }, true, []string{`norm "layer"`, "actnorm"}},
		"levels":    {func(c *Config) { c.Model.Levels = 2 }, true, []string{"levels is 2"}},
		"quantum":   {func(c *Config) { c.Quantum = "a=1" }, false, []string{"no multiple of 1"}},
		"header":    {func(c *Config) { c.Header = "no" }, false, []string{`"a", which is no number`}},
		"not there": {func(c *Config) { c.Data = path + "x" }, false, []string{"no such file"}},
		"dims":      {func(c *Config) { c.Model.Channels = 2 }, false, []string{"3 dimensions", "takes 2", "--columns"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := tinyVectors(t, path)
			tc.change(&c)
			dir := filepath.Join(t.TempDir(), "run")
			_, err := Start(context.Background(), c, dir, quiet())
			wantError(t, err, tc.usage, tc.want...)
			if _, err := os.Stat(dir); err == nil {
				t.Error("a run that was not started left a folder")
			}
		})
	}
	c := tiny(t)
	c.Columns = "a"
	_, err := Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), quiet())
	wantError(t, err, true, "--columns", "for vectors")
	c = tiny(t)
	c.Data = path
	_, err = Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), quiet())
	wantError(t, err, false, "vectors, not images", "realnvp-tab")
}

// TestVectorPresetsRun: the presets' own models take a step on the data that they are for.
func TestVectorPresetsRun(t *testing.T) {
	for _, name := range []string{"realnvp-2d", "realnvp-tab"} {
		p, err := Preset(name)
		if err != nil {
			t.Fatal(err)
		}
		c := p.Config
		if name == "realnvp-tab" {
			c.Data = tableFile(t, 300)
		} else {
			c.Data += ":256"
		}
		c.Batch, c.Steps, c.Samples, c.Device = 128, 1, 5, "cpu"
		dir := start(t, c)
		s := checkpoint(t, dir)
		if m := s.Config.Model; m.Channels != len(m.Columns.List()) || s.Position.Final.Dims != m.Channels {
			t.Errorf("%s: model %+v, score %+v", name, m, s.Position.Final)
		}
	}
	// What the presets say of themselves is of the peers' sizes.
	for name, want := range map[string]int{"realnvp-2d": 141_376, "realnvp-tab": 0} {
		p, _ := Preset(name)
		m := p.Model
		if m.Channels = 2; want == 0 {
			m.Channels, want = 63, 10*(2*512+512*512)+5*(31*512+512*64+64)+5*(32*512+512*62+62)
		}
		budgets, err := flowgpu.Plan(m, p.stepping(p.Memory), p.Memory)
		if err != nil || budgets[0].Params != want {
			t.Errorf("%s: %d parameters, %v, want %d", name, budgets[0].Params, err, want)
		}
	}
}

// TestEarlyStoppingOnImages: the held-out images both choose and score, which is told.
func TestEarlyStoppingOnImages(t *testing.T) {
	c := tiny(t)
	c.EvalEvery, c.EvalSamples, c.Patience = 3, 0, 50
	var out bytes.Buffer
	env := quiet()
	env.Out = &out
	r, err := Start(context.Background(), c, filepath.Join(t.TempDir(), "run"), env)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "flatters") || r.Best == 0 || r.Score.BitsPerDim == 0 {
		t.Errorf("%+v\n%s", r, out.String())
	}
	if s := checkpoint(t, r.Dir); s.Position.Best.Score != r.Score {
		t.Errorf("the best validation is %v, the score %v", s.Position.Best.Score, r.Score)
	}
}
