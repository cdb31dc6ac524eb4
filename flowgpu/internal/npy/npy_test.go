package npy

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const limit = 1 << 20

func read(b []byte) (Array, error) { return Read(bytes.NewReader(b), int64(len(b)), limit) }

func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

// array is a file with that type and shape.
func array(descr, shape string, body []byte) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }\n", descr, shape)
	b := append([]byte("\x93NUMPY\x01\x00"), byte(len(header)), 0)
	return append(append(b, header...), body...)
}

func floats(values ...float32) (b []byte) {
	for _, v := range values {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

func counted(n int, step uint16) (v []uint16) {
	for i := range n {
		v = append(v, uint16(i)*step)
	}
	return v
}

func TestReadWhatNumPyWrote(t *testing.T) {
	for name, want := range map[string]Array{
		"u1":     {[]int{2, 3, 4}, counted(24, 10), 256},
		"u2be":   {[]int{1, 2, 3}, counted(6, 13000), 1 << 16},
		"i8":     {[]int{6}, counted(6, 100), 1 << 16},
		"f4":     {[]int{3, 2}, counted(6, 1), 256},
		"f8be":   {[]int{4}, counted(4, 21845), 1 << 16},
		"bool":   {[]int{2, 2}, []uint16{1, 0, 0, 1}, 2},
		"scalar": {nil, []uint16{7}, 256},
	} {
		b, err := os.ReadFile(filepath.Join("testdata", name+".npy"))
		if err != nil {
			t.Fatal(err)
		}
		a, err := read(b)
		if err != nil || !slices.Equal(a.Shape, want.Shape) || !slices.Equal(a.Values, want.Values) || a.Levels != want.Levels {
			t.Errorf("%s: got %+v, %v, want %+v", name, a, err, want)
		}
	}
	b, err := os.ReadFile("testdata/fortran.npy")
	if err != nil {
		t.Fatal(err)
	}
	_, err = read(b)
	wantError(t, err, "Fortran order", "numpy.ascontiguousarray")
}

// The writer writes byte for byte what NumPy does.
func TestWrite(t *testing.T) {
	want, err := os.ReadFile("testdata/u1.npy")
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := Write(&b, []int{2, 3, 4}, want[len(want)-24:]); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("wrote %q, NumPy %q", b.Bytes(), want)
	}
}

func TestReadVersion2(t *testing.T) {
	one := array("|u1", "(2,)", []byte{5, 6})
	two := slices.Concat(one[:6], []byte{2, 0}, one[8:10], []byte{0, 0}, one[10:])
	a, err := read(two)
	if err != nil || !slices.Equal(a.Values, []uint16{5, 6}) {
		t.Errorf("%v, %v", a.Values, err)
	}
}

// A reader that gives few bytes at a time, as a decompressor does, changes nothing.
func TestReadInPieces(t *testing.T) {
	b, err := os.ReadFile("testdata/f8be.npy")
	if err != nil {
		t.Fatal(err)
	}
	a, err := Read(onlyThree{bytes.NewReader(b)}, int64(len(b)), limit)
	if err != nil || !slices.Equal(a.Values, counted(4, 21845)) {
		t.Errorf("%v, %v", a.Values, err)
	}
}

type onlyThree struct{ r *bytes.Reader }

func (o onlyThree) Read(p []byte) (int, error) { return o.r.Read(p[:min(3, len(p))]) }

func TestReadBadFiles(t *testing.T) {
	good := array("|u1", "(2, 3)", make([]byte, 6))
	long := array("|u1", "(2, 3)", make([]byte, 6))
	long[8], long[9] = 255, 255
	for _, tc := range []struct {
		name string
		b    []byte
		want []string
	}{
		{"empty", nil, []string{"not a NumPy array"}},
		{"text", []byte("hello, this is a text"), []string{"not a NumPy array"}},
		{"truncated header", good[:30], []string{"cut short"}},
		{"header longer than the file", long, []string{"cut short"}},
		{"header too long", slices.Concat(good[:6], []byte{2, 0, 255, 255, 255, 255}), []string{"a header of 4294967295 bytes"}},
		{"truncated", good[:len(good)-1], []string{"shape (2, 3)", "needs 6 bytes, but 5 follow", "truncated"}},
		{"more", append(slices.Clone(good), 1), []string{"needs 6 bytes, but 7 follow"}},
		{"no dictionary", append([]byte("\x93NUMPY\x01\x00\x03\x00"), "abc"...), []string{"a header without descr"}},
		{"complex", array("<c16", "(1,)", make([]byte, 16)), []string{`type "<c16"`, "float32"}},
		{"no type", array("", "(1,)", nil), []string{`type ""`}},
		{"text values", array("<U3", "(1,)", make([]byte, 12)), []string{`type "<U3"`}},
		{"records", []byte(strings.Replace(string(array("X", "(1,)", nil)), "'X'", "[a]", 1)), []string{"array of records"}},
		{"nothing in it", array("|u1", "(0, 3)", nil), []string{"shape (0, 3)", "nothing in it"}},
		{"huge", array("|u1", "(99999999, 99999999, 99999999)", nil), []string{"more than 1048576 values"}},
		{"size of no number", array("|u1", "(99999999999999999999,)", nil), []string{"is no size"}},
		{"half", array("<f4", "(2, 2)", floats(0, 1, 2.5, 3)), []string{"index [1, 0] is 2.5", "whole numbers"}},
		{"NaN", array("<f4", "(1, 2, 2)", floats(0, 1, 2, float32(math.NaN()))), []string{"index [0, 1, 1] is NaN"}},
		{"infinity", array("<f4", "(1,)", floats(float32(math.Inf(1)))), []string{"index [0] is +Inf"}},
		{"negative", array("|i1", "(3,)", []byte{1, 2, 0xff}), []string{"index [2] is -1"}},
		{"negative 64", array("<i8", "(1,)", bytes.Repeat([]byte{0xff}, 8)), []string{"index [0] is -1"}},
		{"too large", array("<u4", "(1,)", []byte{0, 0, 1, 0}), []string{"index [0] is 65536"}},
		{"far too large", array("<u8", "(1,)", bytes.Repeat([]byte{0xff}, 8)), []string{"index [0] is 1.8"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := read(tc.b)
			wantError(t, err, tc.want...)
		})
	}
	_, err := Read(bytes.NewReader(good[:len(good)-2]), int64(len(good)), limit) // the file's size is a lie
	wantError(t, err, "cut short")
}

func FuzzRead(f *testing.F) {
	f.Add(array("|u1", "(2, 3)", make([]byte, 6)))
	f.Add(array("<f8", "(1,)", make([]byte, 8)))
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := read(b)
		if err != nil {
			return
		}
		n := 1
		for _, d := range a.Shape {
			n *= d
		}
		if n != len(a.Values) {
			t.Errorf("shape %v with %d values", a.Shape, len(a.Values))
		}
	})
}
