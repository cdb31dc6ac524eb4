package train

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// TestLogFields reads the log as those do who have no types of ours.
func TestLogFields(t *testing.T) {
	for _, mode := range []string{"stash", "reversible"} {
		t.Run(mode, func(t *testing.T) {
			c := tiny(t)
			c.Memory = "stash"
			if mode == "reversible" {
				c.Memory = "reversible"
			}
			texts := lines(t, start(t, c))
			var steps []float64
			for i, text := range texts {
				var l map[string]any
				if err := json.Unmarshal([]byte(text), &l); err != nil {
					t.Fatalf("line %d: %v", i+1, err)
				}
				step := l["step"].(float64)
				steps = append(steps, step)
				for _, name := range []string{"epoch", "loss", "bits_per_dim", "lr", "grad_norm", "images_per_second", "seconds"} {
					if v, ok := l[name].(float64); !ok || v <= 0 {
						t.Errorf("step %v: %s is %v", step, name, l[name])
					}
				}
				if _, ok := l["drift"]; ok != (mode == "reversible") {
					t.Errorf("step %v: drift is %v in mode %s", step, l["drift"], mode)
				}
				want := map[float64]float64{5: 70, 10: 70, 12: 300}[step] // images: limited on the way, all at the end
				for _, name := range []string{"val_bits_per_dim", "val_stderr", "val_n"} {
					if v, ok := l[name].(float64); ok != (want > 0) || ok && v <= 0 {
						t.Errorf("step %v: %s is %v", step, name, l[name])
					}
				}
				if n, _ := l["val_n"].(float64); n != want {
					t.Errorf("step %v: validated on %v images, want %v", step, n, want)
				}
			}
			want := []float64{3, 5, 6, 9, 10, 12} // every 3, validation every 5, and the last
			if len(steps) != len(want) {
				t.Fatalf("lines of steps %v, want %v", steps, want)
			}
			for i := range want {
				if steps[i] != want[i] {
					t.Fatalf("lines of steps %v, want %v", steps, want)
				}
			}
		})
	}
}

func TestJournalIsCutBack(t *testing.T) {
	const one, two, three = `{"step":1,"loss":4}` + "\n", `{"step":2,"loss":3}` + "\n", `{"step":3,"loss":2}` + "\n"
	for _, tc := range []struct {
		name, have string
		last       int
		want       string
	}{
		{"nothing yet", "", 2, ""},
		{"all of it", one + two, 2, one + two},
		{"later steps", one + two + three, 1, one},
		{"from the start", one + two, 0, ""},
		{"a line cut short", one + two[:9], 5, one},
		{"a line without its end", one + two[:len(two)-1], 5, one},
		{"other text", one + "hello\n" + two, 5, one},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), logFile)
			if tc.have != "" {
				if err := os.WriteFile(path, []byte(tc.have), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			j, err := openJournal(path, tc.last)
			if err != nil {
				t.Fatal(err)
			}
			if err := j.write(Line{Step: 7}); err != nil {
				t.Fatal(err)
			}
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			got, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			added, _ := json.Marshal(Line{Step: 7})
			if string(got) != tc.want+string(added)+"\n" {
				t.Errorf("the log is %q, want %q and a line", got, tc.want)
			}
		})
	}
}
