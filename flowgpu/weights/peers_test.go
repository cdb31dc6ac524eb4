package weights

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cuflow/flowgpu"

	"github.com/sbinet/npyio/npz"
)

// npyio, another reader of NumPy's format, sees the same names, shapes and values.
func TestNpyioReads(t *testing.T) {
	want := odd()
	b := formats["npz"].bytes(t, want)
	r, err := npz.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if len(r.Keys()) != len(want.Arrays)+1 {
		t.Errorf("%d arrays: %v", len(r.Keys()), r.Keys())
	}
	for _, a := range want.Arrays {
		h := r.Header(a.Name + ".npy")
		if h == nil || h.Descr.Type != "<f4" || h.Descr.Fortran || !slices.Equal(h.Descr.Shape, a.Shape) {
			t.Errorf("array %s has header %v, want shape %v", a.Name, h, a.Shape)
			continue
		}
		var got []float32
		if err := r.Read(a.Name+".npy", &got); err != nil {
			t.Fatal(err)
		}
		if !slices.EqualFunc(got, a.Data, func(a, b float32) bool { return math.Float32bits(a) == math.Float32bits(b) }) {
			t.Errorf("array %s has other values", a.Name)
		}
	}
}

// python reads both files with numpy and safetensors, prints what is in them, and writes both anew.
const python = `
import json, sys
import numpy, safetensors, safetensors.numpy
folder = sys.argv[1]
with safetensors.safe_open(folder + "/w.safetensors", "np") as f:
    a, meta = {k: f.get_tensor(k) for k in f.keys()}, f.metadata()
with numpy.load(folder + "/w.npz") as f:
    b = {k: f[k] for k in f.files}
assert json.loads(bytes(b.pop("__metadata__"))) == meta
config = json.loads(meta["cuflow.config"])
print(config["kind"], config["height"], meta["weights"], json.loads(meta["cuflow.fixed"]))
for arrays in a, b:
    for name in sorted(arrays):
        v = arrays[name]
        assert v.dtype == numpy.float32
        print(name, list(v.shape), v.tobytes()[:48].hex())
safetensors.numpy.save_file(a, folder + "/w2.safetensors", metadata=meta)
numpy.savez(folder + "/w2.npz", __metadata__=numpy.frombuffer(json.dumps(meta).encode(), numpy.uint8), **b)
numpy.savez_compressed(folder + "/w3.npz", **b)
`

// The safetensors and NumPy packages read what is written here, and what they write is read here.
func TestPythonReadsAndWrites(t *testing.T) {
	interpreter, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not run: there is no python3")
	}
	if out, err := exec.Command(interpreter, "-c", "import numpy, safetensors.numpy").CombinedOutput(); err != nil {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		t.Skipf("not run: python3 lacks numpy or safetensors: %s", lines[len(lines)-1])
	}
	folder := t.TempDir()
	want := odd()
	for _, name := range []string{"safetensors", "npz"} {
		if err := os.WriteFile(filepath.Join(folder, "w."+name), formats[name].bytes(t, want), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command(interpreter, "-c", python, folder).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	sorted := slices.Clone(want.Arrays)
	slices.SortFunc(sorted, func(a, b flowgpu.Array) int { return strings.Compare(a.Name, b.Name) })
	var lines strings.Builder
	for _, a := range sorted {
		var data bytes.Buffer
		if err := writeFloats(&data, a.Data); err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&lines, "%s [%s] %x\n", a.Name, strings.ReplaceAll(strings.Trim(fmt.Sprint(a.Shape), "[]"), " ", ", "), data.Bytes()[:min(48, data.Len())])
	}
	if expect := "realnvp 32 ema ['a.first']\n" + lines.String() + lines.String(); string(out) != expect {
		t.Errorf("Python read\n%s\nwant\n%s", out, expect)
	}
	for _, name := range []string{"w2.safetensors", "w2.npz", "w3.npz"} {
		b, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := formats[strings.TrimPrefix(filepath.Ext(name), ".")].read(b)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		compare := slices.Clone(want.Arrays)
		if name == "w3.npz" { // without metadata
			for i := range compare {
				compare[i].Fixed = false
			}
		} else if got.Config != want.Config {
			t.Errorf("%s: Config %+v", name, got.Config)
		}
		for _, arrays := range [][]flowgpu.Array{got.Arrays, compare} { // Python orders them as it likes
			slices.SortFunc(arrays, func(a, b flowgpu.Array) int { return strings.Compare(a.Name, b.Name) })
		}
		sameArrays(t, name, got.Arrays, compare)
	}
}
