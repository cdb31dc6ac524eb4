package train

import (
	"strings"
	"testing"

	"cuflow/device"
	"cuflow/flowgpu"
)

// The conditioners of the lecture notes' RealNVP have 20 convolutions from input to output; skip connections lie beside.
func TestNotesHaveTwentyConvolutions(t *testing.T) {
	m, err := flowgpu.New(&device.Tally{}, realnvpCIFAR10Notes().Model)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range m.Layers() {
		n := 0
		for _, p := range l.Params {
			if strings.HasSuffix(p.Name, ".v") && !strings.HasPrefix(p.Name, "skip") {
				n++
			}
		}
		if n != 0 && n != 20 {
			t.Errorf("%s: %d convolutions", l.Name, n)
		}
		if strings.Contains(l.Name, "checker1") && !strings.Contains(l.Name, "norm") && n == 0 {
			t.Errorf("%s has no convolutions", l.Name)
		}
	}
}
