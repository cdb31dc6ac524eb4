package weights

import (
	"bytes"
	"io"
	"maps"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"

	"cuflow/cpufallback"
	"cuflow/device"
	"cuflow/flowgpu"

	"gorgonia.org/tensor"
)

// format is one of the two kinds of file.
type format struct {
	write func(io.Writer, *File) error
	read  func([]byte) (*File, error)
}

var formats = map[string]format{
	"safetensors": {WriteSafetensors, func(b []byte) (*File, error) { return ReadSafetensors(bytes.NewReader(b)) }},
	"npz":         {WriteNPZ, func(b []byte) (*File, error) { return ReadNPZ(bytes.NewReader(b), int64(len(b))) }},
}

func (f format) bytes(t testing.TB, file *File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := f.write(&b, file); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// odd is a file of every shape and of values that a conversion would not keep: NaNs that carry bits, -0, subnormals.
func odd() *File {
	special := []uint32{0x7fc12345, 0xffc00001, 0x7f800001, 0xff80beef, 0x7f800000, 0xff800000, 0x80000000, 1, 0x807fffff, 0x7f7fffff, 0, 0x3f800000}
	values := make([]float32, len(special))
	for i, bits := range special {
		values[i] = math.Float32frombits(bits)
	}
	long := make([]float32, 5000) // more than is read at a time
	for i := range long {
		long[i] = float32(i) / 7
	}
	return &File{
		Config: flowgpu.Config{Kind: "realnvp", Channels: 3, Height: 32, Width: 32, Intensities: 256, Seed: math.MaxUint64, Levels: 2, Hidden: 8,
			Depth: 1, Logit: 0.05},
		Meta: map[string]string{MetaWeights: EMA, "note": "quotes \" and <ümläute>\n"},
		Arrays: []flowgpu.Array{
			{Name: "z.last", Shape: []int{12}, Data: values},
			{Name: "a.first", Shape: []int{2, 3, 1, 2}, Fixed: true, Data: values},
			{Name: "scalar", Shape: []int{}, Data: values[:1]},
			{Name: "empty", Shape: []int{0, 3}, Data: []float32{}},
			{Name: "matrix", Shape: []int{50, 100}, Data: long},
		},
	}
}

func TestRoundTripKeepsEveryBit(t *testing.T) {
	for name, format := range formats {
		want := odd()
		b := format.bytes(t, want)
		got, err := format.read(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Config != want.Config || !maps.Equal(got.Meta, want.Meta) {
			t.Errorf("%s: %+v %v, want %+v %v", name, got.Config, got.Meta, want.Config, want.Meta)
		}
		sameArrays(t, name, got.Arrays, want.Arrays)
		if !bytes.Equal(format.bytes(t, got), b) {
			t.Errorf("%s: what was read is written as other bytes", name)
		}
	}
}

// sameArrays compares bits: no NaN equals itself.
func sameArrays(t *testing.T, name string, got, want []flowgpu.Array) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d arrays, want %d", name, len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.Name != w.Name || g.Fixed != w.Fixed || !slices.Equal(g.Shape, w.Shape) {
			t.Errorf("%s: array %s %v fixed %v, want %s %v fixed %v", name, g.Name, g.Shape, g.Fixed, w.Name, w.Shape, w.Fixed)
		}
		if !slices.EqualFunc(g.Data, w.Data, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			t.Errorf("%s: array %s has other values", name, w.Name)
		}
	}
}

// models are small ones that between them have every array that doc.go lists.
func models() map[string]flowgpu.Config {
	glow := flowgpu.Config{Kind: "glow", Channels: 1, Height: 8, Width: 8, Intensities: 17, Levels: 2, Steps: 2, Hidden: 4, Seed: 3}
	shuffled := glow
	shuffled.Coupling, shuffled.Permutation, shuffled.Prior = "tanh", "shuffle", "standard"
	classes := glow
	classes.Classes = 3
	realnvp := flowgpu.Config{Kind: "realnvp", Channels: 1, Height: 8, Width: 8, Intensities: 17, Levels: 2, Hidden: 4, Depth: 1, Logit: 0.05, Seed: 3}
	paper := realnvp
	paper.Layout, paper.Prior = "paper", "learned"
	return map[string]flowgpu.Config{
		"glow": glow, "glow shuffled": shuffled, "glow classes": classes, "realnvp": realnvp, "realnvp paper": paper,
		"nice": {Kind: "nice", Channels: 1, Height: 3, Width: 5, Intensities: 17, Steps: 4, Hidden: 6, Depth: 2, Seed: 3},
	}
}

