package train

import (
	"bytes"
	"context"
	"strings"
	"testing"
)

// TestAveragedWeightsAreUsed: what eval and sample see is the average, not the last weights.
func TestAveragedWeightsAreUsed(t *testing.T) {
	c := tiny(t)
	c.LR, c.Warmup = 1e-2, 0
	dir := start(t, c)
	averaged, err := Evaluate(context.Background(), dir, Detail{}, Use{}, quiet())
	if err != nil {
		t.Fatal(err)
	}
	s := checkpoint(t, dir)
	values, err := s.c.Section("values")
	if err != nil {
		t.Fatal(err)
	}
	for i := range s.c.Sections {
		if s.c.Sections[i].Name == "ema" {
			s.c.Sections[i].Data = values
		}
	}
	if err := replaceFile(s.path, s.c.Write); err != nil {
		t.Fatal(err)
	}
	last, err := Evaluate(context.Background(), dir, Detail{}, Use{}, quiet())
	if err != nil || last.Score == averaged.Score {
		t.Errorf("last weights score %v, averaged ones %v; %v", last, averaged, err)
	}

	c.Adam.EMADecay = 0 // without an average the last weights are all there is
	if _, err := Evaluate(context.Background(), start(t, c), Detail{}, Use{}, quiet()); err != nil {
		t.Error(err)
	}
}

func TestInspect(t *testing.T) {
	var b bytes.Buffer
	if err := Inspect(start(t, tiny(t)), &b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"12 of 12", "glow-digits", "1,160", "level1.step2", "like level1.step1", "conv2.w 8x8x1x1", "perm 4 (fixed)", "adam.m", "4x4x4"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q in\n%s", want, b.String())
		}
	}
}
