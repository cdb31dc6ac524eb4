package main

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
	"unicode/utf16"

	"cuflow/flowgpu/data/internal/raster"
	"cuflow/flowgpu/internal/npy"
)

// node is a file or a folder to be written as a Qt resource.
type node struct {
	name     string
	flags    uint16
	content  string
	children []node
}

// rcc writes a resource file: all nodes level by level, as Qt's compiler does.
func rcc(root node) []byte {
	var tree, contents, names []byte
	level := []node{root}
	next := 1
	for len(level) > 0 {
		var below []node
		for _, n := range level {
			tree = binary.BigEndian.AppendUint32(tree, uint32(len(names)))
			tree = binary.BigEndian.AppendUint16(tree, n.flags)
			if n.flags&isFolder != 0 {
				tree = binary.BigEndian.AppendUint32(tree, uint32(len(n.children)))
				tree = binary.BigEndian.AppendUint32(tree, uint32(next))
				next += len(n.children)
				below = append(below, n.children...)
			} else {
				tree = append(tree, 0, 1, 0, 2) // country, language
				tree = binary.BigEndian.AppendUint32(tree, uint32(len(contents)))
				contents = binary.BigEndian.AppendUint32(contents, uint32(len(n.content)))
				contents = append(contents, n.content...)
			}
			tree = binary.BigEndian.AppendUint64(tree, 1234)
			text := utf16.Encode([]rune(n.name))
			names = binary.BigEndian.AppendUint16(names, uint16(len(text)))
			names = append(names, "hash"...)
			for _, v := range text {
				names = binary.BigEndian.AppendUint16(names, v)
			}
		}
		level = below
	}
	b := []byte("qres")
	for _, v := range []int{3, 24, 24 + len(tree), 24 + len(tree) + len(contents), 0} {
		b = binary.BigEndian.AppendUint32(b, uint32(v))
	}
	return slices.Concat(b, tree, contents, names)
}

func folderOf(name string, children ...node) node {
	return node{name: name, flags: isFolder, children: children}
}

func TestResources(t *testing.T) {
	b := rcc(folderOf("", folderOf("a", node{name: "ö.txt", content: "one"}, folderOf("b", node{name: "two", content: "zwei"})),
		node{name: "packed", flags: 1, content: "zzz"}, node{name: "packed too", flags: 4, content: "zzz"}, node{name: "empty"}))
	var got []string
	list := func(path string, content []byte) error {
		got = append(got, fmt.Sprintf("%s=%s", path, content))
		return nil
	}
	if err := resources(b, list); err != nil {
		t.Fatal(err)
	}
	if want := []string{"/a/ö.txt=one", "/a/b/two=zwei", "/empty="}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	endless := rcc(folderOf("", node{name: "x"}))
	binary.BigEndian.PutUint32(endless[24+10:], 0) // the root is its own child
	for want, bad := range map[string][]byte{
		"not a Qt resource file":   []byte("text that is long enough"),
		"a damaged Qt resource":    b[:len(b)/2],
		"version 1, not 2 or 3":    append([]byte("qres\x00\x00\x00\x01"), b[8:]...),
		"its folders have no end":  endless,
		"damaged Qt resource file": nil,
	} {
		if err := resources(bytes.Clone(bad), list); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", want, err)
		}
	}
	if err := resources(b, func(string, []byte) error { return os.ErrClosed }); err != os.ErrClosed {
		t.Errorf("the error of the function is %v", err)
	}
}

func TestIsPhotograph(t *testing.T) {
	for _, tc := range []struct {
		activity, file string
		pixels         int
		want           bool
	}{
		{"erase", "gorilla.webp", 250_000, true},
		{"erase", "button.webp", 249_999, false},
		{"details", "Louvre_background.webp", 150_000, true},
		{"details", "Louvre_background.webp", 149_999, false},
		{"details", "Louvre_1.webp", 150_000, false},
		{"details", "Van_Gogh_The_Night_Cafe_background.webp", 300_000, false},
	} {
		if got := isPhotograph(tc.activity, tc.file, tc.pixels); got != tc.want {
			t.Errorf("%s/%s of %d pixels: %v", tc.activity, tc.file, tc.pixels, got)
		}
	}
}

