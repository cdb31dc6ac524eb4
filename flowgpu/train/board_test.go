package train

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"
)

// value is what TensorBoard knows of one tag at one step: a scalar, or a picture's bytes.
type value struct {
	step    int
	tag     string
	scalar  float32
	picture []byte
}

// board reads a run's event files in the order of their names, as TensorBoard does: a start event makes it forget what it
// knows of that step and of later ones. That files are right in themselves is for the tests of package events.
func board(t *testing.T, dir string) (all []value) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "events.out.tfevents.*"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no event files: %v", err)
	}
	for _, name := range slices.Sorted(slices.Values(files)) {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for len(b) > 0 {
			n := binary.LittleEndian.Uint64(b)
			event := parts(t, b[12:][:n])
			b = b[16+n:]
			var step int
			if s, ok := event[2]; ok {
				step = int(s.number)
			}
			if _, start := event[7]; start {
				all = slices.DeleteFunc(all, func(v value) bool { return v.step >= step })
			}
			if summary, ok := event[5]; ok {
				v := parts(t, parts(t, summary.text)[1].text)
				all = append(all, value{step, string(v[1].text), math.Float32frombits(uint32(v[2].number)), parts(t, v[4].text)[4].text})
			}
		}
	}
	return all
}

type part struct {
	number uint64
	text   []byte
}

// parts takes a protobuf message apart by field.
func parts(t *testing.T, b []byte) map[protowire.Number]part {
	t.Helper()
	all := map[protowire.Number]part{}
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		b = b[max(n, 0):]
		var p part
		switch kind {
		case protowire.VarintType:
			p.number, n = protowire.ConsumeVarint(b)
		case protowire.Fixed64Type:
			p.number, n = protowire.ConsumeFixed64(b)
		case protowire.Fixed32Type:
			var v uint32
			v, n = protowire.ConsumeFixed32(b)
			p.number = uint64(v)
		case protowire.BytesType:
			p.text, n = protowire.ConsumeBytes(b)
		}
		if n < 0 {
			t.Fatalf("field %d: %v", field, protowire.ParseError(n))
		}
		all[field], b = p, b[n:]
	}
	return all
}

// wantBoard holds what TensorBoard shows of a run to its log and its pictures.
func wantBoard(t *testing.T, dir string) {
	t.Helper()
	scalars, pictures := map[string]float32{}, map[int][]byte{}
	for _, v := range board(t, dir) {
		name := fmt.Sprintf("%s of step %d", v.tag, v.step)
		switch _, twice := scalars[name]; {
		case v.tag == "samples":
			pictures[v.step] = v.picture
		case twice:
			t.Errorf("%s is there twice", name)
		default:
			scalars[name] = v.scalar
		}
	}
	want := map[string]float32{}
	for _, text := range lines(t, dir) {
		var l map[string]float64
		if err := json.Unmarshal([]byte(text), &l); err != nil {
			t.Fatal(err)
		}
		for tag, v := range l {
			if tag != "step" {
				want[fmt.Sprintf("%s of step %.0f", tag, l["step"])] = float32(v)
			}
		}
	}
	if !maps.Equal(scalars, want) {
		t.Errorf("shown are %v, logged %v", scalars, want)
	}
	for _, step := range []int{6, 12} {
		file, err := os.ReadFile(filepath.Join(dir, samplesFolder, fmt.Sprintf("step-%06d.png", step)))
		if err != nil || !bytes.Equal(file, pictures[step]) {
			t.Errorf("step %d: the picture shown has %d bytes, the file %d; %v", step, len(pictures[step]), len(file), err)
		}
	}
}

// TestBoardShowsTheLog: also of a run that died, lost a checkpoint, and did some steps twice.
func TestBoardShowsTheLog(t *testing.T) {
	c := tiny(t)
	wantBoard(t, start(t, c))

	dir := t.TempDir()
	if _, err := Start(&countdown{context.Background(), 9}, c, dir, quiet()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	old := checkpoint(t, dir)
	if _, err := Resume(&countdown{context.Background(), 4}, dir, func(*Config) {}, quiet()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if err := replaceFile(old.path, old.c.Write); err != nil {
		t.Fatal(err)
	}
	if _, err := Resume(context.Background(), dir, func(*Config) {}, quiet()); err != nil {
		t.Fatal(err)
	}
	wantBoard(t, dir)
}

// TestFinalSamplesAreShown: the last grid is on the board when its step is none of those that grids are drawn at.
func TestFinalSamplesAreShown(t *testing.T) {
	c := tiny(t)
	c.SampleEvery = 0
	dir := start(t, c)
	file, err := os.ReadFile(filepath.Join(dir, samplesFile))
	if err != nil {
		t.Fatal(err)
	}
	all := board(t, dir)
	if last := all[slices.IndexFunc(all, func(v value) bool { return v.tag == "samples" })]; last.step != 12 || !bytes.Equal(last.picture, file) {
		t.Errorf("step %d shows %d bytes, the file has %d", last.step, len(last.picture), len(file))
	}
}

// TestCurves: the picture is there whole after every grid, and drawn anew when a run is resumed.
func TestCurves(t *testing.T) {
	c := tiny(t)
	dir := t.TempDir()
	path := filepath.Join(dir, curvesFile)
	read := func() []byte {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		m, err := png.Decode(bytes.NewReader(b))
		if err != nil || m.Bounds().Dx() < 1000 || m.Bounds().Dy() < 500 {
			t.Fatalf("%v, %v", m.Bounds(), err)
		}
		return b
	}
	if _, err := Start(&countdown{context.Background(), 12}, c, dir, quiet()); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if s := checkpoint(t, dir); s.Position.Step < 6 || s.Position.Step >= 12 {
		t.Fatalf("stopped after step %d", s.Position.Step)
	}
	first := read()
	r, err := Resume(context.Background(), dir, func(*Config) {}, quiet())
	if err != nil || r.Curves != path {
		t.Fatalf("%+v, %v", r, err)
	}
	if bytes.Equal(first, read()) {
		t.Error("the picture is still that of step 6")
	}

	c.LogEvery, c.EvalEvery, c.SampleEvery = 64, 0, 5 // grids before there is a line to draw
	if _, err := Start(context.Background(), c, t.TempDir(), quiet()); err != nil {
		t.Error(err)
	}
}
