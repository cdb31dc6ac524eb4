package main

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strings"
)

// value is what is read of R's serialisation: nil, float64s, int32s, strings, or a list of values, with attributes.
type value struct {
	floats     []float64
	ints       []int32
	strings    []string
	list       []value
	attributes map[string]value
}

// names are those of a list's entries.
func (v value) names() []string { return v.attributes["names"].strings }

// find gives an entry of a list by its name.
func (v value) find(name string) (value, error) {
	for i, n := range v.names() {
		if n == name && i < len(v.list) {
			return v.list[i], nil
		}
	}
	return value{}, fmt.Errorf("no %q among %s", name, strings.Join(v.names(), ", "))
}

// numbers are the values of a numeric vector; NA is NaN.
func (v value) numbers() []float64 {
	if v.floats != nil {
		return v.floats
	}
	var x []float64
	for _, i := range v.ints {
		f := float64(i)
		if i == math.MinInt32 {
			f = math.NaN()
		}
		x = append(x, f)
	}
	return x
}

// The types of R's objects that tables are made of: R Internals, section 1.8, "Serialization Formats".
const (
	typeSymbol, typePairs, typeChar          = 1, 2, 9
	typeLogical, typeInt, typeReal, typeText = 10, 13, 14, 16
	typeList                                 = 19
	typeNil, typeReference                   = 254, 255
)

// unserializer reads the binary format "X", big-endian.
type unserializer struct {
	r       io.Reader
	symbols []string
	err     error
}

// unserialize reads one object, the two bytes "X\n" and the versions included.
func unserialize(r io.Reader) (value, error) {
	u := &unserializer{r: r}
	if start := u.bytes(2); u.err == nil && string(start) != "X\n" {
		return value{}, errors.New("not R's binary serialisation")
	}
	version := u.int()
	u.bytes(8) // of R, and of the oldest R that reads it
	if version == 3 {
		u.bytes(int(u.int())) // the encoding
	} else if u.err == nil && version != 2 {
		return value{}, fmt.Errorf("version %d of R's serialisation: 2 and 3 are read", version)
	}
	v := u.value()
	return v, u.err
}

// bytes reads n bytes; after an error it gives a few zeros. A damaged n costs no more memory than the file has bytes.
func (u *unserializer) bytes(n int) []byte {
	if n < 0 {
		u.fail(errors.New("damaged: a negative length"))
	}
	var b bytes.Buffer
	if u.err == nil {
		if _, err := io.CopyN(&b, u.r, int64(n)); err != nil {
			u.fail(fmt.Errorf("cut short (%w)", err))
		}
	}
	if u.err != nil {
		return make([]byte, 8)
	}
	return b.Bytes()
}

func (u *unserializer) fail(err error) {
	if u.err == nil {
		u.err = err
	}
}

func (u *unserializer) int() int32 { return int32(binary.BigEndian.Uint32(u.bytes(4))) }

// value reads an object with its attributes.
func (u *unserializer) value() (v value) {
	flags := u.int()
	if u.err != nil {
		return v
	}
	hasAttributes := flags&0x200 != 0
	switch kind := flags & 0xff; kind {
	case typeNil:
		return v
	case typeSymbol:
		u.symbols = append(u.symbols, u.char())
		v.strings = u.symbols[len(u.symbols)-1:]
		return v
	case typeReference: // its number is in the flags

		i := int(flags>>8) - 1
		if i < 0 || i >= len(u.symbols) {
			u.fail(errors.New("damaged: a reference to nothing"))
			return v
		}
		v.strings = u.symbols[i : i+1]
		return v
	case typePairs:
		return u.pairs(flags)
	case typeLogical, typeInt:
		n := int(u.int())
		b := u.bytes(4 * n)
		v.ints = make([]int32, len(b)/4)
		for i := range v.ints {
			v.ints[i] = int32(binary.BigEndian.Uint32(b[4*i:]))
		}
	case typeReal:
		n := int(u.int())
		b := u.bytes(8 * n)
		v.floats = make([]float64, len(b)/8)
		for i := range v.floats {
			v.floats[i] = math.Float64frombits(binary.BigEndian.Uint64(b[8*i:]))
		}
	case typeText:
		for range u.int() {
			if u.err != nil {
				return v
			}
			v.strings = append(v.strings, u.char())
		}
	case typeList:
		for range u.int() {
			if u.err != nil {
				return v
			}
			v.list = append(v.list, u.value())
		}
	default:
		u.fail(fmt.Errorf("an object of R's type %d: only vectors and lists are read", kind))
	}
	if hasAttributes {
		v.attributes = u.value().attributes
	}
	return v
}

// char reads a string.
func (u *unserializer) char() string {
	if flags := u.int(); u.err == nil && flags&0xff != typeChar {
		u.fail(fmt.Errorf("an object of R's type %d where a string should be", flags&0xff))
		return ""
	}
	n := u.int()
	if n == -1 { // NA
		return ""
	}
	return string(u.bytes(int(n)))
}

// pairs reads a pairlist as attributes: tag and value, and then the rest of the list.
func (u *unserializer) pairs(flags int32) (v value) {
	v.attributes = map[string]value{}
	for u.err == nil && flags&0xff == typePairs {
		if flags&0x200 != 0 {
			u.value()
		}
		tag := ""
		if flags&0x400 != 0 {
			if t := u.value(); len(t.strings) == 1 {
				tag = t.strings[0]
			}
		}
		v.attributes[tag] = u.value()
		flags = u.int()
	}
	if u.err == nil && flags&0xff != typeNil {
		u.fail(errors.New("a list that does not end"))
	}
	return v
}

// readRDA reads one object of a gzipped .rda file, which is a pairlist of objects.
func readRDA(path, name string) (value, error) {
	f, err := os.Open(path)
	if err != nil {
		return value{}, err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return value{}, err
	}
	start := make([]byte, 5)
	if _, err := io.ReadFull(z, start); err != nil || string(start[:3]) != "RDX" {
		return value{}, errors.New("no .rda file")
	}
	all, err := unserialize(z)
	if err != nil {
		return value{}, err
	}
	v, ok := all.attributes[name]
	if !ok {
		return value{}, fmt.Errorf("no object %q", name)
	}
	return v, nil
}

// readRDB reads one object of a lazy-load data base: .rdx, gzipped, says where in .rdb it is, as four
// bytes of length and a zlib stream.
func readRDB(path, name string) (value, error) {
	b, err := os.ReadFile(strings.TrimSuffix(path, ".rdb") + ".rdx")
	if err != nil {
		return value{}, err
	}
	g, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		return value{}, err
	}
	index, err := unserialize(g)
	if err != nil {
		return value{}, err
	}
	variables, err := index.find("variables")
	if err != nil {
		return value{}, err
	}
	place, err := variables.find(name)
	if err != nil {
		return value{}, err
	}
	if len(place.ints) != 2 {
		return value{}, errors.New("an index without place and length")
	}
	if b, err = os.ReadFile(path); err != nil {
		return value{}, err
	}
	at, n := int(place.ints[0]), int(place.ints[1])
	if at < 0 || n < 4 || at+n > len(b) {
		return value{}, errors.New("an index beyond the end: cut short")
	}
	z, err := zlib.NewReader(bytes.NewReader(b[at+4 : at+n]))
	if err != nil {
		return value{}, err
	}
	return unserialize(z)
}
