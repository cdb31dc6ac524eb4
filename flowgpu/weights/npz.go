package weights

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"cuflow/flowgpu"
)

// An .npz file is a zip archive of .npy files, one for each array, as numpy.savez writes it. The metadata is one more, the
// bytes of a JSON object of strings: json.loads(bytes(f["__metadata__"])).

const float32Descr, byteDescr = "<f4", "|u1"

// WriteNPZ writes a file that numpy.load reads. Arrays keep their order; all are float32, uncompressed.
func WriteNPZ(w io.Writer, f *File) error {
	if err := f.check(); err != nil {
		return err
	}
	metadata, err := f.metadata()
	if err != nil {
		return err
	}
	text, err := json.Marshal(metadata)
	if err != nil {
		return fmt.Errorf("npz metadata: %w", err)
	}
	z := zip.NewWriter(w)
	create := func(name, descr string, shape []int) (io.Writer, error) {
		part, err := z.CreateHeader(&zip.FileHeader{Name: name + ".npy", Method: zip.Store})
		if err != nil {
			return nil, err
		}
		_, err = part.Write(npyHeader(descr, shape))
		return part, err
	}
	part, err := create(metadataName, byteDescr, []int{len(text)})
	if err != nil {
		return err
	}
	if _, err := part.Write(text); err != nil {
		return err
	}
	for _, a := range f.Arrays {
		part, err := create(a.Name, float32Descr, a.Shape)
		if err != nil {
			return err
		}
		if err := writeFloats(part, a.Data); err != nil {
			return err
		}
	}
	return z.Close()
}

// npyMagic begins an .npy file; version 1.0 follows. See numpy.lib.format.
const npyMagic = "\x93NUMPY"

// npyHeader is what comes before the values, a multiple of 64 bytes.
func npyHeader(descr string, shape []int) []byte {
	sizes := ""
	for _, d := range shape {
		sizes += fmt.Sprintf("%d, ", d)
	}
	if len(shape) > 1 {
		sizes = strings.TrimSuffix(sizes, ", ")
	}
	text := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%s), }", descr, strings.TrimSuffix(sizes, " "))
	before := len(npyMagic) + 4
	text += strings.Repeat(" ", 63-(before+len(text))%64) + "\n"
	b := binary.LittleEndian.AppendUint16([]byte(npyMagic+"\x01\x00"), uint16(len(text)))
	return append(b, text...)
}

// ReadNPZ reads a file of the given size in bytes that holds float32 arrays. Its errors say what is wrong with the file.
func ReadNPZ(r io.ReaderAt, size int64) (*File, error) {
	f, err := readNPZ(r, size)
	if err != nil {
		return nil, fmt.Errorf("npz: %w", err)
	}
	return f, nil
}

func readNPZ(r io.ReaderAt, size int64) (*File, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("%w: no .npz file, damaged or cut short", err)
	}
	f := &File{}
	metadata := map[string]string{}
	seen := map[string]bool{}
	for _, part := range z.File {
		name, ok := strings.CutSuffix(part.Name, ".npy")
		if !ok || seen[name] {
			return nil, fmt.Errorf("%q is no .npy file, or is there twice", part.Name)
		}
		seen[name] = true
		if name == metadataName {
			err = readMetadata(part, &metadata)
		} else {
			var a flowgpu.Array
			a, err = readArray(part, name)
			f.Arrays = append(f.Arrays, a)
		}
		if err != nil {
			return nil, fmt.Errorf("array %s: %w", name, err)
		}
	}
	return f, f.setMetadata(metadata)
}

func readArray(part *zip.File, name string) (a flowgpu.Array, err error) {
	err = readNPY(part, float32Descr, func(r io.Reader, shape []int, n int) error {
		data, err := readFloats(r, n)
		a = flowgpu.Array{Name: name, Shape: shape, Data: data}
		return err
	})
	return a, err
}

func readMetadata(part *zip.File, m *map[string]string) error {
	return readNPY(part, byteDescr, func(r io.Reader, _ []int, n int) error {
		var text bytes.Buffer
		if _, err := io.CopyN(&text, r, int64(n)); err == io.EOF {
			return errShort
		} else if err != nil {
			return err
		}
		return json.Unmarshal(text.Bytes(), m)
	})
}

// readNPY reads one file of the archive, whose values must be of the given type. values reads the n values of a shape.
func readNPY(part *zip.File, descr string, values func(r io.Reader, shape []int, n int) error) error {
	file, err := part.Open()
	if err != nil {
		return err
	}
	defer file.Close()
	r := bufio.NewReaderSize(file, 1<<16)
	text, err := readNPYHeader(r)
	if err != nil {
		return err
	}
	shape, err := parseNPYHeader(text, descr)
	if err != nil {
		return err
	}
	n, err := count(shape)
	if err != nil {
		return err
	}
	if err := values(r, shape, n); err != nil {
		return err
	}
	return atEnd(r) // where the archive's checksum is compared
}

// readNPYHeader reads the text that describes the array.
func readNPYHeader(r io.Reader) (string, error) {
	var start [12]byte
	if err := readFull(r, start[:10]); err != nil {
		return "", err
	}
	if string(start[:6]) != npyMagic {
		return "", errors.New("no NumPy array: it does not begin with \\x93NUMPY")
	}
	size := int(binary.LittleEndian.Uint16(start[8:]))
	switch version := start[6]; version {
	case 1:
	case 2, 3: // the length has four bytes
		if err := readFull(r, start[10:]); err != nil {
			return "", err
		}
		size = int(binary.LittleEndian.Uint32(start[8:]))
	default:
		return "", fmt.Errorf("NumPy's format version %d: versions 1 to 3 are read", version)
	}
	if size > 1<<16 {
		return "", fmt.Errorf("a header of %d bytes: the file is damaged", size)
	}
	text := make([]byte, size)
	if err := readFull(r, text); err != nil {
		return "", err
	}
	return string(text), nil
}

var npyKeys = []*regexp.Regexp{
	regexp.MustCompile(`'descr':\s*'([^']*)'`),
	regexp.MustCompile(`'fortran_order':\s*(True|False)`),
	regexp.MustCompile(`'shape':\s*\(([0-9, ]*)\)`),
}

// parseNPYHeader reads the text of a Python dictionary.
func parseNPYHeader(text, descr string) (shape []int, err error) {
	var found [3]string
	for i, key := range npyKeys {
		m := key.FindStringSubmatch(text)
		if m == nil {
			return nil, errors.New("a header without a plain descr, fortran_order or shape: no array of numbers, or damaged")
		}
		found[i] = m[1]
	}
	if found[0] != descr {
		return nil, fmt.Errorf("values of type %q, but %q is wanted: save float32", found[0], descr)
	}
	if found[1] == "True" {
		return nil, errors.New("in Fortran order: save numpy.ascontiguousarray of it")
	}
	shape = []int{}
	for _, size := range strings.FieldsFunc(found[2], func(r rune) bool { return r == ',' || r == ' ' }) {
		d, err := strconv.Atoi(size)
		if err != nil {
			return nil, fmt.Errorf("shape (%s): %q is no size", found[2], size)
		}
		shape = append(shape, d)
	}
	return shape, nil
}
