package flowgpu_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu"
	"cuflow/flowgpu/weights"

	"gorgonia.org/tensor"
)

// goldenCases says what must be there, and whether every array has a share in the answer: the small ones isolate a layer by
// making the others the identity.
var goldenCases = map[string]bool{
	"squeeze": false, "actnorm": false, "invconv-normflows": false, "invconv-nflows": false,
	"step-normflows": true, "step-nflows": true, "glow-normflows": true, "glow-conditional": true,
	"realnvp-checker": true, "realnvp": true, "nice": true, "gmm-diagonal": true, "gmm-full": true,
	"maf-zuko": true, "nsf-ar-nflows": true, "nsf-nflows": true,
	"affine-nflows": true, "planar-normflows": true, "radial-normflows": true, "sylvester": true,
	"ffjord-torchdiffeq": true, "ffjord-zuko": false,
}

// golden is a file of scripts/golden: a model's weights, and what other libraries made of x.
type golden struct {
	cfg        flowgpu.Config
	arrays     []flowgpu.Array
	x          *tensor.Dense
	z, logp    []float32
	everyArray bool
}

func readGolden(t *testing.T, name string) *golden {
	t.Helper()
	r, err := os.Open(filepath.Join("testdata", "golden", name+".safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, err := weights.ReadSafetensors(r)
	if err != nil {
		t.Fatal(err)
	}
	g := &golden{cfg: f.Config, everyArray: goldenCases[name]}
	for _, a := range f.Arrays {
		switch a.Name {
		case "golden.x":
			g.x = tensor.New(tensor.WithShape(a.Shape...), tensor.WithBacking(a.Data))
		case "golden.z":
			g.z = a.Data
		case "golden.logp":
			g.logp = a.Data
		default:
			g.arrays = append(g.arrays, a)
		}
	}
	return g
}

// compare says how a model's answers differ from the file's: 1e-5 of log p, 1e-4 of z (of 1, where z is small).
func (g *golden) compare(m *flowgpu.Model) error {
	logp, err := m.LogProb(g.x)
	if err != nil {
		return err
	}
	z, err := m.Encode(g.x)
	if err != nil {
		return err
	}
	got := logp.Data().([]float32)
	if len(got) != len(g.logp) {
		return fmt.Errorf("%d values of log p, want %d", len(got), len(g.logp))
	}
	for i, want := range g.logp {
		if diff := math.Abs(float64(got[i]) - float64(want)); !(diff <= 1e-5*math.Abs(float64(want))) {
			return fmt.Errorf("log p of sample %d is %v, want %v", i, got[i], want)
		}
	}
	latent := z.Data().([]float32)
	if len(latent) != len(g.z) {
		return fmt.Errorf("%d latents, want %d", len(latent), len(g.z))
	}
	for i, want := range g.z {
		if diff := math.Abs(float64(latent[i]) - float64(want)); !(diff <= 1e-4*max(1, math.Abs(float64(want)))) {
			return fmt.Errorf("latent %d is %v, want %v", i, latent[i], want)
		}
	}
	return nil
}

func newGolden(t *testing.T, be device.Backend, g *golden) *flowgpu.Model {
	t.Helper()
	m, err := flowgpu.New(be, g.cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	if err := m.SetArrays(g.arrays); err != nil {
		t.Fatal(err)
	}
	return m
}

// The same weights give the same latents and densities as in normflows, nflows and PyTorch. testdata/golden/README.md says
// which code computed which file.
func TestPeersAgree(t *testing.T) {
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != len(goldenCases) {
		t.Errorf("%d golden files, but %d are expected", len(files), len(goldenCases))
	}
	for _, isa := range cpufallback.ISAs() {
		be, err := cpufallback.New("cpu:" + isa)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { be.Close() })
		for name := range goldenCases {
			t.Run(isa+"/"+name, func(t *testing.T) {
				g := readGolden(t, name)
				m := newGolden(t, be, g)
				if err := g.compare(m); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// The files are sharp: moving any one array by 2% is noticed.
func TestPeersNoticeEveryArray(t *testing.T) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { be.Close() })
	for name, every := range goldenCases {
		if !every {
			continue
		}
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, name)
			m := newGolden(t, be, g)
			for i, a := range g.arrays {
				if isConstant(a) {
					continue
				}
				moved := slices.Clone(g.arrays)
				moved[i].Data = make([]float32, len(a.Data))
				for j, v := range a.Data {
					moved[i].Data[j] = 1.02*v + 0.02
				}
				if err := m.SetArrays(moved); err != nil {
					t.Fatal(err)
				}
				if g.compare(m) == nil {
					t.Errorf("%s has no share in the answer", a.Name)
				}
			}
		})
	}
}

// isConstant says whether an array is a permutation, signs or the constant 0: other values are refused.
func isConstant(a flowgpu.Array) bool {
	last := a.Name[strings.LastIndexByte(a.Name, '.')+1:]
	return a.Fixed && slices.Contains([]string{"perm", "inverse", "sign", "zero"}, last)
}
