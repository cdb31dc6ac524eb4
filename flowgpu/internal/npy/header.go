// Package npy reads and writes arrays of numbers in NumPy's file format (numpy.lib.format, versions 1 to 3).
package npy

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Header is what a file says of the values that follow, which are in C order.
type Header struct {
	Descr string // as NumPy writes it: byte order, kind, size; "<f4"
	Shape []int
	Size  int64 // of the header itself, in bytes
}

// ErrShort says that a file ends too early.
var ErrShort = errors.New("the file was cut short")

var magic = []byte("\x93NUMPY")

var (
	descrKey = regexp.MustCompile(`'descr':\s*'([^']*)'`)
	orderKey = regexp.MustCompile(`'fortran_order':\s*(True|False)`)
	shapeKey = regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`)
)

// maxHeader bounds the header's length; NumPy's own are of 128 bytes.
const maxHeader = 1 << 16

// ReadHeader reads up to where the values begin.
func ReadHeader(r io.Reader) (Header, error) {
	start := make([]byte, 12)
	n, err := io.ReadFull(r, start[:10])
	if n == 0 || !bytes.HasPrefix(start, magic[:min(n, len(magic))]) {
		return Header{}, errors.New("not a NumPy array: it does not begin with \\x93NUMPY")
	}
	if err != nil {
		return Header{}, short(err)
	}
	length, size := 10, uint32(binary.LittleEndian.Uint16(start[8:]))
	switch version := start[6]; {
	case version == 2 || version == 3: // the length of the header has four bytes
		if _, err := io.ReadFull(r, start[10:]); err != nil {
			return Header{}, short(err)
		}
		length, size = 12, binary.LittleEndian.Uint32(start[8:])
	case version != 1:
		return Header{}, fmt.Errorf("NumPy's format version %d: versions 1 to 3 are read", version)
	}
	if size > maxHeader {
		return Header{}, fmt.Errorf("a header of %d bytes: the file is damaged", size)
	}
	text := make([]byte, size)
	if _, err := io.ReadFull(r, text); err != nil {
		return Header{}, short(err)
	}
	h, err := parse(string(text))
	h.Size = int64(length) + int64(size)
	return h, err
}

// short makes the end of a file that should go on an ErrShort.
func short(err error) error {
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return ErrShort
	}
	return err
}

// parse reads the header, the text of a Python dictionary.
func parse(text string) (h Header, err error) {
	descr, order, shape := descrKey.FindStringSubmatch(text), orderKey.FindStringSubmatch(text), shapeKey.FindStringSubmatch(text)
	switch {
	case descr == nil && strings.Contains(text, "'descr': ["):
		return h, errors.New("an array of records: save each field as an array of its own")
	case descr == nil || order == nil || shape == nil:
		return h, errors.New("a header without descr, fortran_order or shape: the file is damaged")
	case order[1] == "True":
		return h, errors.New("in Fortran order: save numpy.ascontiguousarray of it")
	}
	h.Descr, h.Shape = descr[1], []int{}
	for _, s := range strings.FieldsFunc(shape[1], func(r rune) bool { return r == ',' || r == ' ' }) {
		d, err := strconv.Atoi(s)
		if err != nil {
			return h, fmt.Errorf("shape (%s): %q is no size", shape[1], s)
		}
		h.Shape = append(h.Shape, d)
	}
	return h, nil
}

// AppendHeader appends what comes before the values, a multiple of 64 bytes.
func AppendHeader(b []byte, descr string, shape []int) []byte {
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': %s, }", descr, tuple(shape))
	before := len(magic) + 4
	text += strings.Repeat(" ", 63-(before+len(text))%64) + "\n"
	b = append(slices.Concat(b, magic), 1, 0)
	return append(binary.LittleEndian.AppendUint16(b, uint16(len(text))), text...)
}

// tuple writes a shape as Python does.
func tuple(shape []int) string {
	s := strings.ReplaceAll(strings.Trim(fmt.Sprint(shape), "[]"), " ", ", ")
	if len(shape) == 1 {
		s += ","
	}
	return "(" + s + ")"
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
