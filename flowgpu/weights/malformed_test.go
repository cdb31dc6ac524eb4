package weights

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"
	"testing"

	"cuflow/flowgpu/internal/npy"
)

// safetensorsFile puts a header before data.
func safetensorsFile(header string, data int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), make([]byte, data)...)
}

func TestMalformedSafetensors(t *testing.T) {
	two := func(a, b string) string {
		return fmt.Sprintf(`{"a":{"dtype":"F32","shape":[2],"data_offsets":%s},"b":{"dtype":"F32","shape":[2],"data_offsets":%s}}`, a, b)
	}
	one := func(dtype, shape, offsets string) string {
		return fmt.Sprintf(`{"a":{"dtype":%s,"shape":%s,"data_offsets":%s}}`, dtype, shape, offsets)
	}
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "cut short"},
		{"huge header", binary.LittleEndian.AppendUint64(nil, 1<<63), "the header claims 9223372036854775808 bytes"},
		{"header beyond the file", binary.LittleEndian.AppendUint64(nil, maxHeader), "but only 0 follow"},
		{"text", []byte("not a safetensors file at all"), "no safetensors file"},
		{"no JSON", safetensorsFile("{]", 0), "no JSON object"},
		{"a list", safetensorsFile("[]", 0), "no JSON object"},
		{"null", safetensorsFile("null", 0), "null"},
		{"metadata of numbers", safetensorsFile(`{"__metadata__":{"a":1}}`, 0), "__metadata__"},
		{"array of text", safetensorsFile(`{"a":"b"}`, 0), "array a: json"},
		{"nothing said", safetensorsFile(`{"a":{}}`, 0), "is missing"},
		{"one offset", safetensorsFile(one(`"F32"`, "[1]", "[0]"), 4), "is missing"},
		{"float64", safetensorsFile(one(`"F64"`, "[1]", "[0,8]"), 8), "values of type F64"},
		{"wrong size", safetensorsFile(one(`"F32"`, "[2,3]", "[0,20]"), 20), "shape [2 3] needs 24 bytes, but data_offsets are 0 to 20"},
		{"backwards", safetensorsFile(one(`"F32"`, "[2]", "[8,0]"), 8), "data_offsets are 8 to 0"},
		{"negative offset", safetensorsFile(one(`"F32"`, "[2]", "[-8,0]"), 8), "data_offsets are -8 to 0"},
		{"negative size", safetensorsFile(one(`"F32"`, "[-1,-2]", "[0,8]"), 8), "a size is negative"},
		{"fraction", safetensorsFile(one(`"F32"`, "[1.5]", "[0,8]"), 8), "array a: json"},
		{"overflow", safetensorsFile(one(`"F32"`, "[4294967296,4294967296]", "[0,0]"), 0), "too many values"},
		{"far more than there is", safetensorsFile(one(`"F32"`, "[274877906944]", "[0,1099511627776]"), 8), "array a: the file was cut short"},
		{"overlap", safetensorsFile(two("[0,8]", "[4,12]"), 12), "array b begins at byte 4, but the one before it ends at 8"},
		{"twice the same", safetensorsFile(two("[0,8]", "[0,8]"), 8), "array b begins at byte 0, but the one before it ends at 8"},
		{"gap", safetensorsFile(two("[0,8]", "[12,20]"), 20), "array b begins at byte 12, but the one before it ends at 8"},
		{"gap in front", safetensorsFile(one(`"F32"`, "[2]", "[4,12]"), 12), "array a begins at byte 4, but the one before it ends at 0"},
		{"data cut short", safetensorsFile(two("[0,8]", "[8,16]"), 15), "array b: the file was cut short"},
		{"data left over", safetensorsFile(two("[0,8]", "[8,16]"), 17), "bytes behind the end"},
		{"other version", safetensorsFile(`{"__metadata__":{"cuflow.format":"9"}}`, 0), `format version "9"`},
	} {
		if f, err := ReadSafetensors(bytes.NewReader(c.file)); err == nil || f != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

// zipFile is an archive of one file.
func zipFile(t *testing.T, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	w, err := z.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestMalformedNPZ(t *testing.T) {
	npy := func(header string, data int) []byte {
		b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(header)))
		return append(append(b, header...), make([]byte, data)...)
	}
	array := func(descr, order, shape string, data int) []byte {
		return npy(fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr, order, shape), data)
	}
	damaged := zipFile(t, "a.npy", array("<f4", "False", "(1,)", 4))
	damaged[bytes.LastIndex(damaged, []byte("PK\x01\x02"))+16] ^= 1 // the checksum in the archive's directory
	for _, c := range []struct {
		name string
		file []byte
		want string
	}{
		{"empty", nil, "no .npz file"},
		{"text", []byte("not a zip file at all"), "no .npz file"},
		{"other file in it", zipFile(t, "readme.txt", nil), `"readme.txt" is no .npy file`},
		{"no array", zipFile(t, "a.npy", []byte("not an array at all")), "it does not begin with"},
		{"short", zipFile(t, "a.npy", []byte("\x93NUMPY")), "array a: the file was cut short"},
		{"version", zipFile(t, "a.npy", []byte("\x93NUMPY\x09\x00\x00\x00\x00\x00")), "format version 9"},
		{"huge header", zipFile(t, "a.npy", []byte("\x93NUMPY\x02\x00\xff\xff\xff\xff")), "a header of 4294967295 bytes"},
		{"header beyond the file", zipFile(t, "a.npy", []byte("\x93NUMPY\x01\x00\xff\xff{")), "cut short"},
		{"no shape", zipFile(t, "a.npy", npy("{'descr': '<f4', 'fortran_order': False, }", 4)), "without descr, fortran_order or shape"},
		{"records", zipFile(t, "a.npy", npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (1,), }", 4)), "array of records"},
		{"float64", zipFile(t, "a.npy", array("<f8", "False", "(1,)", 8)), `values of type "<f8"`},
		{"big-endian", zipFile(t, "a.npy", array(">f4", "False", "(1,)", 4)), `values of type ">f4"`},
		{"objects", zipFile(t, "a.npy", array("|O", "False", "(1,)", 8)), `values of type "|O"`},
		{"Fortran order", zipFile(t, "a.npy", array("<f4", "True", "(1, 2)", 8)), "numpy.ascontiguousarray"},
		{"size too great", zipFile(t, "a.npy", array("<f4", "False", "(99999999999999999999,)", 8)), "is no size"},
		{"overflow", zipFile(t, "a.npy", array("<f4", "False", "(4294967296, 4294967296)", 8)), "too many values"},
		{"far more than there is", zipFile(t, "a.npy", array("<f4", "False", "(274877906944,)", 8)), "array a: the file was cut short"},
		{"data cut short", zipFile(t, "a.npy", array("<f4", "False", "(2, 2)", 15)), "array a: the file was cut short"},
		{"data left over", zipFile(t, "a.npy", array("<f4", "False", "(2, 2)", 17)), "bytes behind the end"},
		{"checksum", damaged, "checksum"},
		{"metadata of floats", zipFile(t, "__metadata__.npy", array("<f4", "False", "(1,)", 4)), `"|u1" is wanted`},
		{"metadata no JSON", zipFile(t, "__metadata__.npy", array("|u1", "False", "(4,)", 4)), "array __metadata__: invalid character"},
		{"metadata cut short", zipFile(t, "__metadata__.npy", array("|u1", "False", "(274877906944,)", 4)), "array __metadata__: the file was cut short"},
	} {
		if f, err := ReadNPZ(bytes.NewReader(c.file), int64(len(c.file))); err == nil || f != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", c.name, err, c.want)
		}
	}
}

func TestNPZHasNoTwins(t *testing.T) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for range 2 {
		w, err := z.Create("a.npy")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(append(npy.AppendHeader(nil, float32Descr, nil), 0, 0, 0, 0)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadNPZ(bytes.NewReader(b.Bytes()), int64(b.Len())); err == nil || !strings.Contains(err.Error(), "is there twice") {
		t.Errorf("error %v", err)
	}
}

// What is read without an error is written and read again as the same.
func fuzz(f *testing.F, format format) {
	small := odd()
	small.Arrays = small.Arrays[:4]
	whole := format.bytes(f, small)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := format.read(b)
		if err != nil || file.check() != nil {
			return
		}
		again, err := format.read(format.bytes(t, file))
		if err != nil {
			t.Fatal(err)
		}
		sameArrays(t, "again", again.Arrays, file.Arrays)
	})
}

func FuzzReadSafetensors(f *testing.F) { fuzz(f, formats["safetensors"]) }
func FuzzReadNPZ(f *testing.F)         { fuzz(f, formats["npz"]) }
