package npy

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
)

// item is the type of an array's values.
type item struct {
	kind   byte // b, u, i, f
	size   int
	levels int // how many values there are of the type; 0: not told by it
	order  binary.ByteOrder
}

func itemOf(descr string) (item, error) {
	name := strings.TrimLeft(descr, "<>|")
	levels, ok := map[string]int{
		"b1": 2, "u1": 256, "u2": 1 << 16, "u4": 0, "u8": 0, "i1": 0, "i2": 0, "i4": 0, "i8": 0, "f4": 0, "f8": 0,
	}[name]
	if !ok {
		return item{}, fmt.Errorf("values of type %q: save booleans, integers, float32 or float64", descr)
	}
	it := item{kind: name[0], size: int(name[1] - '0'), levels: levels, order: binary.LittleEndian}
	if descr[0] == '>' {
		it.order = binary.BigEndian
	}
	return it, nil
}

// value is exact up to 2^53.
func (it item) value(b []byte) float64 {
	var bits uint64
	switch it.size {
	case 1:
		bits = uint64(b[0])
	case 2:
		bits = uint64(it.order.Uint16(b))
	case 4:
		bits = uint64(it.order.Uint32(b))
	case 8:
		bits = it.order.Uint64(b)
	}
	switch {
	case it.kind == 'f' && it.size == 4:
		return float64(math.Float32frombits(uint32(bits)))
	case it.kind == 'f':
		return math.Float64frombits(bits)
	case it.kind == 'i':
		unused := 64 - 8*it.size
		return float64(int64(bits<<unused) >> unused)
	}
	return float64(bits)
}

// open reads the header of a file of the given size in bytes, which is believed only where the size agrees with it; more than
// maxValues are refused.
func open(r io.Reader, size, maxValues int64) (values io.Reader, h Header, it item, n int, err error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	if h, err = ReadHeader(buffered); err != nil {
		return nil, h, it, 0, err
	}
	if it, err = itemOf(h.Descr); err != nil {
		return nil, h, it, 0, err
	}
	count := int64(1)
	for _, d := range h.Shape {
		if d == 0 {
			return nil, h, it, 0, fmt.Errorf("shape %s: there is nothing in it", tuple(h.Shape))
		}
		if int64(d) > maxValues/count {
			return nil, h, it, 0, fmt.Errorf("shape %s: more than %d values", tuple(h.Shape), maxValues)
		}
		count *= int64(d)
	}
	if have, want := size-h.Size, count*int64(it.size); have != want {
		return nil, h, it, 0, fmt.Errorf("shape %s of %q needs %d bytes, but %d follow the header: the file is truncated or damaged", tuple(h.Shape), h.Descr, want, have)
	}
	return buffered, h, it, int(count), nil
}

// each calls f with the n values in turn.
func (it item) each(r io.Reader, n int, f func(i int, v float64) error) error {
	chunk := make([]byte, 1<<16)
	for done := 0; done < n; {
		b := chunk[:min(len(chunk), (n-done)*it.size)]
		if _, err := io.ReadFull(r, b); err != nil {
			return short(err)
		}
		for ; len(b) > 0; b = b[it.size:] {
			if err := f(done, it.value(b)); err != nil {
				return err
			}
			done++
		}
	}
	return nil
}

// Array is an array of whole numbers.
type Array struct {
	Shape  []int
	Values []uint16
	// Levels is 256 for uint8, 65536 for uint16 and 2 for bool. Any other type tells nothing about it, so there it is
	// 256 where no value is above 255 and else 65536.
	Levels int
}

func (a Array) String() string { return tuple(a.Shape) }

// Read reads a file of the given size in bytes, of booleans, whole numbers or floating-point numbers. All values must be
// whole and 0 .. 65535, at most maxValues of them.
func Read(r io.Reader, size, maxValues int64) (Array, error) {
	values, h, it, n, err := open(r, size, maxValues)
	if err != nil {
		return Array{}, err
	}
	a := Array{Shape: h.Shape, Values: make([]uint16, n), Levels: it.levels}
	err = it.each(values, n, func(i int, v float64) error {
		if !(v >= 0 && v <= math.MaxUint16 && v == math.Trunc(v)) {
			return fmt.Errorf("the value at index %s is %v: only whole numbers 0 to 65535 are read", index(i, a.Shape), v)
		}
		a.Values[i] = uint16(v)
		return nil
	})
	if err != nil {
		return Array{}, err
	}
	if a.Levels == 0 {
		a.Levels = 256
		if slices.Max(a.Values) > 255 {
			a.Levels = 1 << 16
		}
	}
	return a, nil
}

// Numbers is an array of any numbers.
type Numbers struct {
	Shape  []int
	Values []float64
	Exact  bool // the file's type holds more digits than a float32
}

func (a Numbers) String() string { return tuple(a.Shape) }

// Index writes the place of value i as NumPy indexes it.
func (a Numbers) Index(i int) string { return index(i, a.Shape) }

// ReadNumbers reads a file of the given size in bytes, of at most maxValues numbers of any type that has real ones. NaN and
// infinities are the caller's to judge.
func ReadNumbers(r io.Reader, size, maxValues int64) (Numbers, error) {
	values, h, it, n, err := open(r, size, maxValues)
	if err != nil {
		return Numbers{}, err
	}
	a := Numbers{Shape: h.Shape, Values: make([]float64, n), Exact: it.kind != 'f' || it.size == 8}
	err = it.each(values, n, func(i int, v float64) error {
		a.Values[i] = v
		return nil
	})
	return a, err
}

// Write writes bytes as an array of uint8.
func Write(w io.Writer, shape []int, values []byte) error {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(values) {
		panic("npy: Write of a wrong shape")
	}
	if _, err := w.Write(AppendHeader(nil, "|u1", shape)); err != nil {
		return err
	}
	_, err := w.Write(values)
	return err
}