func TestHalveAndPatches(t *testing.T) {
	m := raster.Image{C: 3, H: 5, W: 9, Levels: 256}
	for i := range 3 * 5 * 9 {
		m.Pix = append(m.Pix, uint16(i))
	}
	h := halve(m)
	if h.H != 2 || h.W != 4 || len(h.Pix) != 24 {
		t.Fatalf("halved to %dx%d", h.H, h.W)
	}
	for c := range 3 {
		for y := range 2 {
			for x := range 4 {
				first := 45*c + 18*y + 2*x // and +1, +9, +10: the mean is 5 more
				if got := h.Pix[(c*2+y)*4+x]; int(got) != first+5 {
					t.Errorf("channel %d (%d, %d) is %d, want %d", c, x, y, got, first+5)
				}
			}
		}
	}
	all := patches(h, 2)
	want := []byte{9, 54, 99, 11, 56, 101, 27, 72, 117, 29, 74, 119} // columns 2 and 3
	if len(all) != 2 || !slices.Equal(all[1], want) {
		t.Errorf("patches %v, want the second %v", all, want)
	}
	if n := len(patches(h, 3)); n != 0 {
		t.Errorf("%d patches larger than the picture", n)
	}
}

func TestFlat(t *testing.T) {
	patch := func(amplitude float64) []byte { // the standard deviation of each channel is the amplitude
		p := make([]byte, 4*4*3)
		for i := range p {
			p[i] = byte(50*(i%3) + 100 + int(math.Copysign(amplitude, float64(i/3%2)-0.5)))
		}
		return p
	}
	if !flat(patch(0)) || !flat(patch(3)) || flat(patch(4)) || flat(patch(20)) {
		t.Error("the limit is not a standard deviation of 4")
	}
}

func TestPhotographsAndPart(t *testing.T) {
	webp, err := os.ReadFile("../raster/testdata/lossy.webp") // 17x13, too small to be taken
	if err != nil {
		t.Fatal(err)
	}
	from, to := t.TempDir(), t.TempDir()
	for _, activity := range []string{"erase", "explore_monuments", "explore_world_animals", "explore_farm_animals", "explore_world_music", "details"} {
		b := rcc(folderOf("", node{name: "small.webp", content: string(webp)}))
		if err := os.WriteFile(filepath.Join(from, activity+".rcc"), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	photos, err := photographs(from)
	if err != nil || len(photos) != 0 {
		t.Errorf("%d photographs, %v", len(photos), err)
	}
	if err := run(from, to, 8); err == nil || !strings.Contains(err.Error(), "no photographs") {
		t.Errorf("a run without photographs: %v", err)
	}
	bad := rcc(folderOf("", node{name: "bad.webp", content: "text"}))
	if err := os.WriteFile(filepath.Join(from, "details.rcc"), bad, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := photographs(from); err == nil || !strings.Contains(err.Error(), "details.rcc: /bad.webp") {
		t.Errorf("a bad picture: %v", err)
	}

	p := &part{name: "test", patches: slices.Repeat([]byte{1, 2, 3}, 2*4*4), n: 2}
	if err := p.write(to, 4); err != nil {
		t.Fatal(err)
	}
	f, err := os.ReadFile(filepath.Join(to, "test.npy"))
	if err != nil {
		t.Fatal(err)
	}
	a, err := npy.Read(bytes.NewReader(f), int64(len(f)), 1<<20)
	if err != nil || !slices.Equal(a.Shape, []int{2, 4, 4, 3}) || a.Values[95] != 3 {
		t.Errorf("wrote %v, %v", a, err)
	}
}
