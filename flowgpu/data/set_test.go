package data

import (
	"crypto/sha256"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// numbered is a set whose pixel value tells the sample, channel and position: distinct everywhere.
func numbered(n, c, h, w int) *Set {
	s := &Set{Name: "numbered", C: c, H: h, W: w, Levels: 1 << 16, N: n, Classes: n}
	for i := range n * c * h * w {
		s.Pixels = append(s.Pixels, uint16(i))
	}
	for i := range n {
		s.Labels = append(s.Labels, int32(i))
	}
	return s
}

// wantError fails unless err is one line that has all the given parts.
func wantError(t *testing.T, err error, parts ...string) {
	t.Helper()
	if err == nil {
		t.Errorf("no error, want one with %q", parts)
		return
	}
	if strings.Contains(err.Error(), "\n") {
		t.Errorf("error of more than one line: %q", err)
	}
	for _, p := range parts {
		if !strings.Contains(err.Error(), p) {
			t.Errorf("error %q does not say %q", err, p)
		}
	}
}

func wantPanic(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if got := recover(); got != want {
			t.Errorf("panic %v, want %q", got, want)
		}
	}()
	f()
}

func TestDigits(t *testing.T) {
	train, test, err := Digits()
	if err != nil {
		t.Fatal(err)
	}
	if train.N != 1497 || test.N != 300 {
		t.Errorf("%d train and %d test samples, want 1497 and 300", train.N, test.N)
	}
	if train.D() != 64 || train.Levels != 17 || train.Classes != 10 || train.Name != "digits train" || test.Name != "digits test" {
		t.Errorf("unexpected fields: %s %dx%dx%d, %d levels, %d classes", train.Name, train.C, train.H, train.W, train.Levels, train.Classes)
	}
	// The first line of the file is test, the second train.
	if want := []uint16{0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0}; !slices.Equal(test.Pixels[:16], want) || test.Labels[0] != 0 {
		t.Errorf("first test image begins %v, label %d", test.Pixels[:16], test.Labels[0])
	}
	if want := []uint16{0, 0, 0, 12, 13, 5, 0, 0, 0, 0, 0, 11, 16, 9, 0, 0}; !slices.Equal(train.Pixels[:16], want) || train.Labels[0] != 1 {
		t.Errorf("first train image begins %v, label %d", train.Pixels[:16], train.Labels[0])
	}
	var count [10]int
	var top uint16
	for _, s := range []*Set{train, test} {
		for _, l := range s.Labels {
			count[l]++
		}
		top = max(top, slices.Max(s.Pixels))
	}
	if want := [10]int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}; count != want { // as scikit-learn's user guide lists them
		t.Errorf("samples of each class %v, want %v", count, want)
	}
	if top != 16 {
		t.Errorf("largest intensity %d, want 16", top)
	}
}

