package weights

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"strings"

	"cuflow/flowgpu"
	"cuflow/flowgpu/internal/npy"
)

// File is a model's weights as they lie in a file for other frameworks.
type File struct {
	Config flowgpu.Config    // what flowgpu.New builds the model from; zero in a file that does not say
	Meta   map[string]string // what else the writer says, such as MetaWeights
	Arrays []flowgpu.Array   // see Model.Arrays and Model.SetArrays
}

// MetaWeights is the key in File.Meta that says which weights these are: Raw, EMA or Best.
const (
	MetaWeights = "weights"
	Raw         = "raw"  // as the optimiser left them
	EMA         = "ema"  // averaged over steps
	Best        = "best" // of the best validation, where training stops early
)

// The keys of the metadata that this package writes itself. All begin with reserved.
const (
	reserved  = "cuflow."
	keyFormat = "cuflow.format" // version of names and shapes
	keyConfig = "cuflow.config" // File.Config as JSON
	keyFixed  = "cuflow.fixed"  // names of the arrays that are not trained, as a JSON list

	formatVersion = "1"
	metadataName  = "__metadata__"
)

var errShort = npy.ErrShort

// metadata is all that is said beside the arrays, as text.
func (f *File) metadata() (map[string]string, error) {
	m := map[string]string{}
	for k, v := range f.Meta {
		if strings.HasPrefix(k, reserved) {
			return nil, fmt.Errorf("metadata %q: keys that begin with %q are reserved", k, reserved)
		}
		m[k] = v
	}
	config, err := json.Marshal(f.Config)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	fixed := []string{}
	for _, a := range f.Arrays {
		if a.Fixed {
			fixed = append(fixed, a.Name)
		}
	}
	names, err := json.Marshal(fixed)
	if err != nil {
		return nil, fmt.Errorf("metadata: %w", err)
	}
	m[keyFormat], m[keyConfig], m[keyFixed] = formatVersion, string(config), string(names)
	return m, nil
}

// setMetadata is the way back. A file without any of this package's metadata is one that others wrote: its arrays count.
func (f *File) setMetadata(m map[string]string) error {
	if v, ok := m[keyFormat]; ok && v != formatVersion {
		return fmt.Errorf("weights of format version %q, but this program reads version %s: use the program that wrote them", v, formatVersion)
	}
	if text, ok := m[keyConfig]; ok {
		if err := json.Unmarshal([]byte(text), &f.Config); err != nil {
			return fmt.Errorf("metadata %s: %w", keyConfig, err)
		}
	}
	var fixed []string
	if text, ok := m[keyFixed]; ok {
		if err := json.Unmarshal([]byte(text), &fixed); err != nil {
			return fmt.Errorf("metadata %s: %w", keyFixed, err)
		}
	}
	isFixed := map[string]bool{}
	for _, name := range fixed {
		isFixed[name] = true
	}
	for i := range f.Arrays {
		f.Arrays[i].Fixed = isFixed[f.Arrays[i].Name]
	}
	f.Meta = maps.Clone(m)
	maps.DeleteFunc(f.Meta, func(k, _ string) bool { return strings.HasPrefix(k, reserved) })
	return nil
}

// check says what of a File cannot be written.
func (f *File) check() error {
	seen := map[string]bool{metadataName: true}
	for _, a := range f.Arrays {
		if a.Name == "" || seen[a.Name] {
			return fmt.Errorf("array %q: the name is empty, reserved or given twice", a.Name)
		}
		seen[a.Name] = true
		if n, err := count(a.Shape); err != nil || n != len(a.Data) {
			return fmt.Errorf("array %s has shape %v, but %d values", a.Name, a.Shape, len(a.Data))
		}
	}
	return nil
}

// count is the number of values of a shape; at most 2^40, so that no size in bytes overflows.
func count(shape []int) (int, error) {
	const most = 1 << 40
	n, empty := 1, false
	for _, d := range shape {
		if d < 0 {
			return 0, fmt.Errorf("shape %v: a size is negative", shape)
		}
		if d == 0 {
			empty = true
			continue
		}
		if d > most/n {
			return 0, fmt.Errorf("shape %v: too many values", shape)
		}
		n *= d
	}
	if empty {
		n = 0
	}
	return n, nil
}

// writeFloats writes values little-endian.
func writeFloats(w io.Writer, data []float32) error {
	var chunk [1 << 14]byte
	for len(data) > 0 {
		n := min(len(data), len(chunk)/4)
		for i, v := range data[:n] {
			binary.LittleEndian.PutUint32(chunk[4*i:], math.Float32bits(v))
		}
		if _, err := w.Write(chunk[:4*n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

// readFloats reads n values in pieces, so that a wrong n costs no more memory than the file has bytes.
func readFloats(r io.Reader, n int) ([]float32, error) {
	data := []float32{}
	var chunk [1 << 14]byte
	for len(data) < n {
		k := min(n-len(data), len(chunk)/4)
		if err := readFull(r, chunk[:4*k]); err != nil {
			return nil, err
		}
		for i := range k {
			data = append(data, math.Float32frombits(binary.LittleEndian.Uint32(chunk[4*i:])))
		}
	}
	return data, nil
}

func readFull(r io.Reader, p []byte) error {
	_, err := io.ReadFull(r, p)
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		return errShort
	}
	return err
}

// atEnd says whether nothing follows.
func atEnd(r io.Reader) error {
	switch n, err := io.ReadFull(r, make([]byte, 1)); {
	case n > 0:
		return errors.New("there are bytes behind the end")
	case err != io.EOF:
		return err
	}
	return nil
}
