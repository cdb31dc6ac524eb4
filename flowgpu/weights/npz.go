package weights

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"cuflow/flowgpu"
	"cuflow/flowgpu/internal/npy"
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
		_, err = part.Write(npy.AppendHeader(nil, descr, shape))
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
	h, err := npy.ReadHeader(r)
	if err != nil {
		return err
	}
	if h.Descr != descr {
		return fmt.Errorf("values of type %q, but %q is wanted: save float32", h.Descr, descr)
	}
	n, err := count(h.Shape)
	if err != nil {
		return err
	}
	if err := values(r, h.Shape, n); err != nil {
		return err
	}
	return atEnd(r) // where the archive's checksum is compared
}