func TestDigitsFileIsTheOneOfTheNotice(t *testing.T) {
	notice, err := os.ReadFile("NOTICE.md")
	if err != nil {
		t.Fatal(err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256([]byte(digitsCSV))); !strings.Contains(string(notice), sum) {
		t.Errorf("NOTICE.md does not give the file's SHA-256 %s", sum)
	}
}

func TestDigitsDamaged(t *testing.T) {
	line := func(values int, v string) string {
		return strings.TrimSuffix(strings.Repeat(v+",", values), ",") + "\n"
	}
	for _, tc := range []struct{ csv, want string }{
		{line(64, "1"), "line 1 has 64 values, not 65"},
		{line(65, "1") + line(65, "x"), "line 2: strconv.ParseUint"},
		{line(65, "17") + line(65, "9"), "largest is 16"},
		{line(65, "10") + line(65, "9"), "label 10"},
		{"", "line 1 has 1 values, not 65"},
		{line(65, "1"), "train: no samples"},
	} {
		_, _, err := parseDigits(string(gz([]byte(tc.csv))))
		wantError(t, err, "digits", tc.want)
	}
	_, _, err := parseDigits(digitsCSV[:len(digitsCSV)/2])
	wantError(t, err, "embedded digits: unexpected EOF")
	_, _, err = parseDigits("")
	wantError(t, err, "embedded digits: EOF")
}

func TestCheck(t *testing.T) {
	if err := numbered(3, 2, 4, 5).Check(); err != nil {
		t.Errorf("a sound set: %v", err)
	}
	for want, spoil := range map[string]func(*Set){
		"no samples":              func(s *Set) { s.N = 0 },
		"0x4x5":                   func(s *Set) { s.C = 0 },
		"1 intensity levels":      func(s *Set) { s.Levels = 1 },
		"119 pixel values":        func(s *Set) { s.Pixels = s.Pixels[:119] },
		"2 labels for 3 images":   func(s *Set) { s.Labels = s.Labels[:2] },
		"3 classes but no labels": func(s *Set) { s.Labels = nil },
		"image 2 has the intensity 100, but with 100 levels the largest is 99": func(s *Set) { s.Levels = 100 },
		"image 1 has the label 7, but the 3 classes are 0 to 2":                func(s *Set) { s.Labels[1] = 7 },
		"image 0 has the label -1":                                             func(s *Set) { s.Labels[0] = -1 },
	} {
		s := numbered(3, 2, 4, 5)
		spoil(s)
		wantError(t, s.Check(), "data set numbered", want)
	}
}

func TestHead(t *testing.T) {
	s := numbered(5, 2, 3, 1)
	h := s.Head(2)
	if err := h.Check(); err != nil || h.N != 2 || h.Pixels[11] != 11 {
		t.Errorf("Head(2): %d samples, %v", h.N, err)
	}
	if s.N != 5 || len(s.Pixels) != 30 {
		t.Error("Head changed its set")
	}
	if h := s.Head(99); h.N != 5 || h.Check() != nil {
		t.Errorf("Head(99) of 5 has %d", h.N)
	}
	s.Labels, s.Classes = nil, 0
	if err := s.Head(1).Check(); err != nil {
		t.Errorf("Head without labels: %v", err)
	}
}

func TestPad(t *testing.T) {
	s := numbered(2, 2, 2, 3)
	for i := range s.Pixels {
		s.Pixels[i]++ // so that 0 is background alone
	}
	p, err := s.Pad(5, 5)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Check(); err != nil {
		t.Fatal(err)
	}
	want := []uint16{ // channel 1 of sample 1: one row above, two below, one column each side
		0, 0, 0, 0, 0,
		0, 19, 20, 21, 0,
		0, 22, 23, 24, 0,
		0, 0, 0, 0, 0,
		0, 0, 0, 0, 0,
	}
	if got := p.Pixels[3*25:]; !slices.Equal(got, want) {
		t.Errorf("last plane %v, want %v", got, want)
	}
	sum := func(s *Set) (n int) {
		for _, v := range s.Pixels {
			n += int(v)
		}
		return n
	}
	if sum(p) != sum(s) {
		t.Errorf("sum of pixels %d, was %d", sum(p), sum(s))
	}
	if p.D() != 50 || !slices.Equal(p.Labels, s.Labels) || p.Levels != s.Levels || p.Name != s.Name {
		t.Error("fields of the padded set are wrong")
	}
	if same, err := s.Pad(2, 3); err != nil || !slices.Equal(same.Pixels, s.Pixels) {
		t.Errorf("padding to its own size: %v", err)
	}
	_, err = s.Pad(1, 9)
	wantError(t, err, "cannot pad 2x3 images to 1x9", "at least as large")
	_, err = s.Pad(9, 2)
	wantError(t, err, "cannot pad")
	_, err = s.Pad(2, 1<<40)
	wantError(t, err, "memory", "smaller size")
	_, err = numbered(9, 2, 2, 3).Pad(maxSide, maxSide)
	wantError(t, err, "memory", "smaller size")
}

func TestFill(t *testing.T) {
	s := numbered(5, 2, 1, 3)
	dst := make([]float32, 2*3*2)
	s.Fill(dst, 3, 2)
	want := []float32{18, 19, 20, 24, 25, 26, 21, 22, 23, 27, 28, 29} // channel 0 of samples 3 and 4, then channel 1
	if !slices.Equal(dst, want) {
		t.Errorf("got %v, want %v", dst, want)
	}
	s.Fill(dst, 5, 0) // nothing, at the end
	for _, at := range [][2]int{{4, 2}, {-1, 1}, {0, 3}, {2, -1}} {
		wantPanic(t, "data: Fill out of range", func() { s.Fill(dst, at[0], at[1]) })
	}
}
