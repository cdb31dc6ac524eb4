package weights

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"

	"cuflow/flowgpu"
)

// A safetensors file is, little-endian:
//
//	uint64  length of the header
//	header  JSON: name -> type, shape and place of each array; __metadata__ -> a map of strings; spaces to a multiple of 8
//	data    the arrays' bytes, row-major, one after another without a gap
//
// See https://github.com/huggingface/safetensors, "Format".

// maxHeader is the greatest header that the format allows.
const maxHeader = 100_000_000

// entry is an array in the header. Offsets count from the end of the header.
type entry struct {
	DType   string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// WriteSafetensors writes a file that the safetensors libraries read. Arrays keep their order; all are F32.
func WriteSafetensors(w io.Writer, f *File) error {
	if err := f.check(); err != nil {
		return err
	}
	metadata, err := f.metadata()
	if err != nil {
		return err
	}
	header := map[string]any{metadataName: metadata}
	at := int64(0)
	for _, a := range f.Arrays {
		end := at + 4*int64(len(a.Data))
		header[a.Name] = entry{"F32", append([]int{}, a.Shape...), [2]int64{at, end}}
		at = end
	}
	text, err := json.Marshal(header)
	if err != nil {
		return fmt.Errorf("safetensors header: %w", err)
	}
	text = append(text, bytes.Repeat([]byte(" "), -len(text)&7)...)
	if len(text) > maxHeader {
		return fmt.Errorf("a safetensors header of %d bytes: the format allows %d", len(text), maxHeader)
	}
	out := bufio.NewWriterSize(w, 1<<16)
	if _, err := out.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)); err != nil {
		return err
	}
	for _, a := range f.Arrays {
		if err := writeFloats(out, a.Data); err != nil {
			return err
		}
	}
	return out.Flush()
}

// ReadSafetensors reads a file of F32 arrays, which come in the order of their data. Its errors say what is wrong with the
// file.
func ReadSafetensors(r io.Reader) (*File, error) {
	f, err := readSafetensors(bufio.NewReaderSize(r, 1<<16))
	if err != nil {
		return nil, fmt.Errorf("safetensors: %w", err)
	}
	return f, nil
}

func readSafetensors(r io.Reader) (*File, error) {
	text, err := readHeader(r)
	if err != nil {
		return nil, err
	}
	metadata, arrays, err := parseHeader(text)
	if err != nil {
		return nil, err
	}
	f := &File{}
	for _, a := range arrays {
		data, err := readFloats(r, int(a.Offsets[1]-a.Offsets[0])/4)
		if err != nil {
			return nil, fmt.Errorf("array %s: %w", a.name, err)
		}
		f.Arrays = append(f.Arrays, flowgpu.Array{Name: a.name, Shape: a.Shape, Data: data})
	}
	if err := atEnd(r); err != nil {
		return nil, err
	}
	return f, f.setMetadata(metadata)
}

func readHeader(r io.Reader) ([]byte, error) {
	var length [8]byte
	if err := readFull(r, length[:]); err != nil {
		return nil, err
	}
	size := binary.LittleEndian.Uint64(length[:])
	if size > maxHeader {
		return nil, fmt.Errorf("the header claims %d bytes, the format allows %d: no safetensors file, or damaged", size, maxHeader)
	}
	var text bytes.Buffer // grows with what is there
	if n, err := io.CopyN(&text, r, int64(size)); err == io.EOF {
		return nil, fmt.Errorf("the header claims %d bytes, but only %d follow: no safetensors file, or cut short", size, n)
	} else if err != nil {
		return nil, err
	}
	return text.Bytes(), nil
}

type namedEntry struct {
	name string
	entry
}

// parseHeader gives the arrays in the order of their data, which they cover from the first byte to the last.
func parseHeader(text []byte) (metadata map[string]string, arrays []namedEntry, err error) {
	var parts map[string]json.RawMessage
	if err := json.Unmarshal(text, &parts); err != nil {
		return nil, nil, fmt.Errorf("the header is no JSON object (%w): no safetensors file, or damaged", err)
	}
	if parts == nil {
		return nil, nil, errors.New("the header is null: damaged")
	}
	for name, part := range parts {
		if name == metadataName {
			if err := json.Unmarshal(part, &metadata); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", metadataName, err)
			}
			continue
		}
		e, err := parseEntry(part)
		if err != nil {
			return nil, nil, fmt.Errorf("array %s: %w", name, err)
		}
		arrays = append(arrays, namedEntry{name, e})
	}
	slices.SortFunc(arrays, func(a, b namedEntry) int {
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]), cmp.Compare(a.name, b.name))
	})
	end := int64(0)
	for _, a := range arrays {
		if a.Offsets[0] != end {
			return nil, nil, fmt.Errorf("array %s begins at byte %d, but the one before it ends at %d: arrays must neither overlap nor leave a gap",
				a.name, a.Offsets[0], end)
		}
		end = a.Offsets[1]
	}
	return metadata, arrays, nil
}

func parseEntry(text []byte) (entry, error) {
	var e struct {
		DType   *string  `json:"dtype"`
		Shape   *[]int   `json:"shape"`
		Offsets *[]int64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(text, &e); err != nil {
		return entry{}, err
	}
	if e.DType == nil || e.Shape == nil || e.Offsets == nil || len(*e.Offsets) != 2 {
		return entry{}, errors.New("dtype, shape or data_offsets is missing")
	}
	if *e.DType != "F32" {
		return entry{}, fmt.Errorf("values of type %s: save them as F32 (float32)", *e.DType)
	}
	n, err := count(*e.Shape)
	if err != nil {
		return entry{}, err
	}
	begin, end := (*e.Offsets)[0], (*e.Offsets)[1]
	if begin < 0 || end < begin || end-begin != 4*int64(n) {
		return entry{}, fmt.Errorf("shape %v needs %d bytes, but data_offsets are %d to %d", *e.Shape, 4*n, begin, end)
	}
	return entry{*e.DType, *e.Shape, [2]int64{begin, end}}, nil
}
