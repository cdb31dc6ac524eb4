package train

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"testing"

	"cuflow/flowgpu"
)

// timeless is a line of the log without what a clock has written.
func timeless(t *testing.T, text string) string {
	t.Helper()
	var l Line
	if err := json.Unmarshal([]byte(text), &l); err != nil {
		t.Fatal(err)
	}
	l.Seconds, l.ImagesPerSecond = 0, 0
	out, err := json.Marshal(l)
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// wantSameRun checks that two runs ended with the same bits and wrote the same log.
func wantSameRun(t *testing.T, got, want string) {
	t.Helper()
	a, b := checkpoint(t, got), checkpoint(t, want)
	a.Position.Seconds, b.Position.Seconds = 0, 0
	if a.Config != b.Config || *a.Position.Final != *b.Position.Final {
		t.Errorf("settings or score differ: %+v and %+v", a.extra, b.extra)
	}
	for i, s := range b.c.Sections {
		for j, v := range s.Data {
			if math.Float32bits(a.c.Sections[i].Data[j]) != math.Float32bits(v) {
				t.Fatalf("%s[%d] is %v, not %v", s.Name, j, a.c.Sections[i].Data[j], v)
			}
		}
	}
	gotLines, wantLines := lines(t, got), lines(t, want)
	if len(gotLines) != len(wantLines) {
		t.Fatalf("%d lines of log, not %d", len(gotLines), len(wantLines))
	}
	for i := range wantLines {
		if g, w := timeless(t, gotLines[i]), timeless(t, wantLines[i]); g != w {
			t.Errorf("line %d is %s, not %s", i+1, g, w)
		}
	}
}

// TestResumeIsBitIdentical stops a run at every place where it may be stopped, between steps and within validations, and
// goes on with it.
func TestResumeIsBitIdentical(t *testing.T) {
	for _, mode := range []flowgpu.Mode{flowgpu.Stash, flowgpu.Recompute, flowgpu.Reversible} {
		t.Run(string(mode), func(t *testing.T) {
			c := tiny(t)
			c.Memory = mode
			c.Steps = 52 // past the end of the first epoch of 1497/32 = 46 batches
			c.EvalEvery, c.SampleEvery, c.CheckpointEvery = 20, 0, 0
			straight := start(t, c)
			places := 0
			for ; ; places++ {
				dir := t.TempDir()
				_, err := Start(&countdown{context.Background(), places}, c, dir, quiet())
				if err == nil {
					break // it got to the end before the stop
				}
				if !errors.Is(err, ErrInterrupted) {
					t.Fatalf("stopped at place %d: %v", places, err)
				}
				if mode != flowgpu.Stash && places%9 != 0 {
					continue
				}
				if _, err := Resume(context.Background(), dir, func(*Config) {}, quiet()); err != nil {
					t.Fatalf("resumed at place %d: %v", places, err)
				}
				wantSameRun(t, dir, straight)
			}
			if places < c.Steps+3+3+10 { // before each step, and before each batch of the validations of 70, 70 and 300
				t.Errorf("stopped at %d places only", places)
			}
		})
	}
}

// TestResumeAfterCrash: a run that died without writing a checkpoint goes on from the last one, and its log with it.
func TestResumeAfterCrash(t *testing.T) {
	c := tiny(t)
	straight := start(t, c)
	dir := t.TempDir()
	// Stopped twice, and the second checkpoint is lost: the log is then ahead of the first.
	if _, err := Start(&countdown{context.Background(), 9}, c, dir, quiet()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	old := checkpoint(t, dir)
	if _, err := Resume(&countdown{context.Background(), 4}, dir, func(*Config) {}, quiet()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if now := checkpoint(t, dir); now.Position.Step <= old.Position.Step {
		t.Fatalf("resumed at step %d, stopped at %d", old.Position.Step, now.Position.Step)
	}
	if err := replaceFile(old.path, old.c.Write); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(context.Background(), dir, func(*Config) {}, quiet()); err != nil {
		t.Fatal(err)
	}
	wantSameRun(t, dir, straight)
}

func TestResumeWithMoreSteps(t *testing.T) {
	c := tiny(t)
	c.EvalSamples = 0 // the validation at the end of the shorter run is then the one that the longer has there
	c.EvalEvery = 6
	long := c
	long.Steps = 18
	straight, dir := start(t, long), start(t, c)
	r, err := Resume(context.Background(), dir, func(c *Config) { c.Steps = 18 }, quiet())
	if err != nil {
		t.Fatal(err)
	}
	if r.Steps != 18 || r.Score != *checkpoint(t, dir).Position.Final {
		t.Errorf("came to %+v", r)
	}
	wantSameRun(t, dir, straight)
}

func TestResumeOfFinishedRun(t *testing.T) {
	dir := start(t, tiny(t))
	before := checkpoint(t, dir)
	r, err := Resume(context.Background(), dir, func(*Config) {}, quiet())
	if err != nil || r.Steps != 12 || r.Score != *before.Position.Final {
		t.Errorf("%+v, %v", r, err)
	}
	_, err = Resume(context.Background(), dir, func(c *Config) { c.Steps = 10 }, quiet())
	wantError(t, err, true, "12 steps already", "--steps")
	_, err = Resume(context.Background(), dir, func(c *Config) { c.Steps, c.LR = 20, -1 }, quiet())
	wantError(t, err, true, "--lr is -1")
}
