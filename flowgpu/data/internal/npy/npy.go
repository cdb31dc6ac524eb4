// Package npy reads and writes arrays of whole numbers in NumPy's file format (numpy.lib.format, versions 1 to 3).
package npy

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Array is what a file holds, in C order.
type Array struct {
	Shape  []int
	Values []uint16
	// Levels is 256 for uint8, 65536 for uint16 and 2 for bool. Any other type tells nothing about it, so there it is
	// 256 where no value is above 255 and else 65536.
	Levels int
}

var magic = []byte("\x93NUMPY")

var (
	descrKey = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	orderKey = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shapeKey = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// maxHeader bounds the header's length; NumPy's own are of 128 bytes.
const maxHeader = 1 << 16

// Read reads a file of the given size in bytes, of booleans, whole numbers or floating-point numbers. All values must be
// whole and 0 .. 65535, at most maxValues of them. The header is believed only where the size agrees with it.
func Read(r io.Reader, size, maxValues int64) (Array, error) {
	buffered := bufio.NewReaderSize(r, 1<<16)
	header, length, err := readHeader(buffered)
	if err != nil {
		return Array{}, err
	}
	item, shape, err := parse(header)
	if err != nil {
		return Array{}, err
	}
	n := int64(1)
	for _, d := range shape {
		if d == 0 {
			return Array{}, fmt.Errorf("shape %s: there is nothing in it", tuple(shape))
		}
		if int64(d) > maxValues/n {
			return Array{}, fmt.Errorf("shape %s: more than %d values", tuple(shape), maxValues)
		}
		n *= int64(d)
	}
	if have, want := size-length, n*int64(item.size); have != want {
		return Array{}, fmt.Errorf("shape %s of %q needs %d bytes, but %d follow the header: the file is truncated or damaged", tuple(shape), item.descr, want, have)
	}
	a := Array{Shape: shape, Values: make([]uint16, n), Levels: item.levels}
	if err := item.read(buffered, a); err != nil {
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

// readHeader gives the header's text and the length of all that comes before the values.
func readHeader(r io.Reader) (text string, length int64, err error) {
	start := make([]byte, 12)
	if _, err := io.ReadFull(r, start[:10]); err != nil || !bytes.HasPrefix(start, magic) {
		return "", 0, errors.New("not a NumPy array: it does not begin with \\x93NUMPY")
	}
	length, size := 10, uint32(binary.LittleEndian.Uint16(start[8:]))
	if version := start[6]; version > 1 { // the length of the header has four bytes
		if _, err := io.ReadFull(r, start[10:]); err != nil {
			return "", 0, fmt.Errorf("truncated or damaged in the header (%w)", err)
		}
		length, size = 12, binary.LittleEndian.Uint32(start[8:])
	}
	if size > maxHeader {
		return "", 0, fmt.Errorf("a header of %d bytes: the file is damaged", size)
	}
	header := make([]byte, size)
	if _, err := io.ReadFull(r, header); err != nil {
		return "", 0, fmt.Errorf("truncated or damaged in the header (%w)", err)
	}
	return string(header), length + int64(size), nil
}

// parse reads the header, the text of a Python dictionary.
func parse(header string) (item, []int, error) {
	order, shape := orderKey.FindStringSubmatch(header), shapeKey.FindStringSubmatch(header)
	descr := descrKey.FindStringSubmatch(header)
	if descr == nil && strings.Contains(header, "'descr': [") {
		return item{}, nil, errors.New("an array of records: save the pixels as an array of their own")
	}
	if descr == nil || order == nil || shape == nil {
		return item{}, nil, errors.New("a header without descr, fortran_order or shape: the file is damaged")
	}
	if order[1] == "True" {
		return item{}, nil, errors.New("in Fortran order: save numpy.ascontiguousarray of it")
	}
	it, err := itemOf(descr[1])
	if err != nil {
		return item{}, nil, err
	}
	var sizes []int
	for _, s := range strings.Split(shape[1], ",") {
		if s = strings.TrimSpace(s); s == "" {
			continue
		}
		d, err := strconv.Atoi(s)
		if err != nil {
			return item{}, nil, fmt.Errorf("shape (%s): %q is no size", shape[1], s)
		}
		sizes = append(sizes, d)
	}
	return it, sizes, nil
}

// item is the type of an array's values.
type item struct {
	descr  string // as NumPy writes it: byte order, kind, size
	kind   byte   // b, u, i, f
	size   int
	levels int // 0: not told by the type
	order  binary.ByteOrder
}

func itemOf(descr string) (item, error) {
	levels, ok := map[string]int{
		"b1": 2, "u1": 256, "u2": 1 << 16, "u4": 0, "u8": 0, "i1": 0, "i2": 0, "i4": 0, "i8": 0, "f4": 0, "f8": 0,
	}[strings.TrimLeft(descr, "<>|")]
	if !ok {
		return item{}, fmt.Errorf("values of type %q: save booleans, integers, float32 or float64", descr)
	}
	name := strings.TrimLeft(descr, "<>|")
	it := item{descr: descr, kind: name[0], size: int(name[1] - '0'), levels: levels, order: binary.LittleEndian}
	if descr[0] == '>' {
		it.order = binary.BigEndian
	}
	return it, nil
}

// read fills the array's values.
func (it item) read(r io.Reader, a Array) error {
	chunk := make([]byte, 1<<16)
	for done := 0; done < len(a.Values); {
		b := chunk[:min(len(chunk), (len(a.Values)-done)*it.size)]
		if _, err := io.ReadFull(r, b); err != nil {
			return fmt.Errorf("truncated or damaged (%w)", err)
		}
		for ; len(b) > 0; b = b[it.size:] {
			v := it.value(b)
			if !(v >= 0 && v <= math.MaxUint16 && v == math.Trunc(v)) {
				return fmt.Errorf("the value at index %s is %v: only whole numbers 0 to 65535 are read", index(done, a.Shape), v)
			}
			a.Values[done] = uint16(v)
			done++
		}
	}
	return nil
}

// value is exact up to 2^53; larger whole numbers stay larger than any intensity.
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

// index writes the place of value i as NumPy indexes it.
func index(i int, shape []int) string {
	at := make([]int, len(shape))
	for d := len(shape) - 1; d >= 0; d-- {
		at[d] = i % shape[d]
		i /= shape[d]
	}
	return strings.ReplaceAll(fmt.Sprint(at), " ", ", ")
}

// tuple writes a shape as Python does.
func tuple(shape []int) string {
	s := strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ", ")
	if len(shape) == 1 {
		s += ","
	}
	return "(" + s + ")"
}

func (a Array) String() string { return tuple(a.Shape) }

// Write writes bytes as an array of uint8.
func Write(w io.Writer, shape []int, values []byte) error {
	n := 1
	for _, d := range shape {
		n *= d
	}
	if n != len(values) {
		panic("npy: Write of a wrong shape")
	}
	header := fmt.Sprintf("{'descr': '|u1', 'fortran_order': False, 'shape': %s, }", tuple(shape))
	before := len(magic) + 4
	header += strings.Repeat(" ", 63-(before+len(header))%64) + "\n" // the values begin at a multiple of 64
	b := append(slices.Clone(magic), 1, 0)
	b = binary.LittleEndian.AppendUint16(b, uint16(len(header)))
	if _, err := w.Write(append(b, header...)); err != nil {
		return err
	}
	_, err := w.Write(values)
	return err
}
