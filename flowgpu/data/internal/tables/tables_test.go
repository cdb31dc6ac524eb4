package main

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// stream writes R's serialisation.
type stream struct{ bytes.Buffer }

func (s *stream) int(values ...int32) *stream {
	for _, v := range values {
		binary.Write(s, binary.BigEndian, v)
	}
	return s
}

func (s *stream) char(text string) *stream {
	s.int(0x40000|typeChar, int32(len(text)))
	s.WriteString(text)
	return s
}

// symbol is a name's first mention; later ones are references.
func (s *stream) symbol(text string) *stream { return s.int(typeSymbol).char(text) }

// frame is a list of a numeric column a, an integer column b with an NA, and a factor c, as save() writes it.
func frame() []byte {
	s := &stream{}
	s.WriteString("RDX2\nX\n")
	s.int(2, 0x30400, 0x20300)
	s.int(0x400 | typePairs).symbol("frame")
	s.int(0x300|typeList, 3)
	s.int(typeReal, 2)
	binary.Write(s, binary.BigEndian, []float64{0.1, -2})
	s.int(typeInt, 2, 7, math.MinInt32)
	s.int(0x300|typeInt, 2, 1, 2) // with attributes
	s.int(0x400|typePairs).symbol("levels").int(typeText, 2).char("low").char("high")
	s.int(0x400|typePairs).symbol("class").int(typeText, 1).char("factor").int(typeNil)
	s.int(0x400|typePairs).symbol("names").int(typeText, 3).char("a").char("b").char("c")
	s.int(0x400|typePairs, 3<<8|typeReference).int(typeText, 1).char("data.frame").int(typeNil) // class again
	s.int(typeNil)
	return s.Bytes()
}

func zipped(t *testing.T, content []byte) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	z.Write(content)
	z.Close()
	path := filepath.Join(t.TempDir(), "x.rda")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadRDA(t *testing.T) {
	v, err := readRDA(zipped(t, frame()), "frame")
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(v.names(), []string{"a", "b", "c"}) || !slices.Equal(v.attributes["class"].strings, []string{"data.frame"}) {
		t.Errorf("attributes %+v", v.attributes)
	}
	if a, err := v.find("a"); err != nil || !slices.Equal(a.numbers(), []float64{0.1, -2}) {
		t.Errorf("a is %v, %v", a, err)
	}
	if b, err := v.find("b"); err != nil || b.numbers()[0] != 7 || !math.IsNaN(b.numbers()[1]) {
		t.Errorf("b is %v, %v", b, err)
	}
	if c, err := v.find("c"); err != nil || !slices.Equal(c.attributes["levels"].strings, []string{"low", "high"}) {
		t.Errorf("c is %v, %v", c, err)
	}
	out := filepath.Join(t.TempDir(), "x.csv")
	if err := writeNumeric(out, v, 2); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(out); err != nil || string(text) != "a,b\n0.1,7\n-2,NaN\n" {
		t.Errorf("written %q, %v", text, err)
	}
	if err := writeNumeric(out, v, 3); err == nil || !strings.Contains(err.Error(), "2 numeric columns (a, b), not 3") {
		t.Errorf("error %v", err)
	}
}

// TestDamagedRDA: what is cut or changed is an error and no panic.
func TestDamagedRDA(t *testing.T) {
	whole := frame()
	for n := range whole {
		if _, err := readRDA(zipped(t, whole[:n]), "frame"); err == nil {
			t.Errorf("%d of %d bytes are read without an error", n, len(whole))
		}
	}
	for i := range whole {
		for _, bit := range []byte{1, 0x80} {
			changed := slices.Clone(whole)
			changed[i] ^= bit
			readRDA(zipped(t, changed), "frame")
		}
	}
	if _, err := readRDA(zipped(t, whole), "other"); err == nil || !strings.Contains(err.Error(), `"other"`) {
		t.Errorf("error %v", err)
	}
}
