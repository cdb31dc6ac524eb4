package train

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"cuflow/flowgpu/data"

	"github.com/sbinet/npyio/npz"
)

// fanFile writes a .csv of n rows of x | c, kind ~ N(c + 3 where kind is b, exp(c)^2): c is uniform on [-1, 1], and u an idle column.
func fanFile(t *testing.T, n int) string {
	t.Helper()
	r := rand.New(rand.NewPCG(5, 6))
	var b strings.Builder
	b.WriteString("c,x,u,kind\n")
	for range n {
		c, kind, mean := 2*r.Float64()-1, "a", 0.
		if r.IntN(2) == 1 {
			kind, mean = "b", 3.
		}
		fmt.Fprintf(&b, "%v,%v,%v,%s\n", c, c+mean+math.Exp(c)*r.NormFloat64(), r.NormFloat64(), kind)
	}
	path := filepath.Join(t.TempDir(), "fan.csv")
	if err := os.WriteFile(path, []byte(b.String()), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

// conditionalRun trains a small model of the fan of a preset's kind, in seconds.
func conditionalRun(t *testing.T, preset string, steps int) (dir string, r *Result) {
	t.Helper()
	p, err := Preset(preset)
	if err != nil {
		t.Fatal(err)
	}
	c := p.Config
	c.Data, c.Columns, c.Context = fanFile(t, 6000), "x", "c,kind"
	c.Model.Steps, c.Model.Hidden, c.Model.Depth, c.Model.Norm = 2, 24, 2, "none"
	c.Batch, c.Steps, c.Warmup, c.LR, c.Patience = 128, steps, 20, 4e-3, 0
	c.LogEvery, c.EvalEvery, c.Samples, c.Device, c.Schedule = 50, 0, 40, "cpu", cosine
	dir = filepath.Join(t.TempDir(), "run")
	if r, err = Start(context.Background(), c, dir, quiet()); err != nil {
		t.Fatal(err)
	}
	return dir, r
}

// fanNats is -log p(x | c, kind).
func fanNats(x, c float64, kind string) float64 {
	mean := c
	if kind == "b" {
		mean += 3
	}
	z := (x - mean) / math.Exp(c)
	return z*z/2 + c + math.Log(2*math.Pi)/2
}

// readCSV gives the rows of a .csv below its header.
func readCSV(t *testing.T, path string) (header []string, rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all, err := csv.NewReader(bytes.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	return all[0], all[1:]
}

// Every kind of conditional model learns a density that is known, to a few hundredths of a nat.
func TestConditionalDensityIsLearned(t *testing.T) {
	for _, preset := range []string{"maf-tab", "iaf-tab", "nsf-tab", "nsf-ar-tab", "realnvp-tab"} {
		t.Run(preset, func(t *testing.T) {
			t.Parallel()
			dir, r := conditionalRun(t, preset, 400)
			rated, err := Rate(context.Background(), dir, Rating{Images: []string{"test"}, CSV: filepath.Join(dir, "scores.csv"), Picking: Picking{Class: AllClasses}}, Use{}, quiet())
			if err != nil {
				t.Fatal(err)
			}
			if math.Abs(rated.Nats-r.Score.Nats) > 1e-9 {
				t.Errorf("score says %v, evaluation %v", rated.Nats, r.Score.Nats)
			}
			s, err := open(dir)
			if err != nil {
				t.Fatal(err)
			}
			parts, err := s.sources(Use{}, quiet())
			if err != nil {
				t.Fatal(err)
			}
			truth, set := 0., parts.test
			_, rows := readCSV(t, filepath.Join(dir, rowsFile))
			test := cycleOf(t, set)
			for i := range set.Info().N {
				x, v := test(i)
				truth += fanNats(x, v[0], []string{"a", "b"}[int(v[1])]) / float64(set.Info().N)
			}
			if diff := r.Score.Nats - truth; diff > 0.06 || diff < -0.03 {
				t.Errorf("%.4f nats, the true density takes %.4f", r.Score.Nats, truth)
			}
			if len(rows) != 40 || len(rows[0]) != 3 {
				t.Fatalf("%d samples, the first %v", len(rows), rows[0])
			}
			for i, row := range rows { // drawn under the test part's contexts
				_, v := test(i)
				if c, err := strconv.ParseFloat(row[1], 64); err != nil || c != v[0] || row[2] != []string{"a", "b"}[int(v[1])] {
					t.Errorf("sample %d is under %v, want %v", i, row[1:], v)
				}
			}
		})
	}
}

// Samples under a context have its mean and spread; a table of contexts is cycled through; rows that are scored under a context given by
// hand are scored as with their own.
func TestContextOfSamplesAndScores(t *testing.T) {
	dir, _ := conditionalRun(t, "maf-tab", 400)
	out := filepath.Join(dir, "s.csv")
	g := Sampling{N: 4000, Seed: 3, Class: AllClasses, Picture: out, Context: "kind=b,c=0.5", Arrays: filepath.Join(dir, "s.npz")}
	if err := Sample(dir, &g, Use{}, quiet()); err != nil {
		t.Fatal(err)
	}
	header, rows := readCSV(t, out)
	if strings.Join(header, " ") != "x c kind" || rows[0][1] != "0.5" || rows[0][2] != "b" {
		t.Fatalf("%v, %v", header, rows[0])
	}
	sum, squares := 0., 0.
	for _, row := range rows {
		x, err := strconv.ParseFloat(row[0], 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += x
		squares += x * x
	}
	mean := sum / 4000
	std := math.Sqrt(squares/4000 - mean*mean)
	if math.Abs(mean-3.5) > 0.2 || math.Abs(std-math.Exp(0.5)) > 0.2 {
		t.Errorf("mean %.3f and standard deviation %.3f, want 3.5 and %.3f", mean, std, math.Exp(0.5))
	}
	z, err := npz.Open(g.Arrays)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	var context8 []float64
	if err := z.Read("context.npy", &context8); err != nil {
		t.Fatal(err)
	}
	if len(context8) != 8000 || context8[0] != 0.5 || context8[1] != 1 {
		t.Errorf("%d values of context, %v", len(context8), context8[:2])
	}

	table := filepath.Join(dir, "c.csv")
	if err := os.WriteFile(table, []byte("kind,c\na,-0.5\nb,0.25\na,1\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	g = Sampling{N: EachContext, Seed: 3, Class: AllClasses, Picture: out, Context: table}
	if err := Sample(dir, &g, Use{}, quiet()); err != nil {
		t.Fatal(err)
	}
	if _, rows = readCSV(t, out); len(rows) != 3 || rows[1][1] != "0.25" || rows[1][2] != "b" || rows[2][2] != "a" {
		t.Errorf("under a table: %v", rows)
	}

	own, bare := filepath.Join(dir, "own.csv"), filepath.Join(dir, "bare.csv")
	if err := os.WriteFile(own, []byte("x,kind,c\n1.5,a,0.5\n2,a,0.5\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(bare, []byte("x\n1.5\n2\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	score := func(file, given string) float64 {
		t.Helper()
		r := Rating{Images: []string{file}, Picking: Picking{Class: AllClasses, Context: given}}
		rated, err := Rate(context.Background(), dir, r, Use{}, quiet())
		if err != nil {
			t.Fatal(err)
		}
		return rated.Nats
	}
	if a, b := score(own, ""), score(bare, "c=0.5,kind=a"); a != b {
		t.Errorf("scored %v with a context of its own, %v with the same given", a, b)
	}
	var shown bytes.Buffer
	if err := Inspect(dir, &shown); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"given c, kind (2 categories)", "given kind", "a, b"} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("inspect lacks %q:\n%s", want, shown.String())
		}
	}

	for what, f := range map[string]func() error{
		"missing": func() error { return Sample(dir, &Sampling{N: 3, Class: AllClasses, Picture: out}, Use{}, quiet()) },
		"category": func() error {
			return Sample(dir, &Sampling{N: 3, Class: AllClasses, Picture: out, Context: "c=1,kind=z"}, Use{}, quiet())
		},
		"half": func() error {
			return Sample(dir, &Sampling{N: 3, Class: AllClasses, Picture: out, Context: "c=1"}, Use{}, quiet())
		},
		"no column": func() error {
			_, err := Rate(context.Background(), dir, Rating{Images: []string{bare}, Picking: Picking{Class: AllClasses}}, Use{}, quiet())
			return err
		},
		"plot": func() error {
			_, err := Plot(context.Background(), dir, Plotting{N: 100, Format: "png"}, Use{}, quiet())
			return err
		},
	} {
		want := map[string]string{"missing": "--context c=VALUE,kind=VALUE", "category": "one of a, b", "half": "kind is missing",
			"no column": `no column "c"`, "plot": "plots are of one density"}[what]
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", what, err, want)
		}
	}
}

func TestContextIsForModelsThatTakeOne(t *testing.T) {
	c := tiny(t)
	c.Context = "a"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "--context") {
		t.Errorf("images: %v", err)
	}
	p, err := Preset("gmm-2d")
	if err != nil {
		t.Fatal(err)
	}
	c = p.Config
	c.Context = "a"
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "--context is for models of") {
		t.Errorf("a mixture: %v", err)
	}
}

// cycleOf gives the rows of a set of one dimension with their contexts, over and over.
func cycleOf(t *testing.T, s data.Source) func(i int) (x float64, context []float64) {
	set, ok := s.(*data.Vectors)
	if !ok {
		t.Fatal("no vectors")
	}
	return func(i int) (float64, []float64) {
		i %= set.Info().N
		v := []float64{0}
		set.Row(i, v)
		return v[0], set.ContextRow(i)
	}
}