func newModel(t *testing.T, be device.Backend, cfg flowgpu.Config) *flowgpu.Model {
	t.Helper()
	m, err := flowgpu.New(be, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func arraysOf(t *testing.T, m *flowgpu.Model) []flowgpu.Array {
	t.Helper()
	arrays, err := m.Arrays()
	if err != nil {
		t.Fatal(err)
	}
	return arrays
}

func logProbs(t *testing.T, m *flowgpu.Model) []float32 {
	t.Helper()
	cfg := m.Config()
	x := make([]float32, 3*cfg.D())
	for i := range x {
		x[i] = float32(i*7%17) + 0.25
	}
	logp, err := m.LogProb(tensor.New(tensor.WithShape(3, cfg.Channels, cfg.Height, cfg.Width), tensor.WithBacking(x)))
	if err != nil {
		t.Fatal(err)
	}
	return logp.Data().([]float32)
}

// A model goes into a file and comes out as the same model.
func TestModelRoundTrip(t *testing.T) {
	be, err := cpufallback.New("cpu")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { be.Close() })
	for model, cfg := range models() {
		m := newModel(t, be, cfg)
		start := logProbs(t, m)
		arrays := arraysOf(t, m)
		for i, a := range arrays { // away from the start, where every coupling is the identity
			for j := range a.Data {
				if !a.Fixed {
					arrays[i].Data[j] += 0.1 * float32(j%7-3)
				}
			}
		}
		if err := m.SetArrays(arrays); err != nil {
			t.Fatal(err)
		}
		want := logProbs(t, m)
		if slices.Equal(start, want) {
			t.Errorf("%s: SetArrays has no effect", model)
		}
		for name, format := range formats {
			f, err := format.read(format.bytes(t, &File{Config: m.Config(), Arrays: arrays}))
			if err != nil {
				t.Fatalf("%s, %s: %v", model, name, err)
			}
			again := newModel(t, be, f.Config)
			if err := again.SetArrays(f.Arrays); err != nil {
				t.Fatalf("%s, %s: %v", model, name, err)
			}
			if !again.Initialised() {
				t.Errorf("%s, %s: the first batch would set actnorms anew", model, name)
			}
			sameArrays(t, model+", "+name, arraysOf(t, again), arrays)
			if got := logProbs(t, again); !slices.Equal(got, want) {
				t.Errorf("%s, %s: log p is %v, want %v", model, name, got, want)
			}
		}
	}
}

// What cannot be read back is not written.
func TestWriteRefuses(t *testing.T) {
	one := func(name string, shape ...int) flowgpu.Array {
		return flowgpu.Array{Name: name, Shape: shape, Data: make([]float32, 6)}
	}
	for want, f := range map[string]*File{
		`array "": the name is empty`:                 {Arrays: []flowgpu.Array{one("", 6)}},
		`array "a": the name is empty, reserved`:      {Arrays: []flowgpu.Array{one("a", 6), one("a", 2, 3)}},
		`array "__metadata__"`:                        {Arrays: []flowgpu.Array{one("__metadata__", 6)}},
		"array b has shape [2 2], but 6 values":       {Arrays: []flowgpu.Array{one("b", 2, 2)}},
		"array b has shape [-2 -3], but 6 values":     {Arrays: []flowgpu.Array{one("b", -2, -3)}},
		`keys that begin with "cuflow." are reserved`: {Meta: map[string]string{"cuflow.config": "{}"}},
	} {
		for name, format := range formats {
			err := format.write(io.Discard, f)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error %v, want %q", name, err, want)
			}
		}
	}
}

func TestFailedWrites(t *testing.T) {
	for name, format := range formats {
		whole := len(format.bytes(t, odd()))
		for _, room := range []int{0, 5, whole / 2, whole - 1} {
			if err := format.write(&narrow{room}, odd()); err == nil {
				t.Errorf("%s: no error where only %d of %d bytes could be written", name, room, whole)
			}
		}
	}
}

// narrow takes some bytes and then no more.
type narrow struct{ room int }

func (n *narrow) Write(p []byte) (int, error) {
	if len(p) > n.room {
		return n.room, io.ErrShortWrite
	}
	n.room -= len(p)
	return len(p), nil
}

// A file cut short anywhere gives an error, and one with a byte more does too.
func TestCutShort(t *testing.T) {
	small := odd()
	small.Arrays = small.Arrays[:4]
	for name, format := range formats {
		whole := format.bytes(t, small)
		for n := range whole {
			if _, err := format.read(whole[:n]); err == nil {
				t.Fatalf("%s: %d of %d bytes are read without an error", name, n, len(whole))
			}
		}
		if name == "npz" {
			continue // zip looks for its end behind other bytes
		}
		if _, err := format.read(append(slices.Clone(whole), 0)); err == nil || !strings.Contains(err.Error(), "behind the end") {
			t.Errorf("%s: error %v for a byte too many", name, err)
		}
	}
}

// Metadata of others is kept, and none is needed.
func TestForeignMetadata(t *testing.T) {
	f := &File{Arrays: []flowgpu.Array{{Name: "a", Data: []float32{1}}}}
	if err := f.setMetadata(map[string]string{"format": "pt"}); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(f.Meta, map[string]string{"format": "pt"}) || f.Config != (flowgpu.Config{}) {
		t.Errorf("Meta %v, Config %+v", f.Meta, f.Config)
	}
	for want, m := range map[string]map[string]string{
		`format version "2"`: {keyFormat: "2"},
		keyConfig:            {keyConfig: `{"steps": "many"}`},
		keyFixed:             {keyFixed: `{}`},
	} {
		if err := f.setMetadata(m); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want %q", err, want)
		}
	}
}
