package train

import (
	"context"
	"errors"
	"testing"

	"cuflow/flowgpu"
	"cuflow/flowgpu/data"
)

// mislabelled takes every image for one of the next class.
type mislabelled struct{ data.Source }

func (m mislabelled) Label(sample int) int32 { return (m.Source.Label(sample) + 1) % 10 }

// TestClassConditionalRun: labels reach training, validation and samples, and a stopped run goes on to the same bits.
func TestClassConditionalRun(t *testing.T) {
	c := tiny(t)
	c.Model.Classes, c.LR, c.Warmup = AutoClasses, 1e-2, 0
	c.CheckpointEvery, c.Adam.EMADecay = 0, 0
	dir := start(t, c)
	s := checkpoint(t, dir)
	if s.Config.Model.Classes != 10 {
		t.Fatalf("%d classes, want the data's 10", s.Config.Model.Classes)
	}
	again := t.TempDir()
	if _, err := Start(&countdown{context.Background(), 5}, c, again, quiet()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if _, err := Resume(context.Background(), again, func(*Config) {}, quiet()); err != nil {
		t.Fatal(err)
	}
	wantSameRun(t, again, dir)

	be, err := openCPU("cpu")
	if err != nil {
		t.Fatal(err)
	}
	defer be.Close()
	m, err := flowgpu.NewFromCheckpoint(be, s.c)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	e := evaluator(t, m, 32)
	_, test, err := s.Config.openData(nil)
	if err != nil {
		t.Fatal(err)
	}
	right, err := score(context.Background(), e, test, 300, 1)
	if err != nil {
		t.Fatal(err)
	}
	if right != *s.Position.Final {
		t.Errorf("validation scored %v, the same images now %v", s.Position.Final, right)
	}
	wrong, err := score(context.Background(), e, mislabelled{test}, 300, 1)
	if err != nil {
		t.Fatal(err)
	}
	if !(wrong.BitsPerDim > right.BitsPerDim) {
		t.Errorf("with wrong labels %v, with the right ones %v", wrong, right)
	}
}

func TestClassMismatches(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*Config)
		usage  bool
		want   []string
	}{
		{"too few", func(c *Config) { c.Model.Classes = 7 }, false, []string{"has 10 classes, but the model has 7", "--classes 10"}},
		{"below auto", func(c *Config) { c.Model.Classes = -2 }, true, []string{"classes is -2"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c := tiny(t)
			tc.change(&c)
			_, err := Start(context.Background(), c, t.TempDir(), quiet())
			wantError(t, err, tc.usage, tc.want...)
		})
	}
	c := tiny(t)
	c.Model.Classes = AutoClasses
	wantError(t, c.accepts(data.Info{Name: "plain", C: 1, H: 8, W: 8, Levels: 17, N: 5}), false, "has no labels", "class-conditional", "--classes")
	c.Model.Classes = 12 // more than the data has is allowed: it may be part of a greater set
	if _, _, err := c.openData(nil); err != nil {
		t.Error(err)
	}
}

// TestGrid: a class-conditional model shows one class per column.
func TestGrid(t *testing.T) {
	for _, tc := range []struct{ n, classes, columns int }{
		{64, 0, 8}, {1, 0, 1}, {65, 0, 9}, {64, 10, 10}, {64, 16, 16}, {64, 17, 8}, {64, 1000, 8}, {4, 3, 3}, {9, 1, 1},
	} {
		columns, class := grid(tc.n, tc.classes)
		if columns != tc.columns {
			t.Errorf("%d samples of %d classes in %d columns, want %d", tc.n, tc.classes, columns, tc.columns)
		}
		for i := range tc.n {
			if got := class(i); int(got) != i%columns || tc.classes > 0 && int(got) >= tc.classes {
				t.Fatalf("%d samples of %d classes: sample %d is of class %d", tc.n, tc.classes, i, got)
			}
		}
	}
}
