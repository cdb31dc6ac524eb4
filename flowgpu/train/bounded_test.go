package train

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// A run on angles in degrees, whole ones: they are laid out on the circle, scored in their units, drawn from 0 to 359.
func TestCircleRun(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var b strings.Builder
	b.WriteString("a,b\n")
	for range 3000 {
		a := math.Floor(math.Mod(360+20*r.NormFloat64()+360, 360))
		fmt.Fprintf(&b, "%v,%v\n", a, math.Floor(math.Mod(a+90+10*r.NormFloat64()+360, 360)))
	}
	path := filepath.Join(t.TempDir(), "degrees.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	p, err := Preset("nsf-tab")
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Model = c.Model.OnDomain("circle")
	c.Model.Steps, c.Model.Hidden, c.Model.Depth = 4, 48, 1
	c.Data, c.Range, c.Device = path, "0,360", "cpu"
	c.Batch, c.Steps, c.Warmup, c.LR, c.Patience, c.LogEvery, c.EvalEvery, c.Samples = 128, 1000, 20, 4e-3, 0, 50, 0, 200
	dir := filepath.Join(t.TempDir(), "run")
	var out bytes.Buffer
	env := quiet()
	env.Out = &out
	result, err := Start(context.Background(), c, dir, env)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(out.String(), "from 0 to 360 on the circle") {
		t.Errorf("the range is not told:\n%s", out.String())
	}
	want := math.Log(20*math.Sqrt(2*math.Pi)) + math.Log(10*math.Sqrt(2*math.Pi)) + 1
	if math.Abs(result.Score.Nats-want) > 0.3 {
		t.Errorf("%.3f nats, the true density takes %.3f", result.Score.Nats, want)
	}
	_, rows := readCSV(t, filepath.Join(dir, rowsFile))
	near := 0
	for _, row := range rows {
		for _, text := range row {
			if v, err := strconv.Atoi(text); err != nil || v < 0 || v > 359 {
				t.Errorf("drew %q", text)
			}
		}
		if a, _ := strconv.Atoi(row[0]); a < 60 || a > 300 {
			near++
		}
	}
	if near < 180 {
		t.Errorf("%d of %d samples about 0 degrees", near, len(rows))
	}

	for what, change := range map[string]func(c *Config){
		"0,350":  func(c *Config) { c.Range = "0,350" },
		"LO,HI":  func(c *Config) { c.Range = "360" },
		"--raw":  func(c *Config) { c.Raw = true },
		"domain": func(c *Config) { c.Model.Domain, c.Model.Prior = "line", "standard" },
	} {
		bad := c
		change(&bad)
		_, err := Start(context.Background(), bad, filepath.Join(t.TempDir(), "bad"), quiet())
		wants := map[string]string{"0,350": "outside the circle [0, 350)", "LO,HI": "give LO,HI", "--raw": "--raw", "domain": "--domain circle"}
		if err == nil || !strings.Contains(err.Error(), wants[what]) {
			t.Errorf("%s: error %v, want %q", what, err, wants[what])
		}
	}
}
